"""The files that the server reads: TF Serving's text protos and our version-traffic JSON.

Owns what the files may say and how a mistake in one is told: file, line, column, field. Reads each
file once; when to read again is the manager's matter. Imports no TensorFlow.
"""

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from google.protobuf import text_format
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig, ModelType

from local_model_server.configuration_protos import new_batching_parameters, new_monitoring_config
from local_model_server.domain import (
    AllVersions,
    BatchingParameters,
    Code,
    LatestVersions,
    ModelConfig,
    MonitoringConfig,
    ServingError,
    SpecificVersions,
    UsageError,
    VersionPolicy,
)

_PLATFORM: Final = "tensorflow"
_MAX_VERSION: Final = 2**63 - 1
_WHOLE: Final = 100
_FETCH_FIRST: Final = (
    "this server reads local directories only; bring the model here first "
    "(gcloud storage cp -r, or aws s3 cp --recursive) and give that directory"
)


def read_model_configs(path: Path) -> tuple[ModelConfig, ...]:
    """Read a --model_config_file; UsageError tells all its mistakes."""
    proto = ModelServerConfig()
    _parse(path, proto)
    configs, mistakes = _model_configs(proto)
    if mistakes:
        raise UsageError("\n".join(f"{path}: {mistake}" for mistake in mistakes))
    return configs


def model_configs_of(proto: Any) -> tuple[ModelConfig, ...]:
    """Read the config of a HandleReloadConfigRequest."""
    configs, mistakes = _model_configs(proto)
    if mistakes:
        raise ServingError(Code.INVALID_ARGUMENT, "; ".join(mistakes))
    return configs


def single_model(name: str, base_path: str) -> tuple[ModelConfig, ...]:
    """Make the config of --model_name and --model_base_path."""
    if not base_path:
        raise UsageError("--model_base_path or --model_config_file: give one; nothing to serve")
    problem = _base_path_problem(base_path)
    if problem:
        raise UsageError(f"--model_base_path: {base_path!r}: {problem}")
    if not name:
        raise UsageError("--model_name: it is empty; leave it out for the name 'default'")
    return (ModelConfig(name=name, base_path=_local_path(base_path)),)


def read_batching_parameters(path: Path, cpus: int) -> BatchingParameters:
    """Read a --batching_parameters_file; unless it says otherwise, each CPU gets a thread."""
    proto = new_batching_parameters()
    _parse(path, proto)
    unable = {
        "pad_variable_length_inputs",
        "enable_large_batch_splitting",
        "max_execution_batch_size",
    }
    mistakes = [
        f"{field.name}: this server cannot do that; leave it out"
        for field, _ in proto.ListFields()
        if field.name in unable
    ]
    wrapped = {
        field: getattr(proto, field).value
        for field in (
            "max_batch_size",
            "batch_timeout_micros",
            "max_enqueued_batches",
            "num_batch_threads",
        )
        if proto.HasField(field)
    }
    for field, value in wrapped.items():
        least = 0 if field == "batch_timeout_micros" else 1
        if value < least:
            mistakes.append(f"{field}: {value} is too small; the least is {least}")
    parameters = BatchingParameters(
        **{"num_batch_threads": cpus, **wrapped},
        allowed_batch_sizes=tuple(proto.allowed_batch_sizes),
    )
    sizes = parameters.allowed_batch_sizes
    if sizes and (sizes[0] < 1 or list(sizes) != sorted(set(sizes))):
        mistakes.append(f"allowed_batch_sizes: {list(sizes)} must be positive and ascending")
    if sizes and sizes[-1] != parameters.max_batch_size:
        mistakes.append(
            f"allowed_batch_sizes: the last is {sizes[-1]}, but max_batch_size is "
            f"{parameters.max_batch_size}; make them equal"
        )
    if mistakes:
        raise UsageError("\n".join(f"{path}: {mistake}" for mistake in mistakes))
    return parameters


def read_monitoring_config(path: Path) -> MonitoringConfig | None:
    """Read a --monitoring_config_file; None when it leaves metrics off."""
    proto = new_monitoring_config()
    _parse(path, proto)
    prometheus = proto.prometheus_config
    if not prometheus.enable:
        return None
    if not prometheus.path:
        return MonitoringConfig()
    if not prometheus.path.startswith("/"):
        raise UsageError(f"{path}: path: {prometheus.path!r} must begin with '/'")
    return MonitoringConfig(path=prometheus.path)


def read_version_traffic(path: Path) -> Mapping[str, Mapping[int, int]]:
    """Read a --version_traffic_file; UsageError tells all its mistakes."""
    return parse_version_traffic(_read(path), str(path))


def parse_version_traffic(document: str, where: str) -> Mapping[str, Mapping[int, int]]:
    """Read per cent by model and version; a version of 0 per cent is left out.

    Pure. UsageError tells all mistakes, each with `where` and its key.
    """
    mistakes: list[str] = []

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        mistakes.extend(
            f"{name!r} stands twice; keep one"
            for name in sorted(set(names))
            if names.count(name) > 1
        )
        return dict(pairs)

    try:
        plain = json.loads(document, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise UsageError(f"{where}:{error.lineno}:{error.colno}: {error.msg}") from None
    if not isinstance(plain, dict):
        raise UsageError(f'{where}: write an object, as {{"heart": {{"1": 90, "2": 10}}}}')
    traffic = {model: _shares(model, shares, mistakes) for model, shares in plain.items()}
    if mistakes:
        raise UsageError("\n".join(f"{where}: {mistake}" for mistake in mistakes))
    return traffic


def _shares(model: str, shares: object, mistakes: list[str]) -> dict[int, int]:
    if not isinstance(shares, dict):
        mistakes.append(f'{model}: write per cent by version, as {{"1": 90, "2": 10}}')
        return {}
    wrong = [
        f"{model}.{version}: {share!r} is no whole per cent from 0 to 100"
        for version, share in shares.items()
        if type(share) is not int or not 0 <= share <= _WHOLE
    ]
    wrong += [
        f"{model}.{version}: no version; write a whole number of at least 1"
        for version in shares
        if re.fullmatch(r"[1-9][0-9]{0,18}", version) is None or int(version) > _MAX_VERSION
    ]
    if not wrong and sum(shares.values()) != _WHOLE:
        wrong = [f"{model}: the shares add up to {sum(shares.values())}; make them {_WHOLE}"]
    mistakes += wrong
    return {} if wrong else {int(version): share for version, share in shares.items() if share}


def _model_configs(proto: Any) -> tuple[tuple[ModelConfig, ...], list[str]]:
    if proto.HasField("custom_model_config"):
        return (), ["custom_model_config: no custom config is known; write model_config_list"]
    entries = list(proto.model_config_list.config)
    mistakes: list[str] = []
    for index, entry in enumerate(entries):
        title = f"model {entry.name!r}" if entry.name else f"model_config_list.config[{index}]"
        mistakes += [f"{title}: {problem}" for problem in _entry_problems(entry)]
    names = [entry.name for entry in entries]
    mistakes += [
        f"model {name!r}: it stands {names.count(name)} times; keep one config"
        for name in dict.fromkeys(names)
        if name and names.count(name) > 1
    ]
    if mistakes:
        return (), mistakes
    return tuple(
        ModelConfig(
            name=entry.name,
            base_path=_local_path(entry.base_path),
            policy=_policy(entry.model_version_policy),
            labels=dict(entry.version_labels),
        )
        for entry in entries
    ), []


def _entry_problems(entry: Any) -> Iterable[str]:
    if not entry.name:
        yield "name: it is missing"
    if not entry.base_path:
        yield "base_path: it is missing"
    elif problem := _base_path_problem(entry.base_path):
        yield f"base_path: {entry.base_path!r}: {problem}"
    if entry.model_platform:
        if entry.model_platform != _PLATFORM:
            yield (
                f'model_platform: {entry.model_platform!r} is not served here; write "{_PLATFORM}"'
            )
    elif entry.model_type != ModelType.TENSORFLOW:
        yield f'model_platform: it is missing; write model_platform: "{_PLATFORM}"'
    if entry.HasField("logging_config"):
        yield "logging_config: requests are not logged here; leave it out"
    for label, version in entry.version_labels.items():
        if version < 1:
            yield f"version_labels[{label!r}]: {version} is no version"


def _policy(policy: Any) -> VersionPolicy:
    match policy.WhichOneof("policy_choice"):
        case "all":
            return AllVersions()
        case "specific":
            return SpecificVersions(versions=tuple(policy.specific.versions))
        case _:
            # As in TF Serving, nothing and 0 both mean the highest one.
            return LatestVersions(count=max(policy.latest.num_versions, 1))


def _base_path_problem(base_path: str) -> str:
    scheme, separator, _ = base_path.partition("://")
    if separator and "/" not in scheme and scheme != "file":
        return f"{scheme}:// is not read here; {_FETCH_FIRST}"
    return "" if Path(_local_path(base_path)).is_absolute() else "write an absolute path"


def _local_path(base_path: str) -> str:
    return base_path.removeprefix("file://")


def _parse(path: Path, proto: Message) -> None:
    document = _read(path)
    try:
        text_format.Parse(document, proto)
    except text_format.ParseError as error:
        line, column = error.GetLine(), error.GetColumn()
        text = str(error)
        if line is None or column is None:
            raise UsageError(f"{path}: {text}") from None
        text = text.split(" : ", 1)[-1].rstrip(".")
        hint = _near_field(document, line, column, proto.DESCRIPTOR)
        raise UsageError(f"{path}:{line}:{column}: {text}{hint}") from None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not a text file: byte {error.start} is not UTF-8") from None


def _near_field(document: str, line: int, column: int, descriptor: Descriptor) -> str:
    """Suggest a field's name for a word at this place that is none."""
    lines = document.splitlines()
    word = re.match(r"\w+", lines[line - 1][column - 1 :]) if line <= len(lines) else None
    names = _field_names(descriptor)
    if word is None or word[0] in names:
        return ""
    near = difflib.get_close_matches(word[0], names, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _field_names(descriptor: Descriptor, seen: frozenset[str] = frozenset()) -> set[str]:
    names = set()
    for field in descriptor.fields:
        names.add(field.name)
        below = field.message_type
        if below is not None and below.full_name not in seen:
            names |= _field_names(below, seen | {below.full_name})
    return names
