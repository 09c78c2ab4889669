"""Loads one model, answers rows with it and takes the time.

Runs in a process of its own and loads TensorFlow. Runs a SavedModel as a server does, by a session,
and a TFLite model by TensorFlow's interpreter with its default threads.
"""

import itertools
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from model_export.layout import SAVED_MODEL_NAME, TFLITE_NAME
from model_export.manifest import Signature
from model_export.savedmodel import SERVE_TAG, parse_saved_model
from model_export.tensors import columns, rows, to_array

_Arrays = Mapping[str, NDArray[Any]]
_Run = Callable[[_Arrays], _Arrays]

# As many rows at once as a server with batching may send.
_BATCH_ROWS: Final = 32
_WARMUP_RUNS: Final = 20
# A slow model is timed for this long; some runs there must be.
_TIMED_SECONDS: Final = 20.0
_MIN_RUNS: Final = 10


def measure(
    *, directory: str, signature_name: str, lite: bool, instances: list[JsonValue], max_runs: int
) -> dict[str, JsonValue]:
    """Answer all instances in batches, then time single ones."""
    import tensorflow as tf  # noqa: PLC0415 seconds, which only this process pays

    location = Path(directory, SAVED_MODEL_NAME)
    signature = parse_saved_model(location.read_bytes(), str(location)).signatures[signature_name]
    single = [_arrays([instance], signature) for instance in instances]
    load = _load_lite if lite else _load_saved_model
    started = time.perf_counter()
    run = load(tf, Path(directory), signature_name)
    run(single[0])
    load_seconds = time.perf_counter() - started
    predictions: list[JsonValue] = []
    for start in range(0, len(instances), _BATCH_ROWS):
        batch = instances[start : start + _BATCH_ROWS]
        predictions += rows(run(_arrays(batch, signature)), len(batch))
    seconds = _timed(run, single, max_runs)
    p50, p99 = np.percentile(seconds, [50, 99])
    return {
        "load_seconds": load_seconds,
        "latency_p50_seconds": float(p50),
        "latency_p99_seconds": float(p99),
        "runs": len(seconds),
        "predictions": predictions,
    }


def _arrays(instances: list[JsonValue], signature: Signature) -> _Arrays:
    return {
        name: to_array(name, values, signature.inputs[name])
        for name, values in columns(instances, signature.inputs).items()
    }


def _timed(run: _Run, single: list[_Arrays], max_runs: int) -> list[float]:
    cycle = itertools.cycle(single)
    for _ in range(min(_WARMUP_RUNS, max_runs)):
        run(next(cycle))
    seconds: list[float] = []
    ends = time.perf_counter() + _TIMED_SECONDS
    while len(seconds) < max_runs and (len(seconds) < _MIN_RUNS or time.perf_counter() < ends):
        arrays = next(cycle)
        started = time.perf_counter()
        run(arrays)
        seconds.append(time.perf_counter() - started)
    return seconds


def _load_saved_model(tf: Any, directory: Path, signature_name: str) -> _Run:
    v1 = tf.compat.v1
    session = v1.Session(graph=tf.Graph())
    meta = v1.saved_model.load(session, [SERVE_TAG], str(directory))
    signature = meta.signature_def[signature_name]
    inputs, outputs = list(signature.inputs), list(signature.outputs)
    call = session.make_callable(
        [signature.outputs[name].name for name in outputs],
        feed_list=[signature.inputs[name].name for name in inputs],
    )

    def run(arrays: _Arrays) -> _Arrays:
        return dict(zip(outputs, call(*(arrays[name] for name in inputs)), strict=True))

    return run


def _load_lite(tf: Any, directory: Path, signature_name: str) -> _Run:
    interpreter = tf.lite.Interpreter(model_path=str(directory / TFLITE_NAME))
    runner = interpreter.get_signature_runner(signature_name)

    def run(arrays: _Arrays) -> _Arrays:
        answer: _Arrays = runner(**arrays)
        return answer

    return run
