"""Where a roll-out by steps, or a measure of it, is not possible. Pure data."""

from typing import Final

from infra.config.refusals.refusal import (
    DOCKER,
    KUBERNETES,
    LOCAL,
    LOCAL_TARGET,
    MANAGED,
    Refusal,
)

ROLLOUT_REFUSALS: Final = (
    Refusal(
        field="rollout",
        platforms=LOCAL,
        servers=DOCKER,
        reason="the real server cannot split traffic by itself",
        remedy="Remove the section, or write: servestack:local.server: process",
    ),
    Refusal(
        field="models.*.rollout",
        targets=LOCAL_TARGET,
        servers=DOCKER,
        reason="the real server cannot split traffic by itself",
        remedy="Remove the section, or write: servestack:local.server: process",
    ),
    *(
        Refusal(
            field=f"models.*.rollout.gate.{field}",
            targets=MANAGED,
            reason="a managed service keeps its metrics to the cloud's own monitoring",
            remedy="Remove the line, or write: target: kubernetes",
        )
        for field in ("prometheus", "version_label", "custom")
    ),
    *(
        Refusal(
            field="cost",
            platforms=places,
            reason=reason,
            remedy="Remove the section",
        )
        for places, reason in (
            (LOCAL, "nothing on this machine is billed"),
            (KUBERNETES, "the cluster is not this stack's to pay for"),
        )
    ),
)
