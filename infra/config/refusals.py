"""What a platform or target cannot honour, why, and what to write instead. Pure data.

Nothing in a configuration may be without effect: a field that is not refused here for a place has
to reach a resource there.
"""

from dataclasses import dataclass
from typing import Final, get_args

from infra.config.fields import leaf_fields
from infra.config.values import LocalServerKind, Platform, Target

_LOCAL: Final = frozenset({Platform.LOCAL})
_GCP: Final = frozenset({Platform.GCP})
_AWS: Final = frozenset({Platform.AWS})
_KUBERNETES: Final = frozenset({Platform.KUBERNETES})
_CLOUDS: Final = _GCP | _AWS
_ALL: Final = frozenset(Platform)
_LOCAL_TARGET: Final = frozenset({Target.LOCAL})
_VERTEX: Final = frozenset({Target.VERTEX})
_SAGEMAKER: Final = frozenset({Target.SAGEMAKER})
_MANAGED: Final = _VERTEX | _SAGEMAKER
_ALL_TARGETS: Final = frozenset(Target)
_PROCESS: Final[frozenset[LocalServerKind]] = frozenset({"process"})
_DOCKER: Final[frozenset[LocalServerKind]] = frozenset({"docker"})
_ALL_SERVERS: Final[frozenset[LocalServerKind]] = frozenset(get_args(LocalServerKind))


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a field would have to have its effect; `target` is a model's."""

    platform: Platform
    target: Target | None = None
    server: LocalServerKind = "process"


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A field, with all below it, that has no effect in some places; or only one value of it."""

    field: str
    reason: str
    remedy: str
    value: str | None = None
    platforms: frozenset[Platform] = _ALL
    targets: frozenset[Target] = _ALL_TARGETS
    servers: frozenset[LocalServerKind] = _ALL_SERVERS

    def holds_at(self, place: Place) -> bool:
        """Tell whether the field is refused in this place."""
        return (
            place.platform in self.platforms
            and place.server in self.servers
            and (place.target is None or place.target in self.targets)
        )


REFUSALS: Final = (
    # The place itself.
    Refusal(
        field="bucket.path",
        platforms=_CLOUDS,
        reason="the bucket is made in the cloud, not in a directory",
        remedy="Write name: instead, or leave it out and a name is made",
    ),
    Refusal(
        field="bucket.name",
        platforms=_LOCAL,
        reason="the bucket of a local stack is a directory",
        remedy="Write path: instead, for example: path: .servestack/bucket",
    ),
    Refusal(
        field="bucket.name",
        platforms=_KUBERNETES,
        reason="there is no cloud to make a bucket in; the nodes mount a directory",
        remedy="Write path: instead, for example: path: /mnt/models",
    ),
    Refusal(
        field="bucket.force_destroy",
        platforms=_KUBERNETES,
        reason="the directory on the nodes is not the stack's to delete",
        remedy="Remove the line",
    ),
    Refusal(
        field="local",
        platforms=_ALL - _LOCAL,
        reason="only a stack of platform local runs servers on this machine",
        remedy="Remove the section",
    ),
    Refusal(
        field="local.image",
        platforms=_LOCAL,
        servers=_PROCESS,
        reason="the server is a process, not a container",
        remedy="Remove the line, or write: server: docker",
    ),
    Refusal(
        field="gcp",
        platforms=_ALL - _GCP,
        reason="only a stack of platform gcp is on Google Cloud",
        remedy="Remove the section",
    ),
    Refusal(
        field="aws",
        platforms=_ALL - _AWS,
        reason="only a stack of platform aws is on AWS",
        remedy="Remove the section",
    ),
    Refusal(
        field="kubernetes",
        platforms=_LOCAL,
        reason="a local stack has no cluster",
        remedy="Remove the section",
    ),
    Refusal(
        field="kubernetes.context",
        platforms=_CLOUDS,
        reason="a stack in a cloud makes its own cluster",
        remedy="Remove the line, or write: servestack:platform: kubernetes",
    ),
    # Which target fits which platform.
    Refusal(
        field="models.*.target",
        value=Target.LOCAL,
        platforms=_ALL - _LOCAL,
        reason="only a stack of platform local serves on this machine",
        remedy="Remove the line",
    ),
    Refusal(
        field="models.*.target",
        value=Target.KUBERNETES,
        platforms=_LOCAL,
        reason="a local stack has no cluster",
        remedy="Remove the line, or put the model into a stack of platform kubernetes, gcp or aws",
    ),
    Refusal(
        field="models.*.target",
        value=Target.VERTEX,
        platforms=_ALL - _GCP,
        reason="Vertex AI is a service of Google Cloud",
        remedy="Remove the line, or put the model into a stack of platform gcp",
    ),
    Refusal(
        field="models.*.target",
        value=Target.SAGEMAKER,
        platforms=_ALL - _AWS,
        reason="SageMaker is a service of AWS",
        remedy="Remove the line, or put the model into a stack of platform aws",
    ),
    # One machine.
    Refusal(
        field="models.*.replicas",
        targets=_LOCAL_TARGET,
        reason="a model has one server on this machine",
        remedy="Remove the line; it belongs in a stack with a cluster",
    ),
    Refusal(
        field="models.*.autoscaling",
        targets=_LOCAL_TARGET,
        reason="a model has one server on this machine",
        remedy="Remove the section; it belongs in a stack with a cluster",
    ),
    Refusal(
        field="models.*.resources",
        targets=_LOCAL_TARGET,
        reason="nothing on this machine sets resources aside for a process",
        remedy="Remove the section; it belongs in a stack with a cluster",
    ),
    Refusal(
        field="models.*.gpu",
        targets=_LOCAL_TARGET,
        reason="a local stack serves on the CPU",
        remedy="Remove the section; it belongs in a stack with GPU nodes",
    ),
    Refusal(
        field="models.*.strategy",
        targets=_LOCAL_TARGET,
        reason="a local release is always a swap inside the running server",
        remedy="Remove the line",
    ),
    Refusal(
        field="models.*.canary",
        targets=_LOCAL_TARGET,
        servers=_DOCKER,
        reason="the real server cannot split traffic by itself",
        remedy="Remove the section, or write: servestack:local.server: process",
    ),
    Refusal(
        field="models.*.ports",
        targets=_ALL_TARGETS - _LOCAL_TARGET,
        reason="only a local server's ports can be chosen",
        remedy="Remove the section",
    ),
    # Managed services: no server of ours whose flags could be set.
    Refusal(
        field="models.*.version",
        value="latest",
        targets=_MANAGED,
        reason="a managed service deploys one version and does not watch the bucket",
        remedy="Name the version, for example: version: 2",
    ),
    *(
        Refusal(
            field=f"models.*.{field}",
            targets=_MANAGED,
            reason="a managed service rolls out in its own way and does not watch the bucket",
            remedy="Remove the line, or write: target: kubernetes",
        )
        for field in ("strategy", "poll_seconds")
    ),
    *(
        Refusal(
            field=f"models.*.{field}",
            targets=_MANAGED,
            reason="a managed service's container takes no such setting",
            remedy="Remove it, or write: target: kubernetes",
        )
        for field in ("batching", "warmup", "threads", "prefer_tflite_model", "gpu.memory_fraction")
    ),
    Refusal(
        field="models.*.resources",
        targets=_MANAGED,
        reason="a managed service sells machine types, not quantities",
        remedy="Remove the section, or write: target: kubernetes",
    ),
    Refusal(
        field="models.*.labels",
        targets=_SAGEMAKER,
        reason="SageMaker has no names for versions",
        remedy="Remove the section, or write: target: kubernetes",
    ),
)


def accepted_fields(place: Place) -> frozenset[str]:
    """Give the fields that must have an effect in this place."""
    refused = [entry for entry in REFUSALS if entry.value is None and entry.holds_at(place)]
    return frozenset(
        path
        for path in leaf_fields()
        if not any(path == entry.field or path.startswith(f"{entry.field}.") for entry in refused)
    )
