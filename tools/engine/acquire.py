"""Where the engine comes from: PATH, the cache, the official download, or its Go modules."""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.engine.build import build_engine
from tools.engine.cache import cache_directory, locked, staged
from tools.engine.download import RELEASES_URL, download_engine
from tools.engine.errors import EngineError, EngineUsageError, WayClosedError
from tools.engine.pins import VERSION, cache_key, fits

WAYS = ("path", "cache", "download", "build")
Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Engine:
    """An engine that can be started: `pulumi`, and its Python language host beside it."""

    bin_dir: Path
    pulumi: Path
    version: str
    origin: str


def ensure_engine(*, environ: Mapping[str, str], progress: Progress) -> Engine:
    """Return the engine, from the first way that is open; made only once per machine.

    SERVESTACK_ENGINE names the ways to try, in order (`path,cache,download,build` if unset).
    """
    ways = chosen_ways(environ)
    closed: dict[str, str] = {}
    if "path" in ways:
        try:
            return _engine_on_path(environ)
        except WayClosedError as reason:
            closed["path"] = str(reason)
    final = cache_directory(environ) / "engine" / cache_key()
    if "cache" in ways and _is_complete(final):
        return _cached(final, "cache")
    try:
        with locked(final.parent, progress):
            if "cache" in ways and _is_complete(final):
                return _cached(final, "cache")
            if "path" in closed:
                progress(f"no engine from PATH: {closed['path']}")
            for way in ways:
                install = {"download": download_engine, "build": build_engine}.get(way)
                if install is None:
                    continue
                try:
                    with staged(final) as (content, scratch):
                        (content / "bin").mkdir()
                        install(content / "bin", scratch, environ, progress)
                    return _cached(final, way)
                except WayClosedError as reason:
                    closed[way] = str(reason)
                    progress(f"no engine by {way}: {reason}")
    except OSError as error:
        raise EngineError(
            f"The engine cannot be put into {final.parent}: {error.strerror or error}. "
            "Make room or choose another directory with SERVESTACK_CACHE."
        ) from error
    raise EngineError(no_way_message(closed))


def chosen_ways(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the ways to try, in order."""
    ways = tuple(environ.get("SERVESTACK_ENGINE", ",".join(WAYS)).replace(" ", "").split(","))
    if unknown := [way for way in ways if way not in WAYS]:
        raise EngineUsageError(
            f"SERVESTACK_ENGINE: unknown way {unknown[0]!r}; write some of {','.join(WAYS)}."
        )
    return ways


def no_way_message(closed: Mapping[str, str]) -> str:
    """Name the three ways to an engine, and what became of each."""
    ways = {
        "path": f"pulumi {VERSION} or a later {VERSION[0]}.x on PATH "
        "(https://www.pulumi.com/docs/install)",
        "download": f"network access to {RELEASES_URL}, to download it",
        "build": "Go 1.21 or later on PATH and its module proxy, to build it (once, 3 minutes)",
    }
    lines = [
        f"  - {remedy}\n      now: {closed.get(way, 'not tried, SERVESTACK_ENGINE leaves it out')}"
        for way, remedy in ways.items()
    ]
    return "There is no Pulumi engine here. Any one of these is enough:\n" + "\n".join(lines)


def _is_complete(final: Path) -> bool:
    return (final / "bin" / "pulumi").exists()


def _cached(final: Path, origin: str) -> Engine:
    bin_dir = final / "bin"
    return Engine(bin_dir=bin_dir, pulumi=bin_dir / "pulumi", version=VERSION, origin=origin)


def _engine_on_path(environ: Mapping[str, str]) -> Engine:
    search = environ.get("PATH", "")
    found = shutil.which("pulumi", path=search)
    if found is None:
        raise WayClosedError("pulumi is not on PATH")
    pulumi = Path(found).absolute()
    if cache_directory(environ) in pulumi.parents:
        raise WayClosedError("the pulumi on PATH is the cached one")
    beside = os.pathsep.join((str(pulumi.parent), str(pulumi.resolve().parent), search))
    if shutil.which("pulumi-language-python", path=beside) is None:
        raise WayClosedError(f"{pulumi} comes without pulumi-language-python")
    try:
        answer = subprocess.run(  # noqa: S603 -- the pulumi that the user has put on PATH
            [pulumi, "version"],
            env={**environ, "PULUMI_SKIP_UPDATE_CHECK": "true"},
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise WayClosedError(f"{pulumi} does not say its version: {error}") from error
    version = answer.stdout.strip().removeprefix("v")
    if not fits(version):
        raise WayClosedError(f"{pulumi} is {version}, this project needs {VERSION} or a later 3.x")
    return Engine(bin_dir=pulumi.parent, pulumi=pulumi, version=version, origin="path")
