"""TF Serving's REST API over the manager and the dispatcher, and the page of metrics.

Owns what a route answers and which HTTP code an error has; rest_http owns the protocol.
"""

import json
import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

from google.protobuf.json_format import MessageToDict

from local_model_server.domain import (
    DEFAULT_SIGNATURE,
    Code,
    Dispatcher,
    Frontend,
    Manager,
    Metrics,
    Servable,
    ServerSettings,
    ServingError,
)
from local_model_server.json_codec import (
    Document,
    decode_predict,
    encode_error,
    encode_predict,
    parse_document,
)
from local_model_server.json_codec_examples import (
    decode_examples,
    encode_classification,
    encode_regression,
)
from local_model_server.json_codec_values import invalid
from local_model_server.rest_http import HttpServer
from local_model_server.rest_messages import HttpLimits, Request, Response
from local_model_server.rest_routes import Action, Route, find_route
from local_model_server.version_requests import VersionRequest

if TYPE_CHECKING:
    from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

_log: Final = logging.getLogger(__name__)

_HTTP_STATUS: Final[Mapping[Code, int]] = {
    Code.OK: 200,
    Code.CANCELLED: 499,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.UNAVAILABLE: 503,
    Code.UNAUTHENTICATED: 401,
}
_SERVER_ERROR: Final = 500
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_CORS: Final = (
    b"Access-Control-Allow-Origin: *\r\n"
    b"Access-Control-Allow-Methods: GET, POST, OPTIONS\r\n"
    b"Access-Control-Allow-Headers: Content-Type, Content-Encoding\r\n"
)


class PagedMetrics(Metrics, Protocol):
    """Metrics that can be read."""

    def page(self) -> bytes:
        """Write all of them in Prometheus's text form."""


async def open_rest(
    settings: ServerSettings,
    manager: Manager,
    dispatcher: Dispatcher,
    metrics: PagedMetrics,
    limits: HttpLimits | None = None,
) -> Frontend:
    """Serve REST on the settings' address and port; OSError when the port is taken."""
    api = _RestApi(settings, manager, dispatcher, metrics)
    if limits is None:
        limits = HttpLimits(request_seconds=settings.rest_timeout_ms / 1000)
    server = HttpServer(api.answer, _error_page, limits)
    await server.listen(settings.bind_address, settings.rest_port)
    return server


def _error_page(status: int, message: str) -> Response:
    return Response(status=status, body=encode_error(message))


class _RestApi:
    def __init__(
        self,
        settings: ServerSettings,
        manager: Manager,
        dispatcher: Dispatcher,
        metrics: PagedMetrics,
    ) -> None:
        self._manager = manager
        self._dispatcher = dispatcher
        self._metrics = metrics
        self._metrics_path = settings.monitoring.path if settings.monitoring else None
        self._cors = settings.enable_cors_support
        self._headers = _CORS if settings.enable_cors_support else b""

    async def answer(self, request: Request) -> Response:
        """Answer one request; never raises."""
        if request.method not in _METHODS:
            return Response(
                status=405,
                body=encode_error(f"Method {request.method} is not allowed"),
                headers=b"Allow: GET, HEAD, POST\r\n",
            )
        if request.method == "OPTIONS" and self._cors:
            return Response(status=200, body=b"", headers=self._headers)
        if self._metrics_path is not None and request.target == self._metrics_path:
            return Response(
                status=200, body=self._metrics.page(), content_type=b"text/plain; version=0.0.4"
            )
        started = time.perf_counter()
        route = None
        code = Code.OK
        try:
            route = find_route(request.method, request.target)
            body = await self._call(route, request.body)
        except ServingError as error:
            code, body = error.code, encode_error(error.message)
        except Exception as error:  # noqa: BLE001 - whatever a model raises is its client's answer
            _log.exception("%s %s failed", request.method, request.target)
            code, body = Code.INTERNAL, encode_error(f"{type(error).__name__}: {error}")
        if request.method == "POST" and route is not None:
            self._metrics.request(
                model=route.model,
                api=route.action.value,
                entrypoint="REST",
                code=code,
                seconds=time.perf_counter() - started,
            )
        return Response(
            status=_HTTP_STATUS.get(code, _SERVER_ERROR), body=body, headers=self._headers
        )

    async def _call(self, route: Route, body: bytes) -> bytes:
        if route.action is Action.STATUS:
            return self._status(route)
        if route.action is Action.METADATA:
            with self._manager.lease(
                route.model, version=route.version, label=route.label
            ) as servable:
                return _metadata(servable)
        document = parse_document(body)
        with (
            self._manager.lease(route.model, version=route.version, label=route.label) as servable,
            VersionRequest(self._metrics, servable),
        ):
            if route.action is Action.PREDICT:
                return await self._predict(servable, document)
            name = document.signature_name
            examples = decode_examples(document)
            if route.action is Action.CLASSIFY:
                return encode_classification(
                    await self._dispatcher.classify(servable, name, examples)
                )
            return encode_regression(await self._dispatcher.regress(servable, name, examples))

    async def _predict(self, servable: Servable, document: Document) -> bytes:
        name = document.signature_name
        signature = servable.signatures.get(name or DEFAULT_SIGNATURE)
        if signature is None:
            raise invalid(
                f'Serving signature name: "{name or DEFAULT_SIGNATURE}" not found in signature '
                f"def; this version has: {', '.join(sorted(servable.signatures))}"
            )
        inputs, row = decode_predict(document, _dtypes(signature))
        return encode_predict(await self._dispatcher.run(servable, name, inputs), row=row)

    def _status(self, route: Route) -> bytes:
        statuses = self._manager.statuses(route.model, version=route.version, label=route.label)
        return _pretty(
            {
                "model_version_status": [
                    {
                        "version": str(status.version),
                        "state": status.state.name,
                        "status": {
                            "error_code": status.code.name,
                            "error_message": status.message,
                        },
                    }
                    for status in statuses
                ]
            }
        )


def _dtypes(signature: "SignatureDef") -> Mapping[str, int]:
    return {name: info.dtype for name, info in signature.inputs.items()}


def _metadata(servable: Servable) -> bytes:
    from tensorflow_serving.apis.get_model_metadata_pb2 import (  # noqa: PLC0415 - with TensorFlow
        SignatureDefMap,
    )

    signatures = SignatureDefMap()
    for name, signature in servable.signatures.items():
        signatures.signature_def[name].CopyFrom(signature)
    return _pretty(
        {
            "model_spec": {
                "name": servable.name,
                "signature_name": "",
                "version": str(servable.version),
            },
            "metadata": {
                "signature_def": MessageToDict(
                    signatures,
                    preserving_proto_field_name=True,
                    always_print_fields_with_no_presence=True,
                )
            },
        }
    )


def _pretty(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, indent=1) + "\n").encode()
