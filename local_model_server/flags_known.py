"""Every flag of tensorflow_model_server, by its own spelling, and what this server does with it.

Owns the list: spelling, default, meaning, and whether the flag is honoured, accepted because it
cannot matter here, or refused. Says nothing about how a command line is read.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

FlagValue = bool | int | float | str


class Treatment(enum.Enum):
    """What becomes of a flag."""

    HONOURED = "honoured"
    ACCEPTED = "accepted, without effect"
    REFUSED = "refused"


class Group(enum.Enum):
    """Where help and documentation put a flag."""

    MODELS = "Models"
    NETWORK = "Network"
    RUNTIME = "Runtime"
    OWN = "This server's own"


@dataclass(frozen=True, kw_only=True)
class Flag:
    """One flag; its kind is its default's type.

    `note` says why a flag is accepted or refused. A refused flag may still be given with its
    default, which asks for nothing. `default_text` stands where the machine decides the default.
    """

    name: str
    default: FlagValue
    meaning: str
    treatment: Treatment = Treatment.HONOURED
    note: str = ""
    default_text: str = ""


def _honoured(name: str, meaning: str, *, default: FlagValue, default_text: str = "") -> Flag:
    return Flag(name=name, default=default, meaning=meaning, default_text=default_text)


def _accepted(
    name: str, meaning: str, note: str, *, default: FlagValue, default_text: str = ""
) -> Flag:
    return Flag(
        name=name,
        default=default,
        default_text=default_text,
        meaning=meaning,
        treatment=Treatment.ACCEPTED,
        note=note,
    )


def _refused(name: str, meaning: str, note: str, *, default: FlagValue) -> Flag:
    return replace(_accepted(name, meaning, note, default=default), treatment=Treatment.REFUSED)


_MODELS: Final = (
    _honoured(
        "model_config_file",
        "Text proto ModelServerConfig: the models. Wins over --model_name and --model_base_path.",
        default="",
    ),
    _honoured(
        "model_config_file_poll_wait_seconds",
        "Seconds between two readings of the model config file; 0 reads it once.",
        default=0,
    ),
    _honoured("model_name", "Name of the one model to serve.", default="default"),
    _honoured(
        "model_base_path",
        "Absolute path of the one model's directory, which holds a directory for each version.",
        default="",
    ),
    _honoured(
        "file_system_poll_wait_seconds",
        "Seconds between two looks for new versions; 0 looks once, below 0 never.",
        default=1,
    ),
    _honoured(
        "max_num_load_retries",
        "How often a failed load is tried again before the version is given up.",
        default=5,
    ),
    _honoured(
        "load_retry_interval_micros",
        "Microseconds between two tries to load; below 0 does not wait.",
        default=60_000_000,
    ),
    _honoured(
        "allow_version_labels_for_unavailable_models",
        "Let a label that is not in use yet name a version that is not loaded yet.",
        default=False,
    ),
    _honoured(
        "saved_model_tags",
        "Comma-separated tags of the meta graph to load from a SavedModel.",
        default="serve",
    ),
    _honoured(
        "prefer_tflite_model",
        "Serve a version's model.tflite where it has one.",
        default=False,
    ),
    _honoured(
        "enable_model_warmup",
        "Replay assets.extra/tf_serving_warmup_requests before a version serves.",
        default=True,
    ),
    _honoured(
        "num_request_iterations_for_warmup",
        "How often each warm-up request is replayed; 0 means once.",
        default=0,
    ),
    _honoured(
        "enable_signature_method_name_check",
        "Classify and Regress refuse a signature whose method name is not theirs.",
        default=False,
    ),
)

_NETWORK: Final = (
    _honoured("port", "TCP port of the gRPC API; 0 needs --grpc_socket_path.", default=8500),
    _honoured("grpc_socket_path", "Path of a UNIX socket for the gRPC API.", default=""),
    _honoured(
        "grpc_channel_arguments",
        "Comma-separated arguments for the gRPC server, as grpc.max_connection_age_ms=2000.",
        default="",
    ),
    _honoured(
        "grpc_max_threads",
        "Most threads of the gRPC server.",
        default=0,
        default_text="4 for each CPU",
    ),
    _honoured(
        "enable_grpc_healthcheck_service",
        "Offer grpc.health.v1.Health on the gRPC port.",
        default=False,
    ),
    _honoured("rest_api_port", "TCP port of the REST API; 0 is off.", default=0),
    _honoured(
        "rest_api_timeout_in_ms",
        "Milliseconds that a REST call may take.",
        default=30_000,
    ),
    _honoured(
        "rest_api_enable_cors_support",
        "Answer with CORS headers over REST.",
        default=False,
    ),
    _honoured(
        "monitoring_config_file",
        "Text proto MonitoringConfig: turns on Prometheus metrics on the REST port.",
        default="",
    ),
)

_RUNTIME: Final = (
    _honoured(
        "enable_batching",
        "Run requests of several clients as one batch.",
        default=False,
    ),
    _honoured(
        "batching_parameters_file",
        "Text proto BatchingParameters; needs --enable_batching.",
        default="",
    ),
    _honoured(
        "tensorflow_session_parallelism",
        "Threads within an operation and threads for operations at once; 0 lets TensorFlow choose.",
        default=0,
    ),
    _honoured(
        "tensorflow_intra_op_parallelism",
        "Threads within an operation; wins over --tensorflow_session_parallelism.",
        default=0,
    ),
    _honoured(
        "tensorflow_inter_op_parallelism",
        "Operations at once; wins over --tensorflow_session_parallelism.",
        default=0,
    ),
    _honoured(
        "num_tflite_pools",
        "Pools of TFLite interpreters.",
        default=0,
        default_text="1 for each CPU",
    ),
    _honoured(
        "num_tflite_interpreters_per_pool",
        "TFLite interpreters in each pool.",
        default=1,
    ),
    _accepted(
        "rest_api_num_threads",
        "Threads of the REST server.",
        "one event loop serves REST here, and models run in threads of their own",
        default=0,
        default_text="4 for each CPU",
    ),
    _accepted(
        "num_load_threads",
        "Threads that load versions.",
        "versions load beside the requests here, whatever the number",
        default=0,
    ),
    _accepted(
        "num_unload_threads",
        "Threads that unload versions.",
        "versions unload beside the requests here, whatever the number",
        default=0,
    ),
    _accepted(
        "flush_filesystem_caches",
        "Drop cached files after a load.",
        "a local file system's cache is the kernel's, which gives it up by itself",
        default=True,
    ),
    _accepted(
        "remove_unused_fields_from_bundle_metagraph",
        "Keep less of a loaded model's description in memory.",
        "only the signatures are kept here",
        default=True,
    ),
    _accepted(
        "enable_profiler",
        "Offer TensorFlow's profiler service on the gRPC port.",
        "no profiler service is offered here",
        default=True,
    ),
    _accepted(
        "xla_cpu_compilation_enabled",
        "Let models compile themselves with XLA.",
        "TensorFlow's Python runtime always lets them",
        default=False,
    ),
    _accepted(
        "xla_gpu_compilation_enabled",
        "Let models compile themselves with XLA for GPUs too.",
        "TensorFlow's Python runtime always lets them",
        default=False,
    ),
    _accepted(
        "skip_initialize_tpu",
        "Do not initialise a TPU.",
        "this server never initialises one",
        default=False,
    ),
    _accepted(
        "enable_serialization_as_tensor_content",
        "Answer Predict with packed tensors.",
        "every TensorProto reader understands both forms",
        default=False,
    ),
    _refused(
        "enable_per_model_batching_parameters",
        "Read batching_params.pbtxt beside each model.",
        "put the parameters into --batching_parameters_file",
        default=False,
    ),
    _refused(
        "force_allow_any_version_labels_for_unavailable_models",
        "Let any label name a version that is not loaded yet.",
        "it breaks requests by label; use --allow_version_labels_for_unavailable_models",
        default=False,
    ),
    _refused(
        "per_process_gpu_memory_fraction",
        "Share of a GPU's memory to take.",
        "set TF_FORCE_GPU_ALLOW_GROWTH=true in the environment to share a GPU",
        default=0.0,
    ),
    _refused(
        "tensorflow_session_config_file",
        "Text proto ConfigProto for sessions.",
        "set threads with --tensorflow_intra_op_parallelism and --tensorflow_inter_op_parallelism",
        default="",
    ),
    _refused(
        "platform_config_file",
        "Text proto PlatformConfigMap.",
        "only the platform 'tensorflow' is served; leave it out",
        default="",
    ),
    _refused(
        "thread_pool_factory_config_file",
        "Text proto ThreadPoolConfig.",
        "set threads with --tensorflow_intra_op_parallelism and --tensorflow_inter_op_parallelism",
        default="",
    ),
    _refused(
        "mixed_precision",
        "Rewrite graphs to a lower precision.",
        "export the model in the precision that it shall have",
        default="",
    ),
    _refused(
        "ssl_config_file",
        "Text proto SSLConfig for gRPC.",
        "this server is for one machine; put a proxy that speaks TLS before it",
        default="",
    ),
    _refused(
        "use_alts_credentials",
        "Google ALTS for gRPC.",
        "it works inside Google's cloud only; leave it out",
        default=False,
    ),
)

_OWN: Final = (
    _honoured(
        "bind_address",
        "Address that both ports listen on; 0.0.0.0 lets other machines in.",
        default="127.0.0.1",
    ),
    _honoured(
        "version_traffic_file",
        'JSON file {"heart": {"1": 90, "2": 10}}: per cent of the requests that name no version.',
        default="",
    ),
    _honoured(
        "drain_seconds",
        "Seconds that a stop waits for requests under way.",
        default=10.0,
    ),
)

FLAGS_BY_GROUP: Final[Mapping[Group, tuple[Flag, ...]]] = {
    Group.MODELS: _MODELS,
    Group.NETWORK: _NETWORK,
    Group.RUNTIME: _RUNTIME,
    Group.OWN: _OWN,
}
FLAGS: Final = {flag.name: flag for flags in FLAGS_BY_GROUP.values() for flag in flags}
