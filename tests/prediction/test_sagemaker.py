"""Amazon's own client against an HTTP server that has the shape of SageMaker's runtime."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from model_export.client import CallError, Retries, connect
from model_export.errors import RefusedError

_QUICK = Retries(first_pause_seconds=0.01)


class _Runtime(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.faults: list[tuple[int, str, dict[str, Any]]] = []
        self.seen: list[tuple[str, str | None, Any]] = []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Runtime

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.headers["Authorization"].startswith("AWS4-HMAC-SHA256 ")
        assert self.headers["Content-Type"] == "application/json"
        attributes = self.headers.get("X-Amzn-SageMaker-Custom-Attributes")
        self.server.seen.append((self.path, attributes, body))
        if self.server.faults:
            status, code, answer = self.server.faults.pop(0)
            self._send(status, answer, {"x-amzn-ErrorType": code})
        else:
            self._send(200, {"predictions": body["instances"]}, {})

    def _send(self, status: int, answer: Any, headers: dict[str, str]) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Runtime]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with _Runtime() as server:
        url = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", url)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _predict(instances: list[Any], **options: Any) -> Any:
    with connect("sagemaker://eu-west-1/heart", retries=_QUICK, **options) as client:
        return client.predict(instances).rows()


def test_rows_pass_through_sagemaker_as_they_are(runtime: _Runtime) -> None:
    assert _predict([1, 2.5], signature="s") == (1.0, 2.5)
    body = {"instances": [1, 2.5], "signature_name": "s"}
    assert runtime.seen == [("/endpoints/heart/invocations", None, body)]


def test_the_containers_attributes_choose_the_model_and_the_version(runtime: _Runtime) -> None:
    _predict([1], model="digits", version=3)
    assert runtime.seen[0][1] == "tfs-model-name=digits,tfs-model-version=3"


def test_sagemaker_is_asked_again_by_the_same_rules(runtime: _Runtime) -> None:
    runtime.faults = [
        (429, "ModelNotReadyException", {"message": "not yet"}),
        (503, "ServiceUnavailable", {"Message": "busy"}),
        (400, "ThrottlingException", {"message": "Rate exceeded"}),
    ]
    assert _predict([1]) == (1,)
    assert len(runtime.seen) == 4


@pytest.mark.parametrize(
    ("fault", "said", "failure"),
    [
        (
            (
                424,
                "ModelError",
                {"OriginalStatusCode": 400, "OriginalMessage": '{"error": "no such input"}'},
            ),
            "answered 400: no such input",
            "instances",
        ),
        (
            (424, "ModelError", {"OriginalStatusCode": 500, "OriginalMessage": "worker died"}),
            "answered 500: worker died",
            "instances",
        ),
        ((400, "ValidationError", {"message": "no endpoint"}), "ValidationError: no end", "final"),
        ((403, "AccessDeniedException", {"message": "no"}), "AccessDeniedException: no", "final"),
    ],
)
def test_what_sagemaker_refuses_is_said_and_sorted(
    runtime: _Runtime, fault: tuple[int, str, dict[str, Any]], said: str, failure: str
) -> None:
    runtime.faults = [fault]
    with pytest.raises(CallError, match=said) as caught:
        _predict([1])
    assert caught.value.failure == failure
    assert len(runtime.seen) == 1


def test_an_endpoint_that_is_not_there_is_named(
    runtime: _Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    del runtime
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", "http://127.0.0.1:1")
    with pytest.raises(CallError, match="No answer from sagemaker://eu-west-1/heart"):
        _predict([1])


def test_missing_credentials_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(RefusedError, match="aws configure"):
        _predict([1])
