"""A real server process and real clients for it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

_DEADLINE_SECONDS = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(condition: Callable[[], bool], what: str, seconds: float = _DEADLINE_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.02)


@dataclass
class RunningServer:
    process: subprocess.Popen[bytes]
    log: Path
    grpc_port: int
    rest_port: int
    channel: Any = field(init=False)
    prediction: Any = field(init=False)
    models: Any = field(init=False)

    def __post_init__(self) -> None:
        self.channel = grpc.insecure_channel(
            f"127.0.0.1:{self.grpc_port}",
            options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)],
        )
        self.prediction = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(self.channel)

    def states(self, model: str) -> dict[int, str]:
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = model
        try:
            answer = self.models.GetModelStatus(request, timeout=10)
        except grpc.RpcError:
            return {}
        names = get_model_status_pb2.ModelVersionStatus.State
        return {one.version: names.Name(one.state) for one in answer.model_version_status}

    def wait(self, model: str, states: Mapping[int, str]) -> None:
        def reached() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            now = self.states(model)
            return all(now.get(version) == state for version, state in states.items())

        until(reached, f"{model} {states}")

    def predict(
        self, model: str, inputs: Mapping[str, Any], *, filter_: tuple[str, ...] = (), **spec: Any
    ) -> Any:
        request = predict_request(model, inputs, **spec)
        request.output_filter.extend(filter_)
        return self.prediction.Predict(request, timeout=30)

    def reload(self, config: str) -> Any:
        request = model_management_pb2.ReloadConfigRequest()
        text_format.Parse(config, request.config)
        return self.models.HandleReloadConfigRequest(request, timeout=60)

    def rest(self, path: str, body: object = None) -> tuple[int, Any]:
        url = f"http://127.0.0.1:{self.rest_port}/v1/models/{path}"
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(url, data, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def kill(self) -> None:
        self.channel.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def predict_request(
    model: str,
    inputs: Mapping[str, Any],
    *,
    version: int | None = None,
    label: str = "",
    signature: str = "",
) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    if version is not None:
        request.model_spec.version.value = version
    if label:
        request.model_spec.version_label = label
    for alias, value in inputs.items():
        request.inputs[alias].CopyFrom(tf.make_tensor_proto(value))
    return request


def start(directory: Path, *flags: str) -> RunningServer:
    grpc_port, rest_port = free_port(), free_port()
    log = directory / "server.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "local_model_server",
                f"--port={grpc_port}",
                f"--rest_api_port={rest_port}",
                *flags,
            ],
            stdout=sink,
            stderr=subprocess.STDOUT,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
        )
    return RunningServer(process, log, grpc_port, rest_port)


def config(**models: Path) -> str:
    entries = (
        f'config {{ name: "{name}" base_path: "{path}" model_platform: "tensorflow" }}'
        for name, path in models.items()
    )
    return f"model_config_list {{ {' '.join(entries)} }}"
