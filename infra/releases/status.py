"""What is configured, what is deployed and what really answers, for each model of a stack."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.releases.answering import AVAILABLE, version_states
from infra.releases.model_release import ModelRelease
from infra.releases.rollout import deployed_release, unanswered


@dataclass(frozen=True, kw_only=True)
class ModelStatus:
    """One model, seen from its three sides."""

    model: str
    configured: ModelRelease | None
    deployed: ModelRelease | None
    states: Mapping[int, str]
    rest: str | None
    grpc: str | None
    problem: str | None


def model_statuses(
    configured: Mapping[str, ModelRelease], outputs: Mapping[str, Any]
) -> list[ModelStatus]:
    """Compare the sides, and ask each deployed model."""
    deployed: Mapping[str, Any] = outputs.get("models") or {}
    return [
        _status(name, configured.get(name), deployed.get(name))
        for name in dict.fromkeys([*configured, *deployed])
    ]


def _status(
    name: str, configured: ModelRelease | None, output: Mapping[str, Any] | None
) -> ModelStatus:
    deployed = deployed_release(output) if output is not None else None
    rest = output.get("rest") if output is not None else None
    return ModelStatus(
        model=name,
        configured=configured,
        deployed=deployed,
        states=version_states(rest, name) if rest else {},
        rest=rest,
        grpc=output.get("grpc") if output is not None else None,
        problem=_problem(name, configured, deployed, rest),
    )


def _problem(
    name: str, configured: ModelRelease | None, deployed: ModelRelease | None, rest: str | None
) -> str | None:
    if configured is None:
        return "deployed, but not configured any more; run: servestack up"
    wanted = configured.version, configured.canary
    if deployed is None:
        return None if configured.version is None else "not deployed; run: servestack up"
    if wanted != (deployed.version, deployed.canary):
        return "what is configured is not deployed; run: servestack up"
    if rest is None:
        return None
    answer = unanswered(rest, name, configured)
    return f"{answer}; run: servestack up" if answer else None


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
