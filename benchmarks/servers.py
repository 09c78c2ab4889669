"""How each server is set up for a model, and the requests that it understands.

Each is configured as its documentation recommends for throughput on a few cores; where that leaves
a choice, the quicker one was taken. What each setting is and why: docs/benchmarks.md.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import tensorflow as tf
from load import Door, Protocol, write_bodies
from machine import BENCHMARKS, PROJECT_PYTHON, free_ports
from mlserver.grpc import dataplane_pb2
from models import INPUT_NAME, OUTPUT_NAME, Images, Model, rows
from tensorflow_serving.apis import predict_pb2

OURS: Final = "local-model-server"
BENTOML: Final = "BentoML"
LITSERVE: Final = "LitServe"
MLSERVER: Final = "MLServer"
PACKAGES: Final = ("bentoml", "litserve", "mlserver", "tensorflow")

_CORES: Final = len(os.sched_getaffinity(0))
_MAX_BATCH_SIZE: Final = 64
_PEERS: Final = BENCHMARKS / "peers"
_BIN: Final = Path(sys.executable).parent


@dataclass(frozen=True, kw_only=True)
class Setup:
    """All it takes to start a server for one model and to talk to it."""

    server: str
    batching: bool
    command: Sequence[str | Path]
    directory: Path
    doors: Mapping[Protocol, Door]
    # Takes the probabilities out of an answer.
    readers: Mapping[Protocol, Callable[[bytes], Sequence[float]]]
    environment: Mapping[str, str] = field(default_factory=dict)


def local_model_server(model: Model, directory: Path, *, batching: bool) -> Setup:
    """Set up this project's server, as a user starts it."""
    grpc_port, rest_port = free_ports(2)
    command: list[str | Path] = [
        *(PROJECT_PYTHON, "-m", "local_model_server"),
        *(f"--port={grpc_port}", f"--rest_api_port={rest_port}"),
        *(f"--model_name={model.name}", f"--model_base_path={model.base_path}"),
    ]
    if batching:
        parameters = directory / "batching.txt"
        parameters.write_text(
            f"max_batch_size {{ value: {_MAX_BATCH_SIZE} }}\n"
            f"batch_timeout_micros {{ value: {round(model.batch_seconds * 1e6)} }}\n"
            "max_enqueued_batches { value: 100 }\n"
            # TensorFlow spreads one run over all cores.
            "num_batch_threads { value: 1 }\n"
        )
        command += ["--enable_batching", f"--batching_parameters_file={parameters}"]

    def rest(images: Images) -> bytes:
        return _json({"instances": [{INPUT_NAME: image} for image in rows(images)]})

    def grpc(images: Images) -> bytes:
        request = predict_pb2.PredictRequest()
        request.model_spec.name = model.name
        request.inputs[INPUT_NAME].CopyFrom(tf.make_tensor_proto(images))
        return bytes(request.SerializeToString())

    def read_rest(answer: bytes) -> Sequence[float]:
        [row] = json.loads(answer)["predictions"]
        return row[OUTPUT_NAME] if isinstance(row, dict) else row

    def read_grpc(answer: bytes) -> Sequence[float]:
        response = predict_pb2.PredictResponse.FromString(answer)
        return np.ravel(tf.make_ndarray(response.outputs[OUTPUT_NAME])).tolist()

    return Setup(
        server=OURS,
        batching=batching,
        command=command,
        directory=directory,
        doors={
            "REST": Door(
                protocol="REST",
                port=rest_port,
                path=f"/v1/models/{model.name}:predict",
                bodies=_bodies(directory / "rest", model, rest),
            ),
            "gRPC": Door(
                protocol="gRPC",
                port=grpc_port,
                path="/tensorflow.serving.PredictionService/Predict",
                bodies=_bodies(directory / "grpc", model, grpc),
            ),
        },
        readers={"REST": read_rest, "gRPC": read_grpc},
    )


def bentoml(model: Model, directory: Path, *, batching: bool) -> Setup:
    """Set up a BentoML service with a worker to a core; today's BentoML has no gRPC."""
    [port] = free_ports(1)
    return Setup(
        server=BENTOML,
        batching=batching,
        command=[
            *(_BIN / "bentoml", "serve", "bentoml_service:Classifier", "--working-dir", _PEERS),
            *("--host", "127.0.0.1", "--port", str(port)),
        ],
        directory=directory,
        doors={
            "REST": Door(
                protocol="REST",
                port=port,
                path="/predict",
                bodies=_bodies(
                    directory / "rest", model, lambda images: _json({"images": rows(images)})
                ),
            )
        },
        readers={"REST": lambda answer: json.loads(answer)[0]},
        environment={
            **_peer_environment(model, workers=_CORES, batching=batching),
            "BENTOML_HOME": str(directory),
            "BENTOML_DO_NOT_TRACK": "True",
        },
    )


def litserve(model: Model, directory: Path, *, batching: bool) -> Setup:
    """Set up LitServe with an inference worker and an API process to a core; it has no gRPC."""
    [port] = free_ports(1)
    return Setup(
        server=LITSERVE,
        batching=batching,
        command=[sys.executable, _PEERS / "litserve_server.py", str(port)],
        directory=directory,
        doors={
            "REST": Door(
                protocol="REST",
                port=port,
                path="/predict",
                bodies=_bodies(
                    directory / "rest", model, lambda images: _json({"image": rows(images)[0]})
                ),
            )
        },
        readers={"REST": lambda answer: json.loads(answer)[OUTPUT_NAME]},
        environment=_peer_environment(model, workers=_CORES, batching=batching),
    )


def mlserver(model: Model, directory: Path, *, batching: bool) -> Setup:
    """Set up MLServer; inference workers are off, which for small models is the quicker way."""
    rest_port, grpc_port, metrics_port = free_ports(3)
    settings = {
        "host": "127.0.0.1",
        "http_port": rest_port,
        "grpc_port": grpc_port,
        "metrics_port": metrics_port,
        "parallel_workers": 0,
        "debug": False,
    }
    (directory / "settings.json").write_text(json.dumps(settings))
    model_settings: dict[str, Any] = {
        "name": model.name,
        "implementation": "mlserver_runtime.Classifier",
    }
    if batching:
        model_settings |= {"max_batch_size": _MAX_BATCH_SIZE, "max_batch_time": model.batch_seconds}
    (directory / "model-settings.json").write_text(json.dumps(model_settings))
    datatype = {"float32": "FP32", "uint8": "UINT8"}[model.dtype]

    def rest(images: Images) -> bytes:
        tensor = {
            "name": INPUT_NAME,
            "shape": images.shape,
            "datatype": datatype,
            "data": np.ravel(rows(images)).tolist(),
        }
        return _json({"inputs": [tensor]})

    def grpc(images: Images) -> bytes:
        request = dataplane_pb2.ModelInferRequest(model_name=model.name)
        request.inputs.add(name=INPUT_NAME, datatype=datatype, shape=images.shape)
        request.raw_input_contents.append(images.tobytes())
        return bytes(request.SerializeToString())

    def read_grpc(answer: bytes) -> Sequence[float]:
        [raw] = dataplane_pb2.ModelInferResponse.FromString(answer).raw_output_contents
        return np.frombuffer(raw, np.float32).tolist()

    return Setup(
        server=MLSERVER,
        batching=batching,
        command=[_BIN / "mlserver", "start", directory],
        directory=directory,
        doors={
            "REST": Door(
                protocol="REST",
                port=rest_port,
                path=f"/v2/models/{model.name}/infer",
                bodies=_bodies(directory / "rest", model, rest),
            ),
            "gRPC": Door(
                protocol="gRPC",
                port=grpc_port,
                path="/inference.GRPCInferenceService/ModelInfer",
                bodies=_bodies(directory / "grpc", model, grpc),
            ),
        },
        readers={
            "REST": lambda answer: json.loads(answer)["outputs"][0]["data"],
            "gRPC": read_grpc,
        },
        environment=_peer_environment(model, workers=1, batching=batching),
    )


SETUPS: Final[Mapping[str, Callable[..., Setup]]] = {
    OURS: local_model_server,
    BENTOML: bentoml,
    LITSERVE: litserve,
    MLSERVER: mlserver,
}


def _peer_environment(model: Model, *, workers: int, batching: bool) -> dict[str, str]:
    return {
        "PYTHONPATH": str(_PEERS),
        "BENCHMARK_MODEL": str(model.path),
        "BENCHMARK_DTYPE": model.dtype,
        "BENCHMARK_WORKERS": str(workers),
        "BENCHMARK_MAX_BATCH_SIZE": str(_MAX_BATCH_SIZE if batching else 0),
        "BENCHMARK_BATCH_SECONDS": str(model.batch_seconds),
    }


def _bodies(directory: Path, model: Model, encode: Callable[[Images], bytes]) -> Path:
    return write_bodies(directory, [encode(images) for images in model.requests])


def _json(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
