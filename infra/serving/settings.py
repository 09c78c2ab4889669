"""What one model server is told: typed, and the same for every target that speaks TF Serving.

Pure data. `infra.serving.rendering` turns it into flags and files.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class BatchingSettings:
    """TF Serving's batching parameters, by its own names."""

    max_batch_size: int
    batch_timeout_micros: int
    max_enqueued_batches: int
    num_batch_threads: int
    allowed_batch_sizes: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ServingSettings:
    """One server process for one model.

    `versions` empty means "the latest in the bucket"; `poll_seconds` says how often to look, and
    0 leaves TF Serving's own second. A port of 0 is chosen by whoever starts the server.
    `traffic` gives each version's percentage of the requests that name no version (local server
    only: elsewhere a Service or a gateway does it); empty leaves TF Serving's rule, the highest.
    """

    model: str
    base_path: str
    versions: tuple[int, ...]
    rest_port: int
    grpc_port: int
    labels: Mapping[str, int] = field(default_factory=dict)
    traffic: Mapping[int, int] = field(default_factory=dict)
    poll_seconds: int = 0
    batching: BatchingSettings | None = None
    warmup: bool = True
    monitoring: bool = True
    intra_op_threads: int | None = None
    inter_op_threads: int | None = None
    rest_threads: int | None = None
    grpc_threads: int | None = None
    gpu_memory_fraction: float | None = None
    prefer_tflite_model: bool = False
