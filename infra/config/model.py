"""The typed configuration of one stack, for every platform at once.

Pure data, checked field by field. What fields must be to each other, and what a platform cannot
honour, is checked by `parse.py`, which is the only door: a `StackConfig` made elsewhere is not
known to be sound. It also fills in the defaults that depend on the platform.
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from infra.config.values import (
    AcceleratorType,
    Address,
    AwsRegion,
    BatchSizes,
    BucketName,
    Count,
    CpuQuantity,
    DirectoryPath,
    Fraction,
    GcpProject,
    GcpRegion,
    Image,
    KubeContext,
    KubeNamespace,
    Label,
    MemoryQuantity,
    Micros,
    ModelName,
    Percent,
    PlatformChoice,
    Port,
    Seconds,
    ServerChoice,
    Share,
    StrategyChoice,
    Target,
    TargetChoice,
    Version,
    VersionOrLatest,
    YesNo,
)

LATEST: Final = "latest"


def _without_default(schema: dict[str, Any]) -> None:
    """Leave out of the schema a default that depends on the platform."""
    del schema["default"]


class Section(BaseModel):
    """A mapping in the stack file, with known keys only."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class BucketConfig(Section):
    """Where published versions lie."""

    path: DirectoryPath | None = Field(
        default=None,
        description="Directory of the bucket, absolute or below the project's. "
        "Absent: one that belongs to this stack alone.",
    )
    name: BucketName | None = Field(
        default=None,
        description="Name of the bucket in the cloud. Absent: made from the stack's name.",
    )
    force_destroy: YesNo = Field(
        default=False,
        description="Let `pulumi destroy` delete the bucket with the versions in it.",
    )


class LocalConfig(Section):
    """How a local stack runs its servers."""

    server: ServerChoice = Field(
        default="process",
        description="`process` is this project's own server; `docker` runs the real image.",
    )
    image: Image = Field(
        default="tensorflow/serving:2.19.1", description="Image for `server: docker`."
    )
    bind_address: Address = Field(
        default="127.0.0.1",
        description="Address the servers listen on. 0.0.0.0 opens them to the network, "
        "without any authentication.",
    )


class GcpConfig(Section):
    """The place on Google Cloud."""

    project: GcpProject | None = Field(default=None, description="Project that holds everything.")
    region: GcpRegion | None = Field(
        default=None, description="Region of the bucket and of serving."
    )


class AwsConfig(Section):
    """The place on AWS."""

    region: AwsRegion | None = Field(
        default=None, description="Region of the bucket and of serving."
    )


class KubernetesConfig(Section):
    """The place in a cluster."""

    context: KubeContext | None = Field(
        default=None, description="Context of your kubeconfig that names the existing cluster."
    )
    namespace: KubeNamespace | None = Field(
        default=None, description="Namespace of the models. Absent: made from the stack's name."
    )


class CanaryConfig(Section):
    """A second version that takes a part of the traffic."""

    version: Version = Field(description="The version on trial.")
    share: Share = Field(description="Percent of the requests that go to it.")


class AutoscalingConfig(Section):
    """How many replicas, by load."""

    min_replicas: Count = Field(description="Fewest replicas.")
    max_replicas: Count = Field(description="Most replicas.")
    target_cpu_percent: Percent = Field(
        default=60, description="Load at which replicas are added, in percent of the requested CPU."
    )


class ResourcesConfig(Section):
    """What each replica asks of its node."""

    cpu: CpuQuantity | None = Field(default=None, description="Cores, for example 2 or 500m.")
    memory: MemoryQuantity | None = Field(default=None, description="Memory, for example 4Gi.")


class GpuConfig(Section):
    """Accelerators of each replica."""

    type: AcceleratorType = Field(description="The accelerator as the cloud names it.")
    count: Count = Field(default=1, description="Accelerators for each replica.")
    memory_fraction: Fraction | None = Field(
        default=None, description="Part of the accelerator's memory that the server may take."
    )


class BatchingConfig(Section):
    """Putting requests that arrive together into one run, by TF Serving's own names."""

    max_batch_size: Count = Field(default=32, description="Most examples in a batch.")
    batch_timeout_micros: Micros = Field(
        default=1_000, description="Longest wait for a batch to fill, in microseconds."
    )
    max_enqueued_batches: Count = Field(
        default=100, description="Batches that may wait before requests are refused."
    )
    num_batch_threads: Count = Field(default=4, description="Batches that run at the same time.")
    allowed_batch_sizes: BatchSizes = Field(
        default=(),
        description="Sizes a batch is padded to, ascending, the last equal to max_batch_size.",
    )


class ThreadsConfig(Section):
    """TensorFlow's thread pools. Absent: TensorFlow takes what the machine has."""

    intra_op: Count | None = Field(default=None, description="Threads inside one operation.")
    inter_op: Count | None = Field(default=None, description="Operations at the same time.")


class PortsConfig(Section):
    """Fixed ports of a local server."""

    rest: Port | None = Field(
        default=None, description="Port for REST. Absent: a free one is kept."
    )
    grpc: Port | None = Field(
        default=None, description="Port for gRPC. Absent: a free one is kept."
    )


class ModelConfig(Section):
    """One model: which version serves, where and how."""

    target: TargetChoice = Field(
        default=Target.LOCAL,
        description="What serves it. Absent: local on `local`, else Kubernetes.",
        json_schema_extra=_without_default,
    )
    version: VersionOrLatest | None = Field(
        default=None,
        description="The version that serves, or `latest`. Absent: declared, but not served yet.",
    )
    canary: CanaryConfig | None = Field(default=None, description="A second version on trial.")
    labels: Mapping[Label, Version] = Field(
        default={},
        description="Names for served versions, which clients may ask for instead of a number.",
    )
    strategy: StrategyChoice | None = Field(
        default=None,
        description="How a new version comes: `pod` in new pods, `hot` in the running server, "
        "`poll` as soon as the bucket has it. Absent: `poll` for latest, else the target's own.",
    )
    poll_seconds: Seconds | None = Field(
        default=None,
        description="How often to look for a later version. Absent: 1 locally, else 120.",
    )
    replicas: Count | None = Field(
        default=None, description="A fixed number of replicas. Absent: 1."
    )
    autoscaling: AutoscalingConfig | None = Field(default=None, description="Replicas by load.")
    resources: ResourcesConfig | None = Field(
        default=None, description="What each replica asks for."
    )
    gpu: GpuConfig | None = Field(default=None, description="Accelerators of each replica.")
    batching: BatchingConfig | None = Field(
        default=None,
        description="Put requests that arrive together into one run. Absent: none is delayed.",
    )
    warmup: YesNo = Field(
        default=True, description="Replay the model's warm-up requests before it serves."
    )
    threads: ThreadsConfig | None = Field(default=None, description="TensorFlow's thread pools.")
    prefer_tflite_model: YesNo = Field(
        default=False, description="Serve `model.tflite` where a version has one."
    )
    ports: PortsConfig | None = Field(default=None, description="Fixed ports of a local server.")

    @property
    def pinned_version(self) -> int | None:
        """The stable version where the configuration names it."""
        return self.version if isinstance(self.version, int) else None

    @property
    def pinned_versions(self) -> tuple[int, ...]:
        """Every version that the configuration names to be served, lowest first."""
        stable = () if self.pinned_version is None else (self.pinned_version,)
        trial = () if self.canary is None else (self.canary.version,)
        return tuple(sorted({*stable, *trial}))

    @property
    def traffic(self) -> Mapping[int, int]:
        """Each version's percentage while a canary is on trial, else nothing to split."""
        if self.canary is None or self.pinned_version is None:
            return {}
        return {
            self.pinned_version: 100 - self.canary.share,
            self.canary.version: self.canary.share,
        }


class StackConfig(Section):
    """A stack: one environment on one platform."""

    platform: PlatformChoice = Field(description="Where the stack lives.")
    bucket: BucketConfig = Field(
        default=BucketConfig(), description="Where published versions lie."
    )
    local: LocalConfig = Field(
        default=LocalConfig(), description="How a local stack runs its servers."
    )
    gcp: GcpConfig = Field(default=GcpConfig(), description="The place on Google Cloud.")
    aws: AwsConfig = Field(default=AwsConfig(), description="The place on AWS.")
    kubernetes: KubernetesConfig = Field(
        default=KubernetesConfig(), description="The place in a Kubernetes cluster."
    )
    models: Mapping[ModelName, ModelConfig] = Field(default={}, description="The models, by name.")
