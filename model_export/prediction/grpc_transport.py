"""TF Serving's PredictionService over one channel; no TensorFlow, the messages are our own."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import grpc
from numpy.typing import NDArray

from model_export import wire
from model_export.manifest import Signature
from model_export.prediction.call import (
    CallError,
    Columns,
    Failure,
    Rows,
    Signatures,
    Target,
    too_late,
    unreachable,
)
from model_export.prediction.endpoint import GrpcEndpoint
from model_export.prediction.instances import as_arrays
from model_export.savedmodel import read_signatures
from model_export.tensors import fill_tensor, from_tensor

_SERVICE: Final = "/tensorflow.serving.PredictionService"
_OPTIONS: Final = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
]
# What gRPC does to be able to repeat a call is lost on a client that repeats it itself.
_NO_RETRIES: Final = [("grpc.enable_retries", 0)]
_FAILURES: Final[Mapping[grpc.StatusCode, Failure]] = {
    grpc.StatusCode.INVALID_ARGUMENT: "instances",
    grpc.StatusCode.OUT_OF_RANGE: "instances",
    grpc.StatusCode.FAILED_PRECONDITION: "instances",
    grpc.StatusCode.INTERNAL: "instances",
    grpc.StatusCode.UNKNOWN: "instances",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "not executed",
    # gRPC does not tell a connection that never came about from one that broke.
    grpc.StatusCode.UNAVAILABLE: "unknown",
}


class GrpcTransport:
    """A channel carries any number of calls at once; `repeats` if a lost call is made again."""

    def __init__(self, endpoint: GrpcEndpoint, target: Target, *, repeats: bool) -> None:
        self._address = endpoint.address
        options = _OPTIONS + _NO_RETRIES if repeats else _OPTIONS
        self._channel = (
            grpc.secure_channel(endpoint.address, grpc.ssl_channel_credentials(), options=options)
            if endpoint.is_encrypted
            else grpc.insecure_channel(endpoint.address, options=options)
        )
        self._model_spec = _model_spec(target)
        self._metadata_request = wire.message("MetadataRequest")
        self._predict_request = wire.message("PredictRequest")
        self._signature_map = wire.message("SignatureDefMap")
        self._metadata = self._method(
            "GetModelMetadata", self._metadata_request, wire.message("MetadataResponse")
        )
        self._predict = self._method(
            "Predict", self._predict_request, wire.message("PredictResponse")
        )

    def signatures(self, timeout_seconds: float) -> Signatures:
        """Ask GetModelMetadata."""
        request = self._metadata_request(model_spec=self._model_spec, fields=["signature_def"])
        response = self._call(self._metadata, request, timeout_seconds)
        document = response.metadata["signature_def"].value
        return read_signatures(self._signature_map.FromString(document).signatures)

    def predict(
        self, inputs: Rows | Columns, signature: Signature | None, timeout_seconds: float
    ) -> dict[str, NDArray[Any]]:
        """Send columns of the signature's types; what comes back says its types itself."""
        if signature is None:
            raise CallError(f"{self._address} tells no types of its inputs.", "final")
        request = self._predict_request(model_spec=self._model_spec)
        for name, array in as_arrays(inputs, signature).items():
            fill_tensor(request.inputs[name], array)
        response = self._call(self._predict, request, timeout_seconds)
        return {name: from_tensor(tensor) for name, tensor in response.outputs.items()}

    def close(self) -> None:
        """End the connection."""
        self._channel.close()

    def _method(self, name: str, request: Any, response: Any) -> Callable[..., Any]:
        stub: Callable[..., Any] = self._channel.unary_unary(
            f"{_SERVICE}/{name}",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )
        return stub

    def _call(self, method: Callable[..., Any], request: Any, timeout_seconds: float) -> Any:
        try:
            return method(request, timeout=timeout_seconds)
        except grpc.RpcError as error:
            code, details = error.code(), error.details()
            if code == grpc.StatusCode.DEADLINE_EXCEEDED:
                raise too_late(self._address, timeout_seconds) from error
            failure = _FAILURES.get(code, "final")
            if failure == "unknown" and "Failed parsing HTTP/2" in str(details):
                raise CallError(
                    f"{self._address} does not speak gRPC. Is it the REST port? Then write "
                    f"http://{self._address}",
                    "final",
                ) from error
            if failure == "unknown":
                raise unreachable(self._address, details, failure) from error
            raise CallError(f"{self._address} answered {code.name}: {details}", failure) from error


def _model_spec(target: Target) -> Any:
    spec = wire.message("ModelSpec")(name=target.model, signature_name=target.signature)
    if target.version is not None:
        spec.version.value = target.version
    if target.label is not None:
        spec.version_label = target.label
    return spec
