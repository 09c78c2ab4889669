"""Bringing a stack to other releases, or leaving everything as it was.

Owns the order: check, write the stack file, update, see that the new versions answer; and when
that fails, the way back. What is to be released is decided before.
"""

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from infra.config.load import read_stack_file
from infra.config.model import StackConfig
from infra.errors import ServestackError
from infra.releases.answering import (
    AVAILABLE,
    NotAnsweringError,
    require_prediction,
    version_states,
)
from infra.releases.artefacts import Manifests
from infra.releases.errors import OperationFailedError, UpdateRunningError
from infra.releases.history import parse_history, put_back_message
from infra.releases.model_release import Canary, ModelRelease, describe_changes, release_of
from infra.releases.stack_file import EditedMeanwhileError, with_releases, write_over
from infra.releases.workspace import StackEngine

# The update has waited for its servers already; this is for what stands between them and us.
_ANSWER_SECONDS: Final = 20.0
_PAUSE_SECONDS: Final = 0.1


@dataclass(frozen=True, kw_only=True)
class StackFile:
    """A stack's file as it was read, and what it says."""

    path: Path
    content: bytes
    config: StackConfig

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
    content = with_releases(file.content, file.releases, after, name=file.path.name)
    with tempfile.TemporaryDirectory() as scratch:
        # The same name, so that a refusal names the user's own file and key.
        edited = Path(scratch) / file.path.name
        edited.write_bytes(content)
        read_stack_file(edited)
    return Plan(file=file, after=after, content=content, manifests=manifests, breaking=breaking)


def write_plan(plan: Plan) -> None:
    """Write the stack file, unless somebody else has changed it since it was read."""
    write_over(plan.file.path, expected=plan.file.content, content=plan.content)


def roll_out(engine: StackEngine, plan: Plan, *, message: str) -> Mapping[str, Any]:
    """Write, update and verify; give the stack's outputs. On failure put everything back."""
    write_plan(plan)
    updated = False
    try:
        outputs = engine.up(message)
        updated = True
        for model, release in plan.after.items():
            _require_answers(outputs, model, release, plan.manifests)
    except UpdateRunningError as error:
        raise UpdateRunningError(f"{error}\n{_restore_file(plan) or _as_before(plan)}") from error
    except (ServestackError, NotAnsweringError) as error:
        ending = _put_back(engine, plan, str(error), updated=updated)
        raise OperationFailedError(f"{error}\n{ending}") from error
    except BaseException:
        engine.say(
            _restore_file(plan) or f"{_as_before(plan)} To bring the stack to it: servestack up"
        )
        raise
    return outputs


def is_serving(outputs: Mapping[str, Any], plan: Plan) -> bool:
    """Tell whether exactly what is planned is deployed already, and answers."""
    deployed = outputs.get("models") or {}
    for model, release in plan.after.items():
        if model not in deployed or deployed_release(deployed[model]) != replace(
            release, labels={}
        ):
            return False
        if release.version is not None:
            rest = str(deployed[model]["rest"])
            try:
                if unanswered(rest, model, release):
                    return False
                _require_predictions(rest, model, release, plan.manifests)
            except NotAnsweringError:
                return False
    return True


def deployed_release(output: Mapping[str, Any]) -> ModelRelease:
    """Read what was deployed from a model's output, which tells no labels."""
    canary = output.get("canary")
    return ModelRelease(
        version=output.get("version"),
        canary=Canary(version=canary["version"], share=canary["share"]) if canary else None,
    )


def unanswered(rest: str, model: str, release: ModelRelease) -> str | None:
    """Say what of a release does not answer; None if all of it does."""
    states = version_states(rest, model)
    missing = [
        str(version) for version in release.pinned_versions if states.get(version) != AVAILABLE
    ]
    missing += [
        f"label {label}"
        for label, version in release.labels.items()
        if version_states(rest, f"{model}/labels/{label}").get(version) != AVAILABLE
    ]
    if not missing and AVAILABLE in states.values():
        return None
    wanted = ", ".join(missing) or "any version"
    seen = ", ".join(f"{version} is {state}" for version, state in states.items())
    return f"{model} does not answer as {wanted} ({seen or 'nobody answers'})"


def _require_answers(
    outputs: Mapping[str, Any], model: str, release: ModelRelease, manifests: Manifests
) -> None:
    """Wait until each version of the release answers, and compare its predictions."""
    if release.version is None:
        return
    rest = str(outputs["models"][model]["rest"])
    deadline = time.monotonic() + _ANSWER_SECONDS
    while (problem := unanswered(rest, model, release)) is not None:
        if time.monotonic() > deadline:
            raise NotAnsweringError(problem)
        time.sleep(_PAUSE_SECONDS)
    _require_predictions(rest, model, release, manifests)


def _require_predictions(
    rest: str, model: str, release: ModelRelease, manifests: Manifests
) -> None:
    for version in release.pinned_versions:
        sample = manifests[model, version].sample
        if sample is not None:
            require_prediction(rest, model, version, sample)


def _put_back(engine: StackEngine, plan: Plan, why: str, *, updated: bool) -> str:
    """Undo what was begun, as far as it can be; say how things stand now."""
    if plan.content == plan.file.content:
        name = plan.file.path.name
        return f"{name} said so before and is left as it is. To go back: servestack rollback"
    problem = _restore_file(plan)
    if problem is not None:
        return f"{problem} Put it right by hand, then: servestack up"
    reason = why.partition("\n")[0]
    try:
        if updated:
            number = parse_history(engine.history())[0].number
            engine.up(put_back_message(number, reason))
        elif engine.preview_changes():
            engine.up(f"Put back after a failed update: {reason}")
    except ServestackError as error:
        return (
            f"{_as_before(plan)} But the stack could not be brought back to it. "
            f"Try: servestack up\n{error}"
        )
    before = ", ".join(f"{model} {plan.file.releases[model]}" for model in plan.after)
    return f"{_as_before(plan)} So is the stack: {before}."


def _restore_file(plan: Plan) -> str | None:
    """Put the file's bytes back; say what stands against it, if anything does."""
    try:
        write_over(plan.file.path, expected=plan.content, content=plan.file.content)
    except EditedMeanwhileError as error:
        return str(error)
    return None


def _as_before(plan: Plan) -> str:
    return f"{plan.file.path.name} is as it was before."
