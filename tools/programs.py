"""Programs that are built from committed Go modules, once per machine for each set of pins.

Owns the way from a go.mod and go.sum to a program in the cache. Which programs there are, and what
they are for, say `tools.servers` and `tools.cluster`; how Go is run and how a thing appears in the
cache, `tools.engine`.
"""

import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from tools.engine.build import go_in_module
from tools.engine.cache import cache_directory, locked, unfinished
from tools.engine.errors import EngineError, WayClosedError
from tools.engine.pins import release_platform


@dataclass(frozen=True, kw_only=True)
class GoProgram:
    """A program, its package, and the module (a directory with go.mod and go.sum) that pins it.

    Where several programs are of one module, each bears its package's last name, as Go has it.
    """

    name: str
    package: str
    module: Path
    linker_flags: str = "-s -w"
    # What a build from nothing takes on 2 cores, for who waits for it.
    build_seconds: int = 60


def ensure_programs(
    programs: Sequence[GoProgram],
    *,
    kind: str,
    environ: Mapping[str, str],
    progress: Callable[[str], None],
) -> dict[str, Path]:
    """Return where each program is, by its name; `kind` is their directory in the cache."""
    home = cache_directory(environ) / kind
    places = program_places(programs, kind=kind, environ=environ)

    def missing() -> list[GoProgram]:
        return [program for program in programs if not places[program.name].exists()]

    if not missing():
        return places
    names = ", ".join(program.name for program in missing())
    try:
        with locked(home, progress):
            if needed := missing():
                with unfinished(home) as directory:
                    _build(needed, places, directory, environ, progress)
    except WayClosedError as reason:
        raise EngineError(
            f"There is no {names} here and it cannot be built: {reason}. It needs Go on PATH and "
            "Go's module proxy, once; SERVESTACK_CACHE names the directory that keeps it."
        ) from reason
    except OSError as error:
        raise EngineError(
            f"{names} cannot be put into {home}: {error.strerror or error}. "
            "Make room or choose another directory with SERVESTACK_CACHE."
        ) from error
    return places


def program_places(
    programs: Sequence[GoProgram], *, kind: str, environ: Mapping[str, str]
) -> dict[str, Path]:
    """Return where each program is once it is built; for who would rather do without."""
    home = cache_directory(environ) / kind
    return {program.name: home / _pins(program) / program.name for program in programs}


def _build(
    programs: Sequence[GoProgram],
    places: Mapping[str, Path],
    directory: Path,
    environ: Mapping[str, str],
    progress: Callable[[str], None],
) -> None:
    seconds = sum(program.build_seconds for program in programs)
    duration = "a minute" if seconds <= 60 else f"{math.ceil(seconds / 60)} minutes"  # noqa: PLR2004 -- seconds in it
    names = ", ".join(program.name for program in programs)
    progress(f"building {names} from their Go modules: about {duration} on 2 cores")
    started = time.monotonic()
    # One build cache for all of them: they share Go's own library, and more.
    environ = {"GOCACHE": str(directory / "gocache"), **environ}
    by_module = groupby(sorted(programs, key=_pins), key=_pins)
    for number, (_, group) in enumerate(by_module):
        _build_together(list(group), places, directory / str(number), environ, progress)
    progress(f"built {names} in {time.monotonic() - started:.0f} s")


def _build_together(
    programs: Sequence[GoProgram],
    places: Mapping[str, Path],
    scratch: Path,
    environ: Mapping[str, str],
    progress: Callable[[str], None],
) -> None:
    """Build the programs of one module, and let each appear whole."""
    first = programs[0]
    built = scratch / "built"
    built.mkdir(parents=True)
    go = go_in_module(first.module, scratch, environ, progress)
    target = f"{built}/" if len(programs) > 1 else str(built / first.name)
    # The linker leaves out what debuggers want; so the compiler need not make it.
    flags = ("-ldflags", first.linker_flags, "-gcflags", "all=-dwarf=false")
    go("build", *flags, "-o", target, *(program.package for program in programs))
    for program in programs:
        place = places[program.name]
        place.parent.mkdir(exist_ok=True)
        (built / program.name).rename(place)


def _pins(program: GoProgram) -> str:
    """Return a name that changes with whatever changes the program."""
    digest = hashlib.sha256(program.linker_flags.encode())
    for name in ("go.mod", "go.sum"):
        digest.update((program.module / name).read_bytes())
    return f"{release_platform()}-{digest.hexdigest()[:12]}"
