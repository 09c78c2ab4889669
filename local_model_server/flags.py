"""The command line: tensorflow_model_server's flags, read as its own parser reads them.

`parse_flags` reads the files that flags name too, so that every mistake of a start is told at once.
"""

import difflib
import ipaddress
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from local_model_server.configuration import (
    read_batching_parameters,
    read_model_configs,
    read_monitoring_config,
    read_version_traffic,
    single_model,
)
from local_model_server.domain import (
    BatchingParameters,
    ModelConfig,
    MonitoringConfig,
    ServerSettings,
    UsageError,
)
from local_model_server.flags_document import help_text, version_text
from local_model_server.flags_known import FLAGS, Flag, FlagValue, Treatment

_MAX_PORT: Final = 65_535
# TF Serving's own: four threads for each CPU that the process may use.
_GRPC_THREADS_PER_CPU: Final = 4
_BOOLEANS: Final = {"": True, "true": True, "1": True, "false": False, "0": False}
_LEAST: Final = {
    "model_config_file_poll_wait_seconds": 0,
    "max_num_load_retries": 0,
    "num_request_iterations_for_warmup": 0,
    "grpc_max_threads": 0,
    "rest_api_timeout_in_ms": 1,
    "tensorflow_session_parallelism": 0,
    "tensorflow_intra_op_parallelism": 0,
    "tensorflow_inter_op_parallelism": 0,
    "num_tflite_pools": 0,
    "num_tflite_interpreters_per_pool": 1,
    "drain_seconds": 0,
}

_T = TypeVar("_T")


def parse_flags(argv: Sequence[str]) -> ServerSettings:
    """Read a command line without its program name.

    Raises UsageError with all mistakes; `--help` and `--version` print and raise SystemExit(0).
    """
    if "--help" in argv or "-h" in argv:
        sys.stdout.write(help_text() + "\n")
        raise SystemExit(0)
    values, mistakes = read_values(argv)
    if values.pop("version", False):
        sys.stdout.write(version_text() + "\n")
        raise SystemExit(0)
    settings = _settings({name: flag.default for name, flag in FLAGS.items()} | values, mistakes)
    if mistakes:
        raise UsageError("\n".join(mistakes))
    return settings


def read_values(argv: Sequence[str]) -> tuple[dict[str, FlagValue], list[str]]:
    """Read what was given, the last of a repeated flag; beside it, every mistake."""
    values: dict[str, FlagValue] = {}
    mistakes: list[str] = []
    rest = list(argv)
    while rest:
        argument = rest.pop(0)
        name, equals, text = argument.removeprefix("--").partition("=")
        flag = FLAGS.get(name) if argument.startswith("--") else None
        if argument in ("--version", "--version=true"):
            values["version"] = True
        elif flag is None:
            mistakes.append(_unknown(argument, name))
        elif not equals and not isinstance(flag.default, bool):
            value = rest.pop(0) if rest and not rest[0].startswith("--") else "VALUE"
            mistakes.append(f"--{name}: a value follows '='; write --{name}={value}")
        else:
            try:
                values[name] = _value(flag, text)
            except ValueError as error:
                mistakes.append(f"--{name}: {error}")
    return values, mistakes


def _unknown(argument: str, name: str) -> str:
    near = difflib.get_close_matches(name, FLAGS, n=1, cutoff=0.6)
    hint = f"; did you mean --{near[0]}?" if near else "; --help lists the flags"
    return f"{argument}: no such flag{hint}"


def _value(flag: Flag, text: str) -> FlagValue:
    value = _converted(flag, text)
    least = _LEAST.get(flag.name)
    if least is not None and isinstance(value, (int, float)) and value < least:
        raise ValueError(f"{text} is too small; the least is {least}")
    if flag.treatment is Treatment.REFUSED and value != flag.default:
        raise ValueError(f"this server cannot do that: {flag.note}")
    return value


def _converted(flag: Flag, text: str) -> FlagValue:
    if isinstance(flag.default, bool):
        if text.lower() not in _BOOLEANS:
            raise ValueError(f"{text!r} is neither true nor false")
        return _BOOLEANS[text.lower()]
    if isinstance(flag.default, str):
        return text
    try:
        return type(flag.default)(text)
    except ValueError:
        kind = "whole number" if isinstance(flag.default, int) else "number"
        raise ValueError(f"{text!r} is not a {kind}") from None


@dataclass(frozen=True, kw_only=True)
class _Files:
    """What the files behind the flags say."""

    models: tuple[ModelConfig, ...]
    batching: BatchingParameters | None
    monitoring: MonitoringConfig | None


def _read_files(values: Mapping[str, Any], cpus: int, mistakes: list[str]) -> _Files:
    """Read every file that is named; add what is wrong with it to `mistakes`."""

    def read(name: str, reader: Callable[[Path], _T], default: _T) -> _T:
        return attempt(lambda: reader(Path(values[name])), default) if values[name] else default

    def attempt(action: Callable[[], _T], default: _T) -> _T:
        try:
            return action()
        except UsageError as error:
            mistakes.append(str(error))
            return default

    if values["batching_parameters_file"] and not values["enable_batching"]:
        mistakes.append("--batching_parameters_file: needs --enable_batching; add it")
    batching = read(
        "batching_parameters_file",
        partial(read_batching_parameters, cpus=cpus),
        BatchingParameters(num_batch_threads=cpus),
    )
    models: tuple[ModelConfig, ...] = read("model_config_file", read_model_configs, ())
    if not values["model_config_file"]:
        models = attempt(
            lambda: single_model(values["model_name"], values["model_base_path"]), models
        )
    nothing: Mapping[str, Mapping[int, int]] = {}
    read("version_traffic_file", read_version_traffic, nothing)
    return _Files(
        models=models,
        batching=batching if values["enable_batching"] else None,
        monitoring=read("monitoring_config_file", read_monitoring_config, None),
    )


def _settings(values: Mapping[str, Any], mistakes: list[str]) -> ServerSettings:
    """Put values and files together; add what does not fit to `mistakes`."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    _check_network(values, mistakes)
    files = _read_files(values, cpus, mistakes)
    return ServerSettings(
        models=files.models,
        grpc_port=values["port"],
        grpc_socket_path=values["grpc_socket_path"],
        grpc_channel_arguments=_channel_arguments(values["grpc_channel_arguments"], mistakes),
        grpc_max_threads=values["grpc_max_threads"] or _GRPC_THREADS_PER_CPU * cpus,
        enable_grpc_healthcheck_service=values["enable_grpc_healthcheck_service"],
        rest_port=values["rest_api_port"],
        rest_timeout_ms=values["rest_api_timeout_in_ms"],
        enable_cors_support=values["rest_api_enable_cors_support"],
        bind_address=values["bind_address"],
        model_config_file=_path(values["model_config_file"]),
        model_config_file_poll_seconds=values["model_config_file_poll_wait_seconds"],
        version_traffic_file=_path(values["version_traffic_file"]),
        file_system_poll_seconds=values["file_system_poll_wait_seconds"],
        max_num_load_retries=values["max_num_load_retries"],
        load_retry_interval_micros=values["load_retry_interval_micros"],
        enable_model_warmup=values["enable_model_warmup"],
        num_warmup_iterations=values["num_request_iterations_for_warmup"] or 1,
        allow_version_labels_for_unavailable_models=values[
            "allow_version_labels_for_unavailable_models"
        ],
        saved_model_tags=tuple(filter(None, values["saved_model_tags"].split(","))),
        prefer_tflite_model=values["prefer_tflite_model"],
        num_tflite_interpreters=(values["num_tflite_pools"] or cpus)
        * values["num_tflite_interpreters_per_pool"],
        enable_signature_method_name_check=values["enable_signature_method_name_check"],
        intra_op_threads=_parallelism(values, "tensorflow_intra_op_parallelism"),
        inter_op_threads=_parallelism(values, "tensorflow_inter_op_parallelism"),
        batching=files.batching,
        monitoring=files.monitoring,
        drain_seconds=values["drain_seconds"],
    )


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def _parallelism(values: Mapping[str, Any], name: str) -> int:
    return int(values[name] or values["tensorflow_session_parallelism"])


def _check_network(values: Mapping[str, Any], mistakes: list[str]) -> None:
    mistakes.extend(
        f"--{name}: {values[name]} is no port; write 0 to {_MAX_PORT}"
        for name in ("port", "rest_api_port")
        if not 0 <= values[name] <= _MAX_PORT
    )
    if values["port"] == 0 and not values["grpc_socket_path"]:
        mistakes.append("--port: 0 turns it off; give a port or --grpc_socket_path")
    if values["port"] == values["rest_api_port"] != 0:
        mistakes.append(f"--rest_api_port: {values['port']} is --port already; give another")
    if values["monitoring_config_file"] and values["rest_api_port"] == 0:
        mistakes.append("--monitoring_config_file: metrics need the REST port; add --rest_api_port")
    address = values["bind_address"]
    try:
        ipaddress.ip_address("127.0.0.1" if address == "localhost" else address)
    except ValueError:
        mistakes.append(
            f"--bind_address: {address!r} is no address; write 127.0.0.1 for this machine only "
            "or 0.0.0.0 for everyone"
        )


def _channel_arguments(text: str, mistakes: list[str]) -> dict[str, int | str]:
    arguments: dict[str, int | str] = {}
    for item in filter(None, text.split(",")):
        key, equals, value = item.partition("=")
        if not (key and equals):
            mistakes.append(f"--grpc_channel_arguments: {item!r} is not key=value")
        else:
            arguments[key] = int(value) if re.fullmatch(r"-?[0-9]+", value) else value
    return arguments
