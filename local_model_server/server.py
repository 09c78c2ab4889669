"""The running server: wires the parts, follows the configuration, drains at a signal."""

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from local_model_server.configuration import read_model_configs, read_version_traffic
from local_model_server.dispatch import ModelDispatcher
from local_model_server.domain import (
    Code,
    Frontend,
    Metrics,
    ModelConfig,
    ServerSettings,
    ServingError,
    UsageError,
)
from local_model_server.grpc_server import open_grpc
from local_model_server.grpc_services import ModelService, PredictionService
from local_model_server.lifecycle import Loader
from local_model_server.manager import ModelManager, Traffic
from local_model_server.memory import forget_start_up, give_back
from local_model_server.metrics import PrometheusMetrics
from local_model_server.rest import open_rest
from local_model_server.servable import LoadedServable, LoadOptions, load_servable
from local_model_server.warmup import warm_up

log = logging.getLogger(__name__)

# Two, so that one model that loads slowly does not hold up another; more would multiply the peak.
_LOADER_THREADS: Final = 2
_MICROS: Final = 1_000_000
# How soon a thread may take Python's lock from another: short, so that a model that runs on a
# thread does not wait five milliseconds behind the event loop to hand over its answer.
_SWITCH_SECONDS: Final = 0.0005


async def serve(settings: ServerSettings) -> int:
    """Serve until a signal; give the exit code."""
    sys.setswitchinterval(_SWITCH_SECONDS)
    stop = _stop_signal()
    metrics = PrometheusMetrics()
    manager = _manager(settings, metrics)
    dispatcher = ModelDispatcher(
        threads=settings.grpc_max_threads, batching=settings.batching, metrics=metrics
    )
    try:
        frontends = await _open(settings, manager, dispatcher, metrics)
    except OSError as error:
        log.error("Failed to start server. Error: %s", error)  # noqa: TRY400 - the line says it all
        return 1
    forget_start_up()
    work = asyncio.create_task(_work(manager, settings, stop))
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait([work, stopped], return_when=asyncio.FIRST_COMPLETED)
    code = 0
    if not stop.is_set():
        try:
            work.result()
        except ServingError as error:
            log.error("Failed to start server. Error: %s: %s", error.code.name, error.message)  # noqa: TRY400 - likewise
            code = 1
    work.cancel()
    log.info("Draining for at most %g s", settings.drain_seconds)
    await asyncio.gather(*(frontend.close(settings.drain_seconds) for frontend in frontends))
    log.info("Stopped")
    return code


def _stop_signal() -> asyncio.Event:
    """Begin to drain at the first signal; leave at once at the second."""
    stop = asyncio.Event()

    def ask() -> None:
        if stop.is_set():
            os._exit(1)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ask)
    return stop


def _manager(settings: ServerSettings, metrics: Metrics) -> ModelManager:
    options = LoadOptions.of(settings)

    def load(name: str, version: int, path: str) -> LoadedServable:
        started = time.perf_counter()
        code = Code.OK
        try:
            servable = load_servable(name, version, path, options)
            if settings.enable_model_warmup:
                try:
                    warm_up(
                        servable, path, iterations=settings.num_warmup_iterations, metrics=metrics
                    )
                except ServingError:
                    free(servable)
                    raise
        except ServingError as error:
            code = error.code
            raise
        finally:
            metrics.load(model_path=path, code=code, seconds=time.perf_counter() - started)
        return servable

    def free(servable: LoadedServable) -> None:
        servable.close()
        give_back()

    def read_traffic() -> Traffic:
        if settings.version_traffic_file is None:
            return {}
        try:
            return read_version_traffic(settings.version_traffic_file)
        except UsageError as error:
            raise ServingError(Code.INVALID_ARGUMENT, str(error)) from error

    return ModelManager(
        Loader(
            load=load,
            free=free,
            executor=ThreadPoolExecutor(_LOADER_THREADS, thread_name_prefix="load"),
            max_retries=settings.max_num_load_retries,
            retry_interval_seconds=settings.load_retry_interval_micros / _MICROS,
        ),
        file_system_poll_seconds=settings.file_system_poll_seconds,
        allow_labels_for_unavailable=settings.allow_version_labels_for_unavailable_models,
        read_traffic=read_traffic,
    )


async def _open(
    settings: ServerSettings,
    manager: ModelManager,
    dispatcher: ModelDispatcher,
    metrics: PrometheusMetrics,
) -> list[Frontend]:
    """Open the ports before anything is loaded: a status can be asked for from then on."""
    frontends: list[Frontend] = []
    if settings.grpc_port or settings.grpc_socket_path:
        grpc = await open_grpc(
            settings,
            PredictionService(manager=manager, dispatcher=dispatcher, metrics=metrics),
            ModelService(manager=manager),
            metrics,
            manager.is_ready,
        )
        frontends.append(grpc)
        places = [f"{settings.bind_address}:{grpc.port}"] if grpc.port else []
        places += [f"unix:{settings.grpc_socket_path}"] if settings.grpc_socket_path else []
        log.info("Running gRPC ModelServer at %s ...", " and ".join(places))
    if settings.rest_port:
        rest = await open_rest(settings, manager, dispatcher, metrics)
        frontends.append(rest)
        log.info("Exporting HTTP/REST API at:%s:%d ...", settings.bind_address, rest.port)
    return frontends


async def _work(manager: ModelManager, settings: ServerSettings, stop: asyncio.Event) -> None:
    await asyncio.gather(_follow(manager, settings), manager.poll())
    # Both end where nothing is polled.
    await stop.wait()


async def _follow(manager: ModelManager, settings: ServerSettings) -> None:
    """Serve the first configuration, then whatever its file says later.

    ServingError when the first one is refused. A model that cannot be loaded is no such refusal:
    its status says why, and the others are served.
    """
    try:
        await manager.reload(settings.models)
    except ServingError as error:
        if error.code is not Code.UNKNOWN:
            raise
        log.warning("%s", error.message)
    complaint = ""
    while settings.model_config_file_poll_seconds > 0:
        await asyncio.sleep(settings.model_config_file_poll_seconds)
        try:
            await manager.reload(await asyncio.to_thread(_current_models, settings))
        except (UsageError, ServingError) as error:
            if str(error) != complaint:
                log.error("The configuration was not taken over: %s", error)  # noqa: TRY400 - likewise
            complaint = str(error)
        else:
            complaint = ""


def _current_models(settings: ServerSettings) -> Sequence[ModelConfig]:
    if settings.model_config_file is None:
        return settings.models
    return read_model_configs(settings.model_config_file)
