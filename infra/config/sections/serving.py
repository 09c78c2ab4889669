"""What any model may say of how it is served, whatever serves it.

Pure data, checked field by field.
"""

from pydantic import Field

from infra.config.sections.section import Section
from infra.config.values import (
    AcceleratorType,
    BatchSizes,
    Count,
    CpuQuantity,
    Fraction,
    MemoryQuantity,
    Micros,
    Percent,
    Share,
    Version,
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
        default=None,
        description="Part of the accelerator's memory that the server may take. "
        "Absent: all, or on Kubernetes an equal part of a GPU that pods take turns on.",
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
