"""Asks a model server for predictions, over REST or gRPC.

Owns TF Serving's two protocols from the caller's side: rows in, rows out, the same for both. It
needs no TensorFlow: the messages are those of `wire`.
"""

import http.client
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import quote, urlsplit

import grpc
from pydantic import JsonValue

from model_export import wire
from model_export.errors import ModelExportError, RefusedError
from model_export.savedmodel import read_signatures
from model_export.tensors import columns, from_tensor, rows, to_array, to_tensor

DEFAULT_SIGNATURE: Final = "serving_default"
_SERVICE: Final = "/tensorflow.serving.PredictionService"
_NO_MESSAGE_LIMIT: Final = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
]


@dataclass(frozen=True, kw_only=True)
class Target:
    """What to ask: a model, at most one of version and label, a signature."""

    model: str
    version: int | None = None
    label: str | None = None
    signature: str = DEFAULT_SIGNATURE


class Client(Protocol):
    """A connection to one server, reused from call to call."""

    def predict(self, target: Target, instances: Sequence[JsonValue]) -> tuple[JsonValue, ...]:
        """Give one prediction for each instance, in their order."""

    def close(self) -> None:
        """End the connection."""


@contextmanager
def connect(endpoint: str, *, timeout_seconds: float = 60.0) -> Iterator[Client]:
    """Open the client that the endpoint's form asks for: a URL is REST, HOST:PORT is gRPC."""
    client: Client
    if endpoint.startswith(("http://", "https://")):
        client = RestClient(endpoint, timeout_seconds)
    elif "://" not in endpoint.removeprefix("grpc://") and ":" in endpoint:
        client = GrpcClient(endpoint.removeprefix("grpc://"), timeout_seconds)
    else:
        raise RefusedError(
            f"Endpoint {endpoint}: give http://HOST:PORT for REST, or HOST:PORT for gRPC."
        )
    try:
        yield client
    finally:
        client.close()


class RestClient:
    """TF Serving's REST interface."""

    def __init__(self, url: str, timeout_seconds: float) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise RefusedError(f"Endpoint {url}: {error}.") from error
        if not parts.hostname:
            raise RefusedError(f"Endpoint {url}: it names no host; write http://HOST:PORT.")
        # The address of a model, as a stack's outputs give it, names its server too.
        self._prefix = parts.path.partition("/v1/models")[0].rstrip("/")
        self._url = url
        kind = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        self._connection = kind(parts.hostname, port, timeout=timeout_seconds)

    def predict(self, target: Target, instances: Sequence[JsonValue]) -> tuple[JsonValue, ...]:
        """Post the rows as they are; the server knows their types."""
        path = f"{self._prefix}/v1/models/{quote(target.model, safe='')}"
        if target.version is not None:
            path += f"/versions/{target.version}"
        if target.label is not None:
            path += f"/labels/{quote(target.label, safe='')}"
        body = json.dumps({"signature_name": target.signature, "instances": list(instances)})
        try:
            self._connection.request(
                "POST", f"{path}:predict", body.encode(), {"Content-Type": "application/json"}
            )
            response = self._connection.getresponse()
            status, answer = response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            raise _unreachable(self._url, error) from error
        try:
            document = json.loads(answer)
        except ValueError:
            document = None
        predictions = document.get("predictions") if isinstance(document, dict) else None
        if status == http.HTTPStatus.OK and isinstance(predictions, list):
            return tuple(predictions)
        fault = document.get("error") if isinstance(document, dict) else None
        raise ModelExportError(
            f"{self._url} answered {status}: {fault or 'this is no answer of a model server'}"
        )

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


class GrpcClient:
    """TF Serving's PredictionService; types come from the model's own metadata."""

    def __init__(self, address: str, timeout_seconds: float) -> None:
        self._address = address
        self._timeout_seconds = timeout_seconds
        self._channel = grpc.insecure_channel(address, options=_NO_MESSAGE_LIMIT)
        self._metadata = self._method("GetModelMetadata", "MetadataRequest", "MetadataResponse")
        self._predict = self._method("Predict", "PredictRequest", "PredictResponse")

    def predict(self, target: Target, instances: Sequence[JsonValue]) -> tuple[JsonValue, ...]:
        """Ask for the signature, send columns of its types, give rows back."""
        asked = wire.message("MetadataRequest")(
            model_spec=_model_spec(target), fields=["signature_def"]
        )
        document = self._call(self._metadata, asked).metadata["signature_def"].value
        signatures = read_signatures(
            wire.message("SignatureDefMap").FromString(document).signatures
        )
        if target.signature not in signatures:
            raise RefusedError(
                f"Model '{target.model}' has no signature '{target.signature}' "
                f"(it has: {', '.join(signatures)})."
            )
        inputs = signatures[target.signature].inputs
        request = wire.message("PredictRequest")(model_spec=_model_spec(target))
        for name, values in columns(instances, inputs).items():
            request.inputs[name].CopyFrom(to_tensor(to_array(name, values, inputs[name])))
        response = self._call(self._predict, request)
        outputs = {name: from_tensor(tensor) for name, tensor in response.outputs.items()}
        return rows(outputs, len(instances))

    def close(self) -> None:
        """End the connection."""
        self._channel.close()

    def _method(self, name: str, request: str, response: str) -> Callable[..., Any]:
        stub: Callable[..., Any] = self._channel.unary_unary(
            f"{_SERVICE}/{name}",
            request_serializer=wire.message(request).SerializeToString,
            response_deserializer=wire.message(response).FromString,
        )
        return stub

    def _call(self, method: Callable[..., Any], request: Any) -> Any:
        try:
            return method(request, timeout=self._timeout_seconds)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.UNAVAILABLE:
                raise _unreachable(self._address, error.details()) from error
            raise ModelExportError(
                f"{self._address} answered {error.code().name}: {error.details()}"
            ) from error


def _model_spec(target: Target) -> Any:
    spec = wire.message("ModelSpec")(name=target.model, signature_name=target.signature)
    if target.version is not None:
        spec.version.value = target.version
    if target.label is not None:
        spec.version_label = target.label
    return spec


def _unreachable(endpoint: str, reason: object) -> ModelExportError:
    return ModelExportError(f"No answer from {endpoint}: {reason}. Is the server up?")
