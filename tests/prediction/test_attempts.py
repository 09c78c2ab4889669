"""What a client does when the network or the server fails, shown on the wire."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import pytest

from model_export import wire
from model_export.client import CallError, Client, Retries, connect
from model_export.manifest import Signature, TensorSpec
from model_export.prediction.call import Failure

_QUICK = Retries(first_pause_seconds=0.01)
_FORGETFUL = Retries(first_pause_seconds=0.01, idempotent=False)

Answer = tuple[int, bytes] | tuple[int, bytes, dict[str, str]] | str


class _Server(ThreadingHTTPServer):
    """Gives its answers one after the other, then only predictions."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[Answer] = []
        self.seen: list[tuple[str, Any]] = []
        self.connections: set[Any] = set()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._send(404, b"{}", {})

    def do_POST(self) -> None:
        self.server.connections.add(self.client_address)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append((self.path, body))
        answer = self.server.answers.pop(0) if self.server.answers else (200, b"")
        match answer:
            case "drop":
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
            case "half":
                self.send_response(200)
                self.send_header("Content-Length", "100")
                self.end_headers()
                self.wfile.write(b'{"predictions')
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
            case "drip":
                self.send_response(200)
                self.send_header("Content-Length", "1000000")
                self.end_headers()
                while True:  # until the client hangs up
                    self.wfile.write(b" ")
                    time.sleep(0.02)
            case str():
                raise AssertionError(answer)
            case _:
                status, said, *headers = answer
                rows = body.get("instances", [])
                said = said or json.dumps({"predictions": rows}).encode()
                self._send(status, said, headers[0] if headers else {})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


class _QuietServer(_Server):
    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that hang up."""


@pytest.fixture
def rest() -> Iterator[_Server]:
    with _QuietServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _client(server: _Server, retries: Retries = _QUICK, **options: Any) -> Any:
    url = f"http://127.0.0.1:{server.server_port}"
    return connect(url, **{"model": "m", "retries": retries, **options})


@pytest.mark.parametrize(
    "answers",
    [
        [(429, b'{"error": "too many"}')],
        [(503, b'{"error": "not yet"}'), (503, b"<html>")],
        [(502, b"")],
        ["drop"],
        ["half", "drop"],
    ],
)
def test_a_prediction_is_asked_for_again(rest: _Server, answers: list[Answer]) -> None:
    rest.answers = list(answers)
    with _client(rest) as client:
        assert client.predict([1.5]).rows() == (1.5,)
    assert len(rest.seen) == len(answers) + 1


def test_what_is_not_idempotent_is_asked_again_only_where_it_was_turned_away(
    rest: _Server,
) -> None:
    with _client(rest, _FORGETFUL) as client:
        rest.answers = [(429, b"{}")]
        client.predict([1])
        assert len(rest.seen) == 2
        for fault in ("drop", (503, b"{}"), "half"):
            rest.seen.clear()
            rest.answers = [fault]
            with pytest.raises(CallError):
                client.predict([1])
            assert len(rest.seen) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 500, 501, 504])
def test_a_refusal_is_final(rest: _Server, status: int) -> None:
    rest.answers = [(status, b'{"error": "no"}')]
    with _client(rest) as client, pytest.raises(CallError, match=f"answered {status}: no"):
        client.predict([1])
    assert len(rest.seen) == 1


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        ((200, b"<html>"), "final"),
        ((200, b'{"predictions": [1, 2]}'), "final"),
        ((200, b'{"predictions": {"a": 1}}'), "final"),
        ((200, b"[]"), "final"),
        ((302, b"", {"Location": "/login"}), "final"),
    ],
)
def test_what_is_no_answer_of_a_model_server_is_said(
    rest: _Server, answer: Answer, failure: Failure
) -> None:
    rest.answers = [answer]
    with _client(rest) as client, pytest.raises(CallError, match="no answer of a model") as caught:
        client.predict([1])
    assert caught.value.failure == failure


def test_the_server_says_when_to_come_back(rest: _Server) -> None:
    rest.answers = [(429, b"{}", {"Retry-After": "1"})]
    begin = time.monotonic()
    with _client(rest) as client:
        client.predict([1])
    assert time.monotonic() - begin >= 1


def test_no_pause_goes_beyond_the_deadline(rest: _Server) -> None:
    rest.answers = [(503, b'{"error": "not yet"}', {"Retry-After": "60"})]
    begin = time.monotonic()
    with _client(rest) as client, pytest.raises(CallError, match="503: not yet"):
        client.predict([1], timeout_seconds=50)
    assert time.monotonic() - begin < 50


def test_attempts_end(rest: _Server) -> None:
    rest.answers = [(503, b"{}")] * 9
    with _client(rest) as client, pytest.raises(CallError, match="503"):
        client.predict([1])
    assert len(rest.seen) == _QUICK.attempts


def test_an_answer_drop_by_drop_ends_at_the_deadline(rest: _Server) -> None:
    rest.answers = ["drip"]
    with _client(rest) as client, pytest.raises(CallError, match="within") as caught:
        client.predict([1], timeout_seconds=0.3)
    assert caught.value.failure == "late"


def test_one_connection_serves_one_call_after_the_other(rest: _Server) -> None:
    rest.answers = [(200, b""), (404, b"{}"), (503, b"{}")]
    with _client(rest) as client:
        client.predict([1])
        with pytest.raises(CallError):
            client.predict([1])
        client.predict([1])
    assert len(rest.seen) == 4
    assert len(rest.connections) == 1


def test_the_path_names_the_version_or_the_label_and_the_body_a_signature(rest: _Server) -> None:
    for options in ({"version": 3}, {"label": "a b"}, {"signature": "other"}):
        with _client(rest, **options) as client:
            client.predict([1])
    assert [path for path, _ in rest.seen] == [
        "/v1/models/m/versions/3:predict",
        "/v1/models/m/labels/a%20b:predict",
        "/v1/models/m:predict",
    ]
    assert rest.seen[0][1] == {"instances": [1]}
    assert rest.seen[2][1] == {"instances": [1], "signature_name": "other"}


@pytest.mark.parametrize(
    ("predictions", "outputs"),
    [
        ([1, 2.5], {"output": [1.0, 2.5]}),
        ([{"a": 1, "b": "x"}, {"a": 2, "b": "é"}], {"a": [1, 2], "b": [b"x", "é".encode()]}),
        ([{"b64": "YQ=="}, {"b64": ""}], {"output": [b"a", b""]}),
        ([[1], [1, 2]], {"output": [[1], [1, 2]]}),
    ],
)
def test_without_metadata_the_values_say_what_they_are(
    rest: _Server, predictions: list[Any], outputs: dict[str, Any]
) -> None:
    rest.answers = [(200, json.dumps({"predictions": predictions}).encode())]
    with _client(rest) as client:
        answer = client.predict([1, 2])
    assert {name: array.tolist() for name, array in answer.outputs.items()} == outputs


def test_other_outputs_than_the_signature_has_are_no_answer(rest: _Server) -> None:
    spec = TensorSpec(dtype="float32", shape=(None,))
    signature = Signature(method_name="", inputs={"x": spec}, outputs={"a": spec, "b": spec})
    with (
        _client(rest, signatures={"serving_default": signature}) as client,
        pytest.raises(CallError, match="with the outputs output; the model's metadata say a, b"),
    ):
        client.predict([1])


@contextmanager
def _silent_port() -> Iterator[int]:
    """Accept connections and never answer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("form", ["http://127.0.0.1:{}", "127.0.0.1:{}"])
def test_a_server_that_never_answers_is_given_up_at_the_deadline(form: str) -> None:
    with (
        _silent_port() as port,
        connect(form.format(port), model="m", timeout_seconds=0.3) as client,
        pytest.raises(CallError, match="No answer"),
    ):
        client.predict([1])


@pytest.mark.parametrize("form", ["http://127.0.0.1:{}", "127.0.0.1:{}"])
def test_a_server_that_is_not_there_is_tried_again_and_named(form: str) -> None:
    with (
        connect(form.format(1), model="m", retries=_QUICK) as client,
        pytest.raises(CallError, match=r"No answer from .*127\.0\.0\.1:1: .*Is the server up\?"),
    ):
        client.predict([1])


class _Prediction(grpc.GenericRpcHandler):
    """Speaks PredictionService: fails as it is told, then gives `x` back."""

    def __init__(self) -> None:
        self.failures: list[grpc.StatusCode] = []
        self.seen = 0

    def service(self, details: Any) -> Any:
        if details.method.endswith("GetModelMetadata"):
            return grpc.unary_unary_rpc_method_handler(self._metadata)
        return grpc.unary_unary_rpc_method_handler(self._predict)

    def _metadata(self, _request: bytes, _context: Any) -> bytes:
        signatures = wire.message("SignatureDefMap")()
        signature = signatures.signatures["serving_default"]
        signature.inputs["x"].dtype = signature.outputs["x"].dtype = 1
        response = wire.message("MetadataResponse")()
        response.metadata["signature_def"].value = signatures.SerializeToString()
        sent: bytes = response.SerializeToString()
        return sent

    def _predict(self, request: bytes, context: Any) -> bytes:
        self.seen += 1
        if self.failures:
            context.abort(self.failures.pop(0), "told so")
        asked = wire.message("PredictRequest").FromString(request)
        response = wire.message("PredictResponse")()
        response.outputs["x"].CopyFrom(asked.inputs["x"])
        sent: bytes = response.SerializeToString()
        return sent


@pytest.fixture
def prediction() -> Iterator[tuple[_Prediction, Callable[..., Any]]]:
    handler = _Prediction()
    server = grpc.server(ThreadPoolExecutor(2), handlers=[handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()

    def client(retries: Retries = _QUICK) -> Any:
        return connect(f"grpc://127.0.0.1:{port}", model="m", retries=retries)

    yield handler, client
    server.stop(None).wait()


def _asked(
    prediction: tuple[_Prediction, Callable[..., Any]],
    failures: Sequence[grpc.StatusCode],
    retries: Retries,
) -> int:
    handler, connected = prediction
    handler.failures, handler.seen = list(failures), 0
    client: Client
    with connected(retries) as client:
        assert client.predict([1.5]).rows() == (1.5,)
    return handler.seen


def test_grpc_is_asked_again_by_the_same_rules(
    prediction: tuple[_Prediction, Callable[..., Any]],
) -> None:
    codes = grpc.StatusCode
    assert _asked(prediction, [codes.UNAVAILABLE, codes.RESOURCE_EXHAUSTED], _QUICK) == 3
    assert _asked(prediction, [codes.RESOURCE_EXHAUSTED], _FORGETFUL) == 2
    with pytest.raises(CallError, match="told so"):
        _asked(prediction, [codes.UNAVAILABLE], _FORGETFUL)
    for code in (codes.INVALID_ARGUMENT, codes.INTERNAL, codes.PERMISSION_DENIED, codes.ABORTED):
        with pytest.raises(CallError, match=f"answered {code.name}: told so"):
            _asked(prediction, [code], _QUICK)
        assert prediction[0].seen == 1


def test_the_other_protocols_port_is_told_and_not_asked_again(rest: _Server) -> None:
    address = f"127.0.0.1:{rest.server_port}"
    with (
        connect(f"grpc://{address}", model="m", retries=_QUICK) as client,
        pytest.raises(CallError, match=rf"Is it the REST port\? Then write http://{address}"),
    ):
        client.predict([1])
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with (
            connect(f"http://127.0.0.1:{port}", model="m", retries=_QUICK) as client,
            pytest.raises(CallError, match=r"does not speak HTTP\. Is it a gRPC port\?"),
        ):
            client.predict([1])
    finally:
        server.stop(None)
