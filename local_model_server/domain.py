"""What the server's parts say to each other: settings, errors, the door for requests, metrics.

Pure types without TensorFlow or gRPC at run time, so that a mistake in a flag is told before
anything heavy is imported. What a part does with them is its own module's matter.
"""

import enum
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
    from tensorflow_serving.apis.classification_pb2 import ClassificationResult
    from tensorflow_serving.apis.input_pb2 import Input
    from tensorflow_serving.apis.regression_pb2 import RegressionResult

DEFAULT_SIGNATURE: Final = "serving_default"


class Code(enum.IntEnum):
    """TensorFlow's error codes, which are gRPC's, by gRPC's numbers and names."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class ServingError(Exception):
    """The answer to a request that cannot be fulfilled, as every protocol tells it."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class UsageError(Exception):
    """A mistake in flags or files that whoever starts the server can mend: exit code 2.

    The text holds all mistakes at once, one to a line.
    """


@dataclass(frozen=True, kw_only=True)
class LatestVersions:
    """Serve the highest versions."""

    count: int = 1


@dataclass(frozen=True, kw_only=True)
class AllVersions:
    """Serve every version."""


@dataclass(frozen=True, kw_only=True)
class SpecificVersions:
    """Serve exactly these."""

    versions: tuple[int, ...]


VersionPolicy = LatestVersions | AllVersions | SpecificVersions


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """One entry of the model config list."""

    name: str
    base_path: str
    policy: VersionPolicy = field(default_factory=LatestVersions)
    labels: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class BatchingParameters:
    """The batching file, with TF Serving's own defaults for what it does not name."""

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    num_batch_threads: int
    allowed_batch_sizes: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MonitoringConfig:
    """Where Prometheus metrics are served on the REST port; absent means nowhere."""

    path: str = "/monitoring/prometheus/metrics"


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """All that flags and files decide.

    A port of 0 is off, as in TF Serving. Without a model config file, `models` holds the one model
    of the flags; with it, what the file said when it was first read.
    """

    models: tuple[ModelConfig, ...]
    grpc_port: int = 8500
    grpc_socket_path: str = ""
    grpc_channel_arguments: Mapping[str, int | str] = field(default_factory=dict)
    grpc_max_threads: int
    enable_grpc_healthcheck_service: bool = False
    rest_port: int = 0
    rest_timeout_ms: int = 30_000
    enable_cors_support: bool = False
    bind_address: str = "127.0.0.1"
    model_config_file: Path | None = None
    model_config_file_poll_seconds: int = 0
    version_traffic_file: Path | None = None
    # 0 looks once, below 0 never.
    file_system_poll_seconds: int = 1
    max_num_load_retries: int = 5
    load_retry_interval_micros: int = 60_000_000
    enable_model_warmup: bool = True
    num_warmup_iterations: int = 1
    allow_version_labels_for_unavailable_models: bool = False
    saved_model_tags: tuple[str, ...] = ("serve",)
    prefer_tflite_model: bool = False
    num_tflite_interpreters: int = 1
    enable_signature_method_name_check: bool = False
    # 0 lets TensorFlow choose.
    intra_op_threads: int = 0
    inter_op_threads: int = 0
    batching: BatchingParameters | None = None
    monitoring: MonitoringConfig | None = None
    # How long a stop waits for running requests.
    drain_seconds: float = 10.0


class VersionState(enum.IntEnum):
    """A version's life, by the numbers of ModelVersionStatus."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclass(frozen=True, kw_only=True)
class VersionStatus:
    """What is told of one version; code and message say why it is not there."""

    version: int
    state: VersionState
    code: Code = Code.OK
    message: str = ""


class Servable(Protocol):
    """One loaded version."""

    @property
    def name(self) -> str:
        """The model's name."""

    @property
    def version(self) -> int:
        """The version's number."""

    @property
    def signatures(self) -> "Mapping[str, SignatureDef]":
        """Every signature that a client may name."""


class Manager(Protocol):
    """Which versions are loaded. All methods belong to the event loop's thread."""

    def lease(
        self, name: str, *, version: int | None = None, label: str | None = None
    ) -> AbstractContextManager[Servable]:
        """Keep a version loaded while a request runs on it.

        Raises ServingError where there is none, with TF Serving's own code and words.
        """

    def statuses(
        self, name: str, *, version: int | None = None, label: str | None = None
    ) -> Sequence[VersionStatus]:
        """Tell the state of a model's versions, highest first; ServingError where none is known."""

    async def reload(self, models: Sequence[ModelConfig]) -> None:
        """Take this as the whole truth; return once every new model has a version available.

        ServingError where labels forbid it (nothing is changed) or a new model cannot be loaded.
        """


class Dispatcher(Protocol):
    """The door for requests: checks them, finds a thread or a batch, runs them.

    `inputs` hold strings as object arrays of bytes. Every array must have its input's dtype.
    An empty signature name is the default one. All raise ServingError.
    """

    def run(
        self,
        servable: Servable,
        signature_name: str,
        inputs: "Mapping[str, NDArray[Any]]",
        output_filter: Sequence[str] = (),
    ) -> "Awaitable[Mapping[str, NDArray[Any]]]":
        """Predict."""

    def classify(
        self, servable: Servable, signature_name: str, examples: "Input"
    ) -> "Awaitable[ClassificationResult]":
        """Run a signature of method tensorflow/serving/classify on tf.Examples."""

    def regress(
        self, servable: Servable, signature_name: str, examples: "Input"
    ) -> "Awaitable[RegressionResult]":
        """Run a signature of method tensorflow/serving/regress on tf.Examples."""


class Metrics(Protocol):
    """What is counted, under TF Serving's own names; called from any thread."""

    def request(self, *, model: str, api: str, entrypoint: str, code: Code, seconds: float) -> None:
        """Count a request when it is answered.

        `api` is Predict, Classify, Regress, MultiInference or GetModelMetadata; `entrypoint` is
        GRPC or REST. Feeds request_count and request_latency.
        """

    def version_request(self, *, model: str, version: int, code: Code, seconds: float) -> None:
        """Count a request by the version that it came to; TF Serving has nothing like it."""

    def graph_run(self, *, model: str, api: str, seconds: float) -> None:
        """Count one run of a graph; feeds graph_runs, graph_run_time_usecs, runtime_latency."""

    def examples(self, *, model: str, count: int) -> None:
        """Count the tf.Examples of one request; feeds request_example_counts."""

    def batch(self, *, model: str, size: int, padding: int) -> None:
        """Count one batch as it goes to the model; feeds processed_batch_size and padding_size."""

    def queueing(self, *, model: str, seconds: float) -> None:
        """Time that a request waited for its batch; feeds queuing_latency."""

    def load(self, *, model_path: str, code: Code, seconds: float) -> None:
        """Count an attempt to load; feeds saved_model load_attempt_count and load_latency."""

    def warmup(self, *, model_path: str, code: Code, seconds: float) -> None:
        """Count one warm-up; feeds model_warmup_latency."""


class Frontend(Protocol):
    """A protocol's open port."""

    @property
    def port(self) -> int:
        """The port that is really bound."""

    async def close(self, grace_seconds: float) -> None:
        """Accept nothing more, let running requests end, then close what is left."""
