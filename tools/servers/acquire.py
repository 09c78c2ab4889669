"""Which test servers there are, and the modules that pin them (go/go.mod, go/go.sum).

How they come from there into the cache is `tools.programs`'s, how one is started `running`'s.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tools.programs import GoProgram, ensure_programs

GO_MODULE: Final = Path(__file__).parent / "go"
# Each server's name, and the package that is its program.
PACKAGES: Final[Mapping[str, str]] = {
    "fake-gcs-server": "github.com/fsouza/fake-gcs-server",
    "versitygw": "github.com/versity/versitygw/cmd/versitygw",
}


def ensure_servers(
    *names: str, environ: Mapping[str, str], progress: Callable[[str], None]
) -> list[Path]:
    """Return the servers' programs, each built at most once per machine for each set of pins."""
    programs = [
        GoProgram(name=name, package=PACKAGES[name], module=GO_MODULE, build_seconds=60)
        for name in names
    ]
    places = ensure_programs(programs, kind="servers", environ=environ, progress=progress)
    return [places[name] for name in names]


def ensure_server(
    name: str, *, environ: Mapping[str, str], progress: Callable[[str], None]
) -> Path:
    """Return one server's program."""
    return ensure_servers(name, environ=environ, progress=progress)[0]
