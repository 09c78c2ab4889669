"""Which checkers there are, and the modules that pin them (go/go.mod, go/go.sum)."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tools.programs import GoProgram, ensure_programs

GO_MODULE: Final = Path(__file__).parent / "go"
_ACTIONLINT: Final = GoProgram(
    name="actionlint",
    package="github.com/rhysd/actionlint/cmd/actionlint",
    module=GO_MODULE,
    build_seconds=30,
)


def ensure_actionlint(*, environ: Mapping[str, str], progress: Callable[[str], None]) -> Path:
    """Return actionlint, built at most once per machine for each set of pins."""
    places = ensure_programs([_ACTIONLINT], kind="checkers", environ=environ, progress=progress)
    return places[_ACTIONLINT.name]
