"""Where a version comes from: who made it, and from which commit.

Asks the system and never fails a publish: what cannot be told is None.
"""

import getpass
import os
import platform
import subprocess
from dataclasses import dataclass
from typing import Final

_GIT_TIMEOUT_SECONDS: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class GitState:
    """The commit that is checked out, and whether tracked files differ from it."""

    commit: str
    dirty: bool


def git_state() -> GitState | None:
    """Ask for the repository of the working directory, where the training code most likely is."""
    try:
        answer = subprocess.run(
            # Untracked files do not count, as with `git describe --dirty`: an exported model
            # itself often lies there.
            ["git", "status", "--porcelain=v2", "--branch", "--untracked-files=no"],  # noqa: S607 the user's own git
            capture_output=True,
            check=True,
            text=True,
            timeout=_GIT_TIMEOUT_SECONDS,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return parse_git_status(answer.stdout)


def parse_git_status(status: str) -> GitState | None:
    """Read `git status --porcelain=v2 --branch`; None in a repository without a commit."""
    lines = status.splitlines()
    commits = [line.removeprefix("# branch.oid ") for line in lines if "# branch.oid " in line]
    if not commits or commits[0] == "(initial)":
        return None
    return GitState(
        commit=commits[0], dirty=any(line and not line.startswith("#") for line in lines)
    )


def publisher() -> str:
    """Name who publishes, as user@machine."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # A container may run under a number that has no name.
        user = f"uid-{os.getuid()}"
    return f"{user}@{platform.node() or 'unknown'}"
