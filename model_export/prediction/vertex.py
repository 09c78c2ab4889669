"""An endpoint of Vertex AI, by Google's own client.

Sends the server's own document with RawPredict: `Predict` would turn every number into a double
and has no place for a signature.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from numpy.typing import NDArray

from model_export.manifest import Signature
from model_export.prediction.call import (
    CallError,
    Columns,
    Failure,
    Rows,
    Target,
    too_late,
    unreachable,
)
from model_export.prediction.endpoint import VertexEndpoint
from model_export.prediction.instances import instance_count
from model_export.prediction.json_codec import read_outputs, request_body
from model_export.prediction.vertex_client import service_client

if TYPE_CHECKING:
    from google.cloud.aiplatform_v1 import PredictionServiceClient

# By the names of google.api_core.exceptions.
_FAILURES: Final[Mapping[str, Failure]] = {
    "INVALID_ARGUMENT": "instances",
    "OUT_OF_RANGE": "instances",
    "FAILED_PRECONDITION": "instances",
    "INTERNAL": "instances",
    "UNKNOWN": "instances",
    "RESOURCE_EXHAUSTED": "not executed",
    "UNAVAILABLE": "unknown",
}


class VertexTransport:
    """One gRPC channel to the region, or to a dedicated endpoint's own host."""

    def __init__(
        self,
        endpoint: VertexEndpoint,
        target: Target,
        client: "PredictionServiceClient | None" = None,
    ) -> None:
        self._target = target
        self._where = endpoint.name
        self._name = (
            f"projects/{endpoint.project}/locations/{endpoint.region}/endpoints/{endpoint.endpoint}"
        )
        self._client = client or service_client(endpoint, "PredictionService")

    def signatures(self, _timeout_seconds: float) -> None:
        """Give none: Vertex passes no metadata on."""

    def predict(
        self, inputs: Rows | Columns, signature: Signature | None, timeout_seconds: float
    ) -> dict[str, NDArray[Any]]:
        """Hand the document through to the container; the endpoint's traffic split says which."""
        from google.api import (  # type: ignore[import-untyped] # noqa: PLC0415 comes with the client
            httpbody_pb2,
        )
        from google.api_core import exceptions as api  # noqa: PLC0415

        body = httpbody_pb2.HttpBody(
            data=request_body(self._target, inputs), content_type="application/json"
        )
        try:
            answer = self._client.raw_predict(
                request={"endpoint": self._name, "http_body": body},
                timeout=timeout_seconds,
                retry=None,
            )
        except api.DeadlineExceeded as error:
            raise too_late(self._where, timeout_seconds) from error
        except api.GoogleAPICallError as error:
            code = error.grpc_status_code.name if error.grpc_status_code else str(error.code)
            raise CallError(
                f"{self._where} answered {code}: {error.message}", _FAILURES.get(code, "final")
            ) from error
        except api.RetryError as error:
            raise unreachable(self._where, error, "unknown") from error
        return read_outputs(self._where, answer.data, signature, instance_count(inputs))

    def close(self) -> None:
        """End the connection."""
        self._client.transport.close()
