"""Whether what was deployed really answers, with the predictions that were recorded at export."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from infra.releases.answering import NotAnsweringError
from infra.releases.artefacts import Manifests
from infra.releases.doors import Door, ServiceDoor, UnreachableError, open_door
from infra.releases.model_release import Canary, ModelRelease

# The update has waited for its servers already; this is for what stands between them and us.
_ANSWER_SECONDS: Final = 20.0
_REACH_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 0.1

AnyDoor = Door | ServiceDoor


def deployed_release(output: Mapping[str, Any]) -> ModelRelease:
    """Read what was deployed from a model's output, which tells no labels."""
    canary = output.get("canary")
    version = output.get("version")
    return ModelRelease(
        # Numbers of an output may come back as floats.
        version=int(version) if isinstance(version, float) else version,
        canary=Canary(version=int(canary["version"]), share=int(canary["share"]))
        if canary
        else None,
    )


def is_serving(
    outputs: Mapping[str, Any], after: Mapping[str, ModelRelease], manifests: Manifests
) -> bool:
    """Tell whether exactly this is deployed already, and answers as far as it can be asked."""
    deployed = outputs.get("models") or {}
    for model, release in after.items():
        if model not in deployed or deployed_release(deployed[model]) != replace(
            release, labels={}
        ):
            return False
        if release.version is None:
            continue
        try:
            with open_door(model, deployed[model]) as door:
                if door.unanswered(release):
                    return False
                _require_predictions(door, release, manifests)
        except NotAnsweringError:
            return False
        except UnreachableError:
            continue
    return True


def require_answers(
    outputs: Mapping[str, Any],
    after: Mapping[str, ModelRelease],
    manifests: Manifests,
    *,
    insist: bool,
    say: Callable[[str], None],
) -> None:
    """Wait until each version of the releases answers, and compare its predictions.

    Where nobody can be asked from here, that is said; with `insist` it is a failure.
    """
    for model, release in after.items():
        if release.version is None:
            continue
        output = outputs["models"][model]
        # A server on this machine that cannot be reached is down.
        must = insist or output.get("target") == "local"
        try:
            with open_door(model, output) as door:
                if not must and isinstance(door, Door):
                    _wait_for_anybody(door)
                _wait(door, release)
                compared = _require_predictions(door, release, manifests)
            say(f"  {model} answers{_compared(compared)}")
        except UnreachableError as error:
            if must:
                raise NotAnsweringError(str(error)) from error
            say(f"  {error}: the update went through, but no prediction was tried")


def _wait_for_anybody(door: Door) -> None:
    """Tell an address that cannot be reached from here from servers that have not what they should.

    The engine has waited for the servers themselves, so silence is the network's.
    """
    deadline = time.monotonic() + _REACH_SECONDS
    while not door.states():
        if time.monotonic() > deadline:
            raise UnreachableError(f"nobody answers at {', '.join(door.fronts)}")
        time.sleep(_PAUSE_SECONDS)


def _wait(door: AnyDoor, release: ModelRelease) -> None:
    deadline = time.monotonic() + _ANSWER_SECONDS
    while (problem := door.unanswered(release)) is not None:
        if time.monotonic() > deadline:
            raise NotAnsweringError(problem)
        time.sleep(_PAUSE_SECONDS)


def _compared(versions: Sequence[int]) -> str:
    if not versions:
        return "; no predictions were recorded at export to compare with"
    plural = "s" if len(versions) > 1 else ""
    told = " and ".join(map(str, versions))
    return f", and predicts as at export: version{plural} {told}"


def _require_predictions(
    door: AnyDoor, release: ModelRelease, manifests: Manifests
) -> Sequence[int]:
    """Give the versions that were compared."""
    samples = {
        version: sample
        for version in release.pinned_versions
        if (sample := manifests[door.model, version].sample) is not None
    }
    door.require_predictions(samples)
    return tuple(samples)
