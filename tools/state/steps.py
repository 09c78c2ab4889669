"""Steps of a cloud's command line that can be taken again: what is there already is left alone.

Owns running and telling them. Which steps there are, each cloud's module says.
"""

import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

Say = Callable[[str], None]


class StepError(Exception):
    """A step could not be taken; the message is what to read."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing to bring about: `make` does it, unless `found` says that it is there.

    Without `found` it is done each time, and does nothing where nothing is to be done.
    """

    title: str
    make: Sequence[str]
    found: Sequence[str] | None = None
    # What stands in the command line's answer where somebody else has the name, and what to do.
    hints: Mapping[str, str] | None = None


def take(steps: Iterable[Step], *, say: Say, dry_run: bool = False) -> None:
    """Take the steps in their order; one that fails ends it, and all of it can be run again."""
    for step in steps:
        if dry_run:
            say(shlex.join(step.make))
            continue
        if step.found is not None and _run(step.found).returncode == 0:
            say(f"{step.title}: is there")
            continue
        done = _run(step.make)
        if done.returncode != 0:
            raise StepError(_failure(step, done.stderr.strip()))
        say(f"{step.title}: done")


def _failure(step: Step, said: str) -> str:
    hint = next((text for mark, text in (step.hints or {}).items() if mark in said), "")
    lines = [f"{step.title}: this failed: {shlex.join(step.make)}", said, hint]
    return "\n".join(filter(None, [*lines, "What is done stays; run it again."]))


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    program = shutil.which(command[0])
    if program is None:
        raise StepError(f"{command[0]} is not on PATH. Install it, log in, and run this again.")
    return subprocess.run(  # noqa: S603 - a command line of this package's own
        [program, *command[1:]], capture_output=True, text=True, check=False
    )
