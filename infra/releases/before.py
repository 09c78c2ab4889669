"""What a stack's file said before a change: at a commit, or in another file."""

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from infra.config.load import read_stack_file
from infra.config.model import StackConfig
from infra.errors import ServestackError

# A change of these may change what every stack's program declares.
_CODE: Final = (
    "infra/",
    "model_export/",
    "Pulumi.yaml",
    "__main__.py",
    "pyproject.toml",
    "uv.lock",
)
_STACK_FILE: Final = ("Pulumi.", ".yaml")


def config_before(path: Path, base: str) -> StackConfig | None:
    """Read the stack's configuration at a commit; None where there was no such stack yet."""
    content = _git(path.parent, "show", f"{base}:./{path.name}", missing_ok=True)
    if content is None:
        return None
    with tempfile.TemporaryDirectory(prefix="servestack-") as scratch:
        # The same name, so that a refusal names the user's own file.
        earlier = Path(scratch) / path.name
        earlier.write_bytes(content)
        return read_stack_file(earlier)


def all_stacks(checkout: Path) -> list[str]:
    """List the stacks that have a file."""
    start, end = _STACK_FILE
    return sorted(
        file.name.removeprefix(start).removesuffix(end) for file in checkout.glob(f"{start}*{end}")
    )


def affected_stacks(checkout: Path, base: str) -> list[str]:
    """List the stacks that a change since a commit may touch; those that were removed are not."""
    changed = (_git(checkout, "diff", "--name-only", "-z", base, "--", ".") or b"").decode()
    names = [name for name in changed.split("\0") if name]
    stacks = all_stacks(checkout)
    if _touches_code(names):
        return stacks
    return [name for name in stacks if f"Pulumi.{name}.yaml" in names]


def _touches_code(names: Sequence[str]) -> bool:
    return any(name.startswith(_CODE) for name in names)


def _git(directory: Path, *words: str, missing_ok: bool = False) -> bytes | None:
    try:
        done = subprocess.run(  # noqa: S603 - git, with a revision that git itself checks
            ["git", *words],  # noqa: S607 - the user's own
            cwd=directory,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise ServestackError("git is not installed, so what was before is not known.") from error
    if done.returncode == 0:
        return done.stdout
    said = done.stderr.decode(errors="replace").strip().rstrip(".")
    if missing_ok and ("does not exist in" in said or "exists on disk, but not in" in said):
        return None
    raise ServestackError(
        f"git {words[0]} failed, so what was before is not known: {said}. Give a commit that is "
        "here (git fetch), as --base origin/main"
    )
