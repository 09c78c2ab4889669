"""Warm-up: runs the requests that came with a version before the version is offered to anyone."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from local_model_server import inference
from local_model_server.dispatch import ModelDispatcher
from local_model_server.domain import Code, Dispatcher, Metrics, ServingError
from local_model_server.servable import LoadedServable, run_errors

REQUESTS_PATH: Final = "assets.extra/tf_serving_warmup_requests"
_MAX_RECORDS: Final = 1_000


def warm_up(servable: LoadedServable, path: str, *, iterations: int, metrics: Metrics) -> None:
    """Run a version directory's recorded requests, if it has any; ServingError fails the load."""
    requests = Path(path, REQUESTS_PATH)
    if not requests.exists():
        return
    started = time.perf_counter()
    code = Code.OK
    try:
        asyncio.run(_run_all(servable, requests, iterations, metrics))
    except ServingError as error:
        code = error.code
        raise ServingError(code, f"warm-up from {requests} failed: {error.message}") from error
    finally:
        metrics.warmup(model_path=path, code=code, seconds=time.perf_counter() - started)


async def _run_all(
    servable: LoadedServable, requests: Path, iterations: int, metrics: Metrics
) -> None:
    dispatcher = ModelDispatcher(threads=1, batching=None, metrics=metrics)
    for count, record in enumerate(_records(requests), start=1):
        if count > _MAX_RECORDS:
            raise ServingError(
                Code.INVALID_ARGUMENT,
                f"Number of warmup records exceeds the maximum ({_MAX_RECORDS})",
            )
        for _ in range(iterations):
            await _run(dispatcher, servable, record)
    dispatcher.close()


def _records(requests: Path) -> Iterator[PredictionLog]:
    with run_errors():
        for record in tf.compat.v1.io.tf_record_iterator(str(requests)):
            try:
                yield PredictionLog.FromString(record)
            except DecodeError as error:
                raise ServingError(
                    Code.INVALID_ARGUMENT, f"Failed to parse warmup record: {error}"
                ) from error


async def _run(dispatcher: Dispatcher, servable: LoadedServable, record: PredictionLog) -> None:
    kind = record.WhichOneof("log_type")
    if kind == "predict_log":
        await inference.predict(dispatcher, servable, record.predict_log.request)
    elif kind == "classify_log":
        await inference.classify(dispatcher, servable, record.classify_log.request)
    elif kind == "regress_log":
        await inference.regress(dispatcher, servable, record.regress_log.request)
    elif kind == "multi_inference_log":
        await inference.multi_inference(dispatcher, servable, record.multi_inference_log.request)
    else:
        raise ServingError(Code.UNIMPLEMENTED, f"Unsupported log_type for warmup: {kind}")
