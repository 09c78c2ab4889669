"""Where the test servers come from: this machine's cache, else their Go modules.

Owns the pins (go/go.mod, checked against go/go.sum) and the build. Shares the engine's cache
directory, its lock and the way it runs Go. How a server is started is `running`'s.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tools.engine.build import go_in_module
from tools.engine.cache import cache_directory, locked, staged
from tools.engine.errors import EngineError, WayClosedError
from tools.engine.pins import release_platform

GO_MODULE: Final = Path(__file__).parent / "go"
# Each server's name, and the package that is its program.
PACKAGES: Final[Mapping[str, str]] = {
    "fake-gcs-server": "github.com/fsouza/fake-gcs-server",
    "versitygw": "github.com/versity/versitygw/cmd/versitygw",
}


def ensure_server(
    name: str, *, environ: Mapping[str, str], progress: Callable[[str], None]
) -> Path:
    """Return the server's program, built at most once per machine for each set of pins."""
    final = cache_directory(environ) / "servers" / f"{name}-{_cache_key()}"
    program = final / name
    if program.exists():
        return program
    try:
        with locked(final.parent, progress):
            if not program.exists():
                with staged(final) as (content, scratch):
                    _build(name, content / name, scratch, environ, progress)
    except WayClosedError as reason:
        raise EngineError(
            f"There is no {name} here and it cannot be built: {reason}. It needs Go on PATH and "
            "Go's module proxy, once; SERVESTACK_CACHE names the directory that keeps it."
        ) from reason
    except OSError as error:
        raise EngineError(
            f"{name} cannot be put into {final.parent}: {error.strerror or error}. "
            "Make room or choose another directory with SERVESTACK_CACHE."
        ) from error
    return program


def _build(
    name: str,
    program: Path,
    scratch: Path,
    environ: Mapping[str, str],
    progress: Callable[[str], None],
) -> None:
    go = go_in_module(GO_MODULE, scratch, environ, progress)
    progress(f"building {name} from its Go modules: about 2 minutes on 2 cores")
    started = time.monotonic()
    go("build", "-ldflags", "-s -w", "-o", str(program), PACKAGES[name])
    progress(f"built {name} in {time.monotonic() - started:.0f} s")


def _cache_key() -> str:
    digest = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        digest.update((GO_MODULE / name).read_bytes())
    return f"{release_platform()}-{digest.hexdigest()[:12]}"
