"""Google's own client against a gRPC server that speaks Vertex's PredictionService."""

import json
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np
import pytest

from model_export.client import CallError, Client, Retries
from model_export.errors import RefusedError
from model_export.manifest import Signature, TensorSpec
from model_export.prediction.call import Target
from model_export.prediction.endpoint import VertexEndpoint
from model_export.prediction.vertex import VertexTransport

# Google's client alone takes seconds to import.
pytestmark = pytest.mark.slow

_ENDPOINT = VertexEndpoint(project="p", region="europe-west4", endpoint="12")


class _Service(grpc.GenericRpcHandler):
    """Answers RawPredict as the container behind an endpoint would."""

    def __init__(self, request_type: Any, answer_type: Any) -> None:
        self._request_type = request_type
        self._answer_type = answer_type
        self.failures: list[grpc.StatusCode] = []
        self.seen: list[tuple[str, str, Any]] = []

    def service(self, details: Any) -> Any:
        assert details.method == "/google.cloud.aiplatform.v1.PredictionService/RawPredict"
        return grpc.unary_unary_rpc_method_handler(
            self._answer, self._request_type.deserialize, self._answer_type.SerializeToString
        )

    def _answer(self, request: Any, context: Any) -> Any:
        if self.failures:
            context.abort(self.failures.pop(0), "told so")
        body = json.loads(request.http_body.data)
        self.seen.append((request.endpoint, request.http_body.content_type, body))
        answer = json.dumps({"predictions": [row["n"] for row in body["instances"]]})
        return self._answer_type(data=answer.encode(), content_type="application/json")


@pytest.fixture(scope="module")
def connected() -> Iterator[tuple[_Service, VertexTransport]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        from google.api import (  # type: ignore[import-untyped] # noqa: PLC0415 slow
            httpbody_pb2,
        )
        from google.cloud.aiplatform_v1 import (  # noqa: PLC0415
            PredictionServiceClient,
            RawPredictRequest,
        )
        from google.cloud.aiplatform_v1.services.prediction_service.transports.grpc import (  # noqa: PLC0415
            PredictionServiceGrpcTransport,
        )
    service = _Service(RawPredictRequest, httpbody_pb2.HttpBody)
    server = grpc.server(ThreadPoolExecutor(2), handlers=[service])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    channel = grpc.insecure_channel(f"127.0.0.1:{port}")
    transport = VertexTransport(
        _ENDPOINT,
        Target(signature="s"),
        PredictionServiceClient(transport=PredictionServiceGrpcTransport(channel=channel)),
    )
    yield service, transport
    transport.close()
    server.stop(None).wait()


def _client(transport: VertexTransport, **options: Any) -> Client:
    retries = Retries(first_pause_seconds=0.01)
    return Client(
        transport, Target(signature="s"), where=_ENDPOINT.name, retries=retries, **options
    )


def test_rows_pass_through_vertex_as_they_are(
    connected: tuple[_Service, VertexTransport],
) -> None:
    service, transport = connected
    # More than a double can hold, so that it shows when a number was turned into one.
    large = 2**53 + 1
    answer = _client(transport).predict([{"n": large}, {"n": 2}])
    assert answer.outputs["output"].tolist() == [large, 2]
    assert service.seen[-1] == (
        "projects/p/locations/europe-west4/endpoints/12",
        "application/json",
        {"instances": [{"n": large}, {"n": 2}], "signature_name": "s"},
    )


def test_a_manifests_signatures_give_vertex_types(
    connected: tuple[_Service, VertexTransport],
) -> None:
    spec = TensorSpec(dtype="float32", shape=(None,))
    signature = Signature(method_name="", inputs={"n": spec}, outputs={"score": spec})
    client = _client(connected[1], signatures={"s": signature})
    assert client.predict([{"n": 0.5}]).outputs["score"].dtype == np.float32


def test_vertex_is_asked_again_by_the_same_rules(
    connected: tuple[_Service, VertexTransport],
) -> None:
    service, transport = connected
    service.failures = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED]
    assert _client(transport).predict([{"n": 1}]).rows() == (1,)
    for code, failure in (
        (grpc.StatusCode.INVALID_ARGUMENT, "instances"),
        (grpc.StatusCode.PERMISSION_DENIED, "final"),
        (grpc.StatusCode.NOT_FOUND, "final"),
    ):
        service.failures = [code]
        with pytest.raises(CallError, match=f"{code.name}: .*told so") as caught:
            _client(transport).predict([{"n": 1}])
        assert caught.value.failure == failure
        assert not service.failures


def test_missing_credentials_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    with pytest.raises(RefusedError, match="gcloud auth application-default login"):
        VertexTransport(_ENDPOINT, Target())
