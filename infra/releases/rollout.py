"""Bringing a stack to other releases, or leaving everything as it was.

Owns the order: check, write the stack file, update, see that the new versions answer; and when
that fails, the way back. What is to be released is decided before.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.config.load import read_stack_file
from infra.config.model import StackConfig
from infra.errors import ServestackError
from infra.releases.answering import NotAnsweringError
from infra.releases.artefacts import Manifests
from infra.releases.errors import OperationFailedError, UpdateRunningError
from infra.releases.history import parse_history, put_back_message
from infra.releases.model_release import ModelRelease, describe_changes, release_of
from infra.releases.stack_file import (
    EditedMeanwhileError,
    UnwritableFileError,
    with_releases,
    write_over,
)
from infra.releases.verifying import require_answers
from infra.releases.workspace import StackEngine


class PausedError(ServestackError):
    """A paused stack serves nothing, so nothing is released to it."""


@dataclass(frozen=True, kw_only=True)
class StackFile:
    """A stack's file as it was read, and what it says."""

    path: Path
    content: bytes
    config: StackConfig

    @property
    def stack(self) -> str:
        """Give the name that commands take after -s."""
        return self.path.name.removeprefix("Pulumi.").removesuffix(".yaml")

    @property
    def releases(self) -> Mapping[str, ModelRelease]:
        """Give what is configured for each model."""
        return {name: release_of(model) for name, model in self.config.models.items()}


def read_stack(path: Path) -> StackFile:
    """Read the file; a mistake in it is told by the configuration's own rules."""
    config = read_stack_file(path)
    return StackFile(path=path, content=path.read_bytes(), config=config)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A change of releases that was found to be sound, before anything is touched."""

    file: StackFile
    after: Mapping[str, ModelRelease]
    content: bytes
    # What the file will say.
    config: StackConfig
    manifests: Manifests
    breaking: Sequence[str] = ()

    @property
    def changes(self) -> list[str]:
        """Say each change in the model's terms."""
        return describe_changes(self.file.releases, self.after)


def plan_rollout(
    file: StackFile,
    after: Mapping[str, ModelRelease],
    manifests: Manifests,
    breaking: Sequence[str] = (),
) -> Plan:
    """Edit the file in memory, and let the configuration judge the result."""
    if file.config.paused:
        raise PausedError(
            f"Stack {file.stack} is paused, so nothing could be seen to answer. "
            f"Run first: servestack resume -s {file.stack}"
        )
    content = with_releases(file.content, file.releases, after, name=file.path.name)
    with tempfile.TemporaryDirectory() as scratch:
        # The same name, so that a refusal names the user's own file and key.
        edited = Path(scratch) / file.path.name
        edited.write_bytes(content)
        config = read_stack_file(edited)
    return Plan(
        file=file,
        after=after,
        content=content,
        config=config,
        manifests=manifests,
        breaking=breaking,
    )


def write_plan(plan: Plan) -> None:
    """Write the stack file, unless somebody else has changed it since it was read."""
    write_over(plan.file.path, expected=plan.file.content, content=plan.content)


def roll_out(
    engine: StackEngine, plan: Plan, *, message: str, insist: bool = False
) -> Mapping[str, Any]:
    """Write, update and verify; give the stack's outputs. On failure put everything back.

    With `insist` it is a failure, too, if the versions cannot be asked from here.
    """
    write_plan(plan)
    updated = False
    try:
        outputs = engine.up(message)
        updated = True
        if plan.file.config.paused:
            resume = f"servestack resume -s {plan.file.stack}"
            engine.say(f"  The stack is paused: nothing serves until {resume}")
        else:
            require_answers(outputs, plan.after, plan.manifests, insist=insist, say=engine.say)
    except UpdateRunningError as error:
        raise UpdateRunningError(f"{error}\n{_restore_file(plan) or _as_before(plan)}") from error
    except (ServestackError, NotAnsweringError) as error:
        ending = _put_back(engine, plan, str(error), updated=updated)
        raise OperationFailedError(f"{error}\n{ending}") from error
    except BaseException:
        engine.say(
            _restore_file(plan)
            or f"{_as_before(plan)} To bring the stack to it: servestack up -s {plan.file.stack}"
        )
        raise
    return outputs


def _put_back(engine: StackEngine, plan: Plan, why: str, *, updated: bool) -> str:
    """Undo what was begun, as far as it can be; say how things stand now."""
    if plan.content == plan.file.content:
        name = plan.file.path.name
        return (
            f"{name} said so before and is left as it is. "
            f"To go back: servestack rollback -s {plan.file.stack}"
        )
    problem = _restore_file(plan)
    if problem is not None:
        return f"{problem} Put it right by hand, then: servestack up -s {plan.file.stack}"
    reason = _gist(why)
    try:
        if updated:
            number = parse_history(engine.history())[0].number
            engine.up(put_back_message(number, reason))
        elif engine.preview_changes().count:
            engine.up(f"Put back after a failed update: {reason}")
    except ServestackError as error:
        again = "" if str(error) == why else f"\n{error}"
        return (
            f"{_as_before(plan)} But the stack could not be brought back to it. "
            f"Try: servestack up -s {plan.file.stack}{again}"
        )
    before = ", ".join(f"{model} {plan.file.releases[model]}" for model in plan.after)
    return f"{_as_before(plan)} So is the stack: {before}."


def _gist(why: str) -> str:
    """Give the first line that says something: one that ends with a colon leads up to it."""
    lines = why.splitlines()
    return next((line for line in lines if not line.endswith(":")), lines[0])


def _restore_file(plan: Plan) -> str | None:
    """Put the file's bytes back; say what stands against it, if anything does."""
    try:
        write_over(plan.file.path, expected=plan.content, content=plan.file.content)
    except (EditedMeanwhileError, UnwritableFileError) as error:
        return str(error)
    return None


def _as_before(plan: Plan) -> str:
    return f"{plan.file.path.name} is as it was before."
