"""From serving settings to TF Serving's flags and files. Pure, the same for every target.

Sorted and stable: equal settings give equal text, so that an unchanged stack shows no difference.
Addresses, load retries and how often the files are read again are the launcher's to add.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from google.protobuf.text_encoding import CEscape  # type: ignore[import-not-found] # no stub

from infra.errors import ServestackError
from infra.serving.settings import BatchingSettings, ServingSettings

MODELS_FILE: Final = "models.config"
BATCHING_FILE: Final = "batching.config"
MONITORING_FILE: Final = "monitoring.config"
TRAFFIC_FILE: Final = "traffic.json"
METRICS_PATH: Final = "/monitoring/prometheus/metrics"

# TF Serving's own default.
_POLL_SECONDS: Final = 1

# A running server reads these again; everything else it reads once, when it starts.
LIVE_FILES: Final = frozenset({MODELS_FILE, TRAFFIC_FILE})


@dataclass(frozen=True, kw_only=True)
class RenderedServing:
    """What a server is started with: its flags, and files by their name in its directory."""

    flags: tuple[str, ...]
    files: Mapping[str, str]

    @property
    def restart_key(self) -> str:
        """Digest what a running server cannot take up: while it is equal, no restart is needed."""
        fixed = {name: text for name, text in self.files.items() if name not in LIVE_FILES}
        document = json.dumps([self.flags, fixed], sort_keys=True)
        return hashlib.sha256(document.encode()).hexdigest()


def render(settings: ServingSettings, *, config_dir: str) -> RenderedServing:
    """Say in TF Serving's words what the settings say; `config_dir` is where it finds the files."""
    _refuse_unreadable(settings)
    files = {MODELS_FILE: _models(settings)}
    if settings.batching is not None:
        files[BATCHING_FILE] = _batching(settings.batching)
    if settings.monitoring:
        files[MONITORING_FILE] = (
            f"prometheus_config {{ enable: true path: {_quoted(METRICS_PATH)} }}\n"
        )
    if settings.traffic:
        files[TRAFFIC_FILE] = _traffic(settings)
    flags = tuple(f"--{name}={value}" for name, value in _flags(settings, config_dir))
    return RenderedServing(flags=flags, files=files)


def _flags(settings: ServingSettings, config_dir: str) -> Iterator[tuple[str, str | int | float]]:
    yield "port", settings.grpc_port
    yield "rest_api_port", settings.rest_port
    yield "model_config_file", f"{config_dir}/{MODELS_FILE}"
    # Without it a server refuses to start with labels, since nothing is loaded yet.
    yield "allow_version_labels_for_unavailable_models", "true"
    yield "enable_model_warmup", _word(settings.warmup)
    # Named versions need it too: it is how a running server finds what the models file adds.
    yield "file_system_poll_wait_seconds", settings.poll_seconds or _POLL_SECONDS
    if settings.monitoring:
        yield "monitoring_config_file", f"{config_dir}/{MONITORING_FILE}"
    if settings.batching is not None:
        yield "enable_batching", "true"
        yield "batching_parameters_file", f"{config_dir}/{BATCHING_FILE}"
    if settings.intra_op_threads is not None:
        yield "tensorflow_intra_op_parallelism", settings.intra_op_threads
    if settings.inter_op_threads is not None:
        yield "tensorflow_inter_op_parallelism", settings.inter_op_threads
    if settings.rest_threads is not None:
        yield "rest_api_num_threads", settings.rest_threads
    if settings.grpc_threads is not None:
        yield "grpc_max_threads", settings.grpc_threads
    if settings.gpu_memory_fraction is not None:
        yield "per_process_gpu_memory_fraction", settings.gpu_memory_fraction
    if settings.prefer_tflite_model:
        yield "prefer_tflite_model", "true"
    if settings.traffic:
        yield "version_traffic_file", f"{config_dir}/{TRAFFIC_FILE}"


def _models(settings: ServingSettings) -> str:
    versions = "".join(f" versions: {version}" for version in sorted(set(settings.versions)))
    policy = f"specific {{{versions} }}" if versions else "latest { num_versions: 1 }"
    labels = "".join(
        f"    version_labels {{ key: {_quoted(label)} value: {version} }}\n"
        for label, version in sorted(settings.labels.items())
    )
    return (
        "model_config_list {\n"
        "  config {\n"
        f"    name: {_quoted(settings.model)}\n"
        f"    base_path: {_quoted(settings.base_path)}\n"
        '    model_platform: "tensorflow"\n'
        f"    model_version_policy {{ {policy} }}\n"
        f"{labels}"
        "  }\n"
        "}\n"
    )


def _batching(batching: BatchingSettings) -> str:
    # TF Serving wraps the single numbers, so that absent and zero differ; the sizes are bare.
    wrapped = {
        "max_batch_size": batching.max_batch_size,
        "batch_timeout_micros": batching.batch_timeout_micros,
        "max_enqueued_batches": batching.max_enqueued_batches,
        "num_batch_threads": batching.num_batch_threads,
    }
    lines = [f"{name} {{ value: {value} }}\n" for name, value in wrapped.items()]
    lines += [f"allowed_batch_sizes: {size}\n" for size in batching.allowed_batch_sizes]
    return "".join(lines)


def _traffic(settings: ServingSettings) -> str:
    shares = {str(version): settings.traffic[version] for version in sorted(settings.traffic)}
    return json.dumps({settings.model: shares}, indent=2) + "\n"


def _refuse_unreadable(settings: ServingSettings) -> None:
    path = settings.base_path
    if path.startswith(("/", "gs://")):
        return
    if path.startswith("s3://"):
        raise ServestackError(
            f"{settings.model}: TF Serving cannot read {path}: its builds have had no S3 since "
            "2.6. Bring the version to the server first and give it the local directory."
        )
    raise ServestackError(
        f"{settings.model}: TF Serving cannot read {path or 'an empty path'}: it takes absolute "
        "directories and gs:// only. Give it one of these."
    )


def _quoted(text: str) -> str:
    return f'"{CEscape(text, as_utf8=True)}"'


def _word(value: bool) -> str:  # noqa: FBT001 - the value that is written, not a switch
    return "true" if value else "false"
