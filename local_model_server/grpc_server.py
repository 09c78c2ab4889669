"""The open gRPC port: handlers, statuses for errors, message sizes, health, draining."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from local_model_server.domain import Code, Metrics, ServerSettings, ServingError
from local_model_server.grpc_services import Method, ModelService, PredictionService, model_name

log = logging.getLogger(__name__)

# As TF Serving: a longer message would burst the client's limit for headers.
_MAX_ERROR_LENGTH: Final = 1_024
_HEALTH_SECONDS: Final = 0.2
_STATUS: Final[Mapping[int, grpc.StatusCode]] = {code.value[0]: code for code in grpc.StatusCode}


class GrpcFrontend:
    """Satisfies domain.Frontend."""

    def __init__(self, server: Any, port: int, health_service: Any) -> None:
        self._server = server
        self.port = port
        self._health = health_service
        self._watching: asyncio.Task[None] | None = None

    async def tell_health(self, is_ready: Callable[[], bool]) -> None:
        """Say to health checks whether every model can answer, now and from now on."""
        self._watching = asyncio.create_task(self._watch(is_ready))
        await self._tell(is_serving=is_ready())

    async def close(self, grace_seconds: float) -> None:
        """Accept nothing more, let running requests end, then close what is left."""
        if self._watching is not None:
            self._watching.cancel()
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace_seconds)

    async def _watch(self, is_ready: Callable[[], bool]) -> None:
        while True:
            await asyncio.sleep(_HEALTH_SECONDS)
            await self._tell(is_serving=is_ready())

    async def _tell(self, *, is_serving: bool) -> None:
        state = health_pb2.HealthCheckResponse
        await self._health.set("", state.SERVING if is_serving else state.NOT_SERVING)


async def open_grpc(
    settings: ServerSettings,
    prediction: PredictionService,
    models: ModelService,
    metrics: Metrics,
    is_ready: Callable[[], bool],
) -> GrpcFrontend:
    """Bind and serve; OSError where the address is taken."""
    options = {
        "grpc.max_receive_message_length": -1,
        "grpc.max_send_message_length": -1,
        # Without this a second server would silently share the port.
        "grpc.so_reuseport": 0,
        **settings.grpc_channel_arguments,
    }
    server = grpc.aio.server(options=list(options.items()))
    server.add_generic_rpc_handlers(
        (
            _handler("tensorflow.serving.PredictionService", prediction.methods(), metrics),
            _handler("tensorflow.serving.ModelService", models.methods(), None),
        )
    )
    health_service = health.aio.HealthServicer()
    if settings.enable_grpc_healthcheck_service:
        health_pb2_grpc.add_HealthServicer_to_server(health_service, server)
    host = settings.bind_address
    host = f"[{host}]" if ":" in host else host
    try:
        port = 0
        if settings.grpc_port:
            port = server.add_insecure_port(f"{host}:{settings.grpc_port}")
        if settings.grpc_socket_path:
            server.add_insecure_port(f"unix:{settings.grpc_socket_path}")
    except RuntimeError as error:
        raise OSError(str(error)) from error
    await server.start()
    frontend = GrpcFrontend(server, port, health_service)
    if settings.enable_grpc_healthcheck_service:
        await frontend.tell_health(is_ready)
    return frontend


def _handler(
    service: str, methods: Mapping[str, Method], metrics: Metrics | None
) -> grpc.GenericRpcHandler:
    return grpc.method_handlers_generic_handler(
        service,
        {
            name: grpc.unary_unary_rpc_method_handler(
                _answering(name, method, metrics),
                request_deserializer=method.request.FromString,
                response_serializer=method.response.SerializeToString,
            )
            for name, method in methods.items()
        },
    )


def _answering(api: str, method: Method, metrics: Metrics | None) -> Any:
    """Tell the client and the metrics how a method went."""

    async def answer(request: Any, context: Any) -> Any:
        started = time.perf_counter()
        code, message = Code.OK, ""
        try:
            return await method.call(request)
        except ServingError as error:
            code, message = error.code, error.message
        except asyncio.CancelledError:
            code = Code.CANCELLED
            raise
        except Exception as error:
            log.exception("%s failed in an unforeseen way", api)
            code, message = Code.INTERNAL, f"{type(error).__name__}: {error}"
        finally:
            if metrics is not None:
                metrics.request(
                    model=model_name(request),
                    api=api,
                    entrypoint="GRPC",
                    code=code,
                    seconds=time.perf_counter() - started,
                )
        await context.abort(_STATUS[code], message[:_MAX_ERROR_LENGTH])
        return None

    return answer
