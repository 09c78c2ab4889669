"""The client against servers that speak the protocols for real."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import numpy as np
import pytest
from click.testing import CliRunner
from pydantic import JsonValue

from model_export.cli import main
from model_export.client import Target, connect
from model_export.errors import ModelExportError, RefusedError


class _Rest(BaseHTTPRequestHandler):
    """Answers with the path and the body that it got, unless the model's name asks for a fault."""

    protocol_version = "HTTP/1.1"
    connections: set[Any]

    def do_POST(self) -> None:
        self.connections.add(self.client_address)
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, answer = 200, json.dumps({"predictions": [self.path, sent, float("nan")]})
        if "/models/gone" in self.path:
            status, answer = 404, '{"error": "Servable not found"}'
        if "/models/odd" in self.path:
            status, answer = 200, '{"outputs": 1}'
        if "/models/proxy" in self.path:
            status, answer = 502, "<html>Bad gateway</html>"
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer.encode())

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture(scope="module")
def rest() -> Iterator[str]:
    _Rest.connections = set()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Rest) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (Target(model="heart"), "/v1/models/heart:predict"),
        (Target(model="heart", version=3), "/v1/models/heart/versions/3:predict"),
        (Target(model="heart", label="a b"), "/v1/models/heart/labels/a%20b:predict"),
    ],
)
def test_rest_asks_for_the_version_or_the_label_by_path(
    rest: str, target: Target, path: str
) -> None:
    with connect(rest) as client:
        asked, sent, _ = client.predict(target, [{"age": 63}])
    assert asked == path
    assert sent == {"signature_name": "serving_default", "instances": [{"age": 63}]}


@pytest.mark.parametrize("suffix", ["/", "/v1/models/heart", "/v1/models/heart:predict"])
def test_the_address_of_a_model_names_its_server(rest: str, suffix: str) -> None:
    with connect(rest + suffix) as client:
        assert client.predict(Target(model="heart"), [1])[0] == "/v1/models/heart:predict"


def test_a_path_before_the_interface_is_kept(rest: str) -> None:
    with connect(rest + "/team/") as client:
        assert client.predict(Target(model="heart"), [1])[0] == "/team/v1/models/heart:predict"


def test_one_client_asks_over_one_connection(rest: str) -> None:
    _Rest.connections.clear()
    with connect(rest) as client:
        for _ in range(3):
            client.predict(Target(model="heart"), [1])
        with pytest.raises(ModelExportError):
            client.predict(Target(model="gone"), [1])
        client.predict(Target(model="heart"), [1])
    assert len(_Rest.connections) == 1


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("gone", "answered 404: Servable not found"),
        ("odd", "answered 200: this is no answer of a model server"),
        ("proxy", "answered 502: this is no answer of a model server"),
    ],
)
def test_what_the_rest_server_answers_instead_of_predictions_is_said(
    rest: str, model: str, said: str
) -> None:
    with connect(rest) as client, pytest.raises(ModelExportError, match=said):
        client.predict(Target(model=model), [1])


def test_the_command_prints_a_prediction_on_each_line(rest: str) -> None:
    arguments = ["predict", "--model", "heart", "--endpoint", rest]
    given = CliRunner().invoke(main, [*arguments, "--json-instances", "[1, 2]"])
    assert given.stdout.splitlines()[0] == '"/v1/models/heart:predict"'
    assert json.loads(given.stdout.splitlines()[1])["instances"] == [1, 2]
    piped = CliRunner().invoke(main, [*arguments, "--json"], input='{"age": 1}\n{"age": 2}\n')
    assert json.loads(piped.stdout)["predictions"][1]["instances"] == [{"age": 1}, {"age": 2}]


def test_the_command_takes_a_whole_request_body_from_a_file(rest: str, tmp_path: Any) -> None:
    (tmp_path / "body.json").write_text('{"instances": [7]}')
    arguments = ["predict", "--model", "heart", "--endpoint", rest, "--version", "3"]
    result = CliRunner().invoke(main, [*arguments, "--input", str(tmp_path / "body.json")])
    assert result.stdout.startswith('"/v1/models/heart/versions/3:predict"')
    assert '"instances": [7]' in result.stdout


@pytest.fixture(scope="module")
def grpc_address() -> Iterator[str]:
    """Serve TF Serving's interface by its own classes: doubles `x`, gives words back."""
    import tensorflow as tf  # noqa: PLC0415 seconds, paid only by these tests
    from tensorflow.core.protobuf import meta_graph_pb2  # noqa: PLC0415
    from tensorflow_serving.apis import (  # noqa: PLC0415
        get_model_metadata_pb2,
        predict_pb2,
        prediction_service_pb2_grpc,
    )

    def info(dtype: Any) -> Any:
        return meta_graph_pb2.TensorInfo(
            dtype=dtype.as_datatype_enum, tensor_shape=tf.TensorShape([None]).as_proto()
        )

    class Service(prediction_service_pb2_grpc.PredictionServiceServicer):  # type: ignore[misc] # untyped
        def GetModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802 gRPC's name
            if request.model_spec.name == "gone":
                context.abort(grpc.StatusCode.NOT_FOUND, "Servable not found")
            assert list(request.metadata_field) == ["signature_def"]
            signature = meta_graph_pb2.SignatureDef(
                inputs={"x": info(tf.float16), "words": info(tf.string)},
                outputs={"y": info(tf.float16), "words": info(tf.string)},
            )
            response = get_model_metadata_pb2.GetModelMetadataResponse()
            response.metadata["signature_def"].Pack(
                get_model_metadata_pb2.SignatureDefMap(signature_def={"both": signature})
            )
            return response

        def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802 gRPC's name
            assert request.model_spec.signature_name == "both"
            spec = request.model_spec
            if spec.version_label == "slow":
                context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "too slow")
            x = tf.make_ndarray(request.inputs["x"])
            words = tf.make_ndarray(request.inputs["words"])
            response = predict_pb2.PredictResponse()
            response.outputs["y"].CopyFrom(
                tf.make_tensor_proto(x * 2 + np.float16(spec.version.value))
            )
            response.outputs["words"].CopyFrom(tf.make_tensor_proto(words))
            return response

    server = grpc.server(ThreadPoolExecutor(2))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


_ROWS: list[JsonValue] = [{"x": 1, "words": "é"}, {"x": 2.5, "words": {"b64": "YQ=="}}]


@pytest.mark.parametrize("scheme", ["", "grpc://"])
def test_grpc_takes_the_types_from_the_model_and_gives_rows_back(
    grpc_address: str, scheme: str
) -> None:
    with connect(scheme + grpc_address) as client:
        predictions = client.predict(Target(model="toy", signature="both", version=10), _ROWS)
    assert predictions == ({"words": "é", "y": 12.0}, {"words": "a", "y": 15.0})


def test_what_the_grpc_server_answers_instead_of_predictions_is_said(grpc_address: str) -> None:
    with connect(grpc_address) as client:
        with pytest.raises(ModelExportError, match="answered NOT_FOUND: Servable not found"):
            client.predict(Target(model="gone", signature="both"), _ROWS)
        with pytest.raises(ModelExportError, match="answered DEADLINE_EXCEEDED: too slow"):
            client.predict(Target(model="toy", signature="both", label="slow"), _ROWS)
        with pytest.raises(RefusedError, match=r"no signature 'serving_default' \(it has: both\)"):
            client.predict(Target(model="toy"), _ROWS)


@contextmanager
def _silent_port() -> Iterator[int]:
    """Accept connections and never answer."""
    import socket  # noqa: PLC0415 beside its only use

    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("form", ["http://127.0.0.1:{}", "127.0.0.1:{}"])
def test_a_server_that_never_answers_is_given_up_after_the_time_out(form: str) -> None:
    with (
        _silent_port() as port,
        connect(form.format(port), timeout_seconds=0.2) as client,
        pytest.raises(ModelExportError, match=r"No answer|DEADLINE_EXCEEDED"),
    ):
        client.predict(Target(model="heart"), [1])
