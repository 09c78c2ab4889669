"""What one machine cannot do, and what only it can. Pure data."""

from typing import Final

from infra.config.refusals.refusal import ALL_TARGETS, DOCKER, LOCAL_TARGET, Refusal

LOCAL_REFUSALS: Final = (
    # One machine.
    Refusal(
        field="models.*.replicas",
        targets=LOCAL_TARGET,
        reason="a model has one server on this machine",
        remedy="Remove the line; it belongs in a stack with a cluster",
    ),
    Refusal(
        field="models.*.autoscaling",
        targets=LOCAL_TARGET,
        reason="a model has one server on this machine",
        remedy="Remove the section; it belongs in a stack with a cluster",
    ),
    Refusal(
        field="models.*.resources",
        targets=LOCAL_TARGET,
        reason="nothing on this machine sets resources aside for a process",
        remedy="Remove the section; it belongs in a stack with a cluster",
    ),
    Refusal(
        field="models.*.gpu",
        targets=LOCAL_TARGET,
        reason="a local stack serves on the CPU",
        remedy="Remove the section; it belongs in a stack with GPU nodes",
    ),
    Refusal(
        field="models.*.strategy",
        targets=LOCAL_TARGET,
        reason="a local release is always a swap inside the running server",
        remedy="Remove the line",
    ),
    Refusal(
        field="models.*.canary",
        targets=LOCAL_TARGET,
        servers=DOCKER,
        reason="the real server cannot split traffic by itself",
        remedy="Remove the section, or write: servestack:local.server: process",
    ),
    Refusal(
        field="models.*.ports",
        targets=ALL_TARGETS - LOCAL_TARGET,
        reason="only a local server's ports can be chosen",
        remedy="Remove the section",
    ),
)
