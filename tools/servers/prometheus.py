"""A real Prometheus for the tests, and promtool beside it, where Debian's package of it can be had.

The package is unpacked into the cache and not installed, so no service is started and no root is
needed. Which version that is, is Debian's choice; nothing but tests runs it.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tools.engine.cache import cache_directory, locked, staged
from tools.engine.errors import EngineError
from tools.engine.progress import end_in_order_on_sigterm, say

_PACKAGE: Final = "prometheus"
_PROGRAMS: Final = ("prometheus", "promtool")


def ensure_prometheus(*, environ: Mapping[str, str], progress: Callable[[str], None]) -> Path:
    """Return the server: of PATH, of the cache, or out of Debian's package; promtool is beside."""
    found = shutil.which("prometheus", path=environ.get("PATH"))
    if found is not None:
        return Path(found)
    final = cache_directory(environ) / "servers" / "debian-prometheus-and-promtool"
    program = final / "prometheus"
    if program.exists():
        return program
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool, path=environ.get("PATH")) is None:
            raise EngineError(f"there is no prometheus on PATH, and no {tool} to get Debian's")
    with locked(final.parent, progress):
        if not program.exists():
            progress("fetching Debian's package of Prometheus, once")
            with staged(final) as (content, scratch):
                _unpack(scratch, environ)
                for name in _PROGRAMS:
                    shutil.move(scratch / "usr" / "bin" / name, content)
    return program


def _unpack(directory: Path, environ: Mapping[str, str]) -> None:
    download = ["apt-get", "download", _PACKAGE]
    said = _run(download, directory, environ)
    if said is not None and os.geteuid() == 0:
        # A new machine may have no list of packages, or one that is out of date.
        said = _run(["apt-get", "update"], directory, environ) or _run(download, directory, environ)
    if said is None:
        package = next(directory.glob("*.deb"))
        said = _run(["dpkg-deb", "-x", package.name, "."], directory, environ)
    if said is not None:
        raise EngineError(f"Debian's package of Prometheus cannot be had: {said}")


def _run(command: list[str], directory: Path, environ: Mapping[str, str]) -> str | None:
    """Say what went wrong, if anything did."""
    done = subprocess.run(  # noqa: S603 -- apt-get and dpkg-deb
        command, cwd=directory, env=dict(environ), capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        return None
    return f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()[-300:]}"


def main() -> int:
    """Print the program's path; progress goes to stderr."""
    end_in_order_on_sigterm()
    try:
        sys.stdout.write(f"{ensure_prometheus(environ=os.environ, progress=say)}\n")
    except EngineError as error:
        say(str(error))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
