"""What is configured, what is deployed and what really answers, for each model of a stack."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from infra.releases.answering import AVAILABLE
from infra.releases.doors import ServiceDoor, UnreachableError, open_door
from infra.releases.history import Release, deployed_since
from infra.releases.model_release import ModelRelease
from infra.releases.verifying import deployed_release

_ASKERS: Final = 8


@dataclass(frozen=True, kw_only=True)
class ModelStatus:
    """One model, seen from its three sides.

    `unreachable` says why nobody could be asked, where nobody could; `share` and `replicas` are
    what came out, where the platform says so.
    """

    model: str
    configured: ModelRelease | None
    deployed: ModelRelease | None
    states: Mapping[int, str]
    target: str | None = None
    share: float | None = None
    replicas: Mapping[int | str, int] | None = None
    since: datetime | None = None
    rest: str | None = None
    grpc: str | None = None
    problem: str | None = None
    unreachable: str | None = None


def model_statuses(
    configured: Mapping[str, ModelRelease],
    outputs: Mapping[str, Any],
    history: Sequence[Release] = (),
    *,
    stack: str,
) -> list[ModelStatus]:
    """Compare the sides, and ask each deployed model; `stack` is for the commands that it tells."""
    remedy = f"run: servestack up -s {stack}"
    deployed: Mapping[str, Any] = outputs.get("models") or {}
    names = list(dict.fromkeys([*configured, *deployed]))

    def status(name: str) -> ModelStatus:
        return _status(name, configured.get(name), deployed.get(name), history, remedy)

    with ThreadPoolExecutor(_ASKERS) as askers:
        return list(askers.map(status, names))


def _status(
    name: str,
    configured: ModelRelease | None,
    output: Mapping[str, Any] | None,
    history: Sequence[Release],
    remedy: str,
) -> ModelStatus:
    if output is None:
        is_wanted = configured is not None and configured.version is not None
        problem = f"not deployed; {remedy}" if is_wanted else None
        return ModelStatus(
            model=name, configured=configured, deployed=None, states={}, problem=problem
        )
    deployed = deployed_release(output)
    status = ModelStatus(
        model=name,
        configured=configured,
        deployed=deployed,
        states={},
        target=output.get("target"),
        share=output.get("share") or (deployed.canary.share if deployed.canary else None),
        replicas=_replicas(output),
        since=_since(name, deployed, history),
        rest=output.get("rest"),
        grpc=output.get("grpc"),
    )
    if configured is None:
        return replace(status, problem=f"deployed, but not configured any more; {remedy}")
    differs = (configured.version, configured.canary) != (deployed.version, deployed.canary)
    if deployed.version is not None:
        # Of labels the outputs tell nothing.
        status = _asked(status, deployed if differs else configured, output, remedy)
    if differs:
        return replace(status, problem=f"what is configured is not deployed; {remedy}")
    return status


def _asked(
    status: ModelStatus, release: ModelRelease, output: Mapping[str, Any], remedy: str
) -> ModelStatus:
    is_local = output.get("target") == "local"
    try:
        with open_door(status.model, output) as door:
            if isinstance(door, ServiceDoor):
                return replace(status, unreachable="ok, as the service says; it tells no versions")
            states = door.states()
            if not states and not is_local:
                return replace(status, unreachable=f"nobody answers at {', '.join(door.fronts)}")
            answer = door.unanswered(release)
    except UnreachableError as error:
        return replace(status, unreachable=str(error))
    problem = f"{answer}; {remedy}" if answer else None
    return replace(status, states=states, problem=problem)


def _replicas(output: Mapping[str, Any]) -> Mapping[int | str, int] | None:
    tracks = output.get("tracks") or {}
    found = {track["version"]: int(track["replicas"]) for track in tracks.values()}
    return found or None


def _since(name: str, deployed: ModelRelease, history: Sequence[Release]) -> datetime | None:
    update = deployed_since(name, deployed, history)
    return update.started if update else None


def answering(states: Mapping[int, str]) -> str:
    """Say in a few words what answers; what a server has ended is no news."""
    return (
        ", ".join(
            str(version) if state == AVAILABLE else f"{version} ({state})"
            for version, state in sorted(states.items())
            if state != "END"
        )
        or "-"
    )
