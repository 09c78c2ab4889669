"""A version's `model.tflite`, run by TensorFlow Lite's interpreter.

An interpreter runs one request at a time, so there are as many as the flags say. A model without
signatures is refused: it has no names that a client could use.
"""

import queue
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef, TensorInfo

from local_model_server.domain import Code, ServingError
from local_model_server.servable import LoadedServable, LoadOptions, Plan, run_errors
from local_model_server.signatures import PREDICT_METHOD, Binding, Tensors


class TfliteServable(LoadedServable):
    """A pool of interpreters over one file."""

    def __init__(self, name: str, version: int, path: Path, options: LoadOptions) -> None:
        super().__init__(name, version, check_method=options.check_method)
        self._interpreters: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threads = options.intra_op_threads or None
        with run_errors():
            for _ in range(options.num_tflite_interpreters):
                interpreter = tf.lite.Interpreter(model_path=str(path), num_threads=threads)
                self._interpreters.put(interpreter)
        self.signatures = _signatures(interpreter)
        if not self.signatures:
            raise ServingError(
                Code.FAILED_PRECONDITION, f"{path} has no signature; convert it again"
            )

    def close(self) -> None:
        """Drop the interpreters."""
        super().close()
        while not self._interpreters.empty():
            self._interpreters.get()

    def _new_plan(self, binding: Binding) -> Plan:
        return _TflitePlan(binding, self._interpreters)


class _TflitePlan(Plan):
    """One signature on whichever interpreter is free."""

    def __init__(self, binding: Binding, interpreters: "queue.SimpleQueue[Any]") -> None:
        super().__init__(binding)
        self._interpreters = interpreters

    def run(self, arrays: Sequence[NDArray[Any]], *, in_caller: bool) -> Tensors:
        """Run and wait; TFLite always runs on the calling thread and its own."""
        del in_caller
        feeds = {spec.alias: array for spec, array in zip(self.binding.inputs, arrays, strict=True)}
        interpreter = self._interpreters.get()
        try:
            with run_errors():
                results = interpreter.get_signature_runner(self.binding.signature_name)(**feeds)
        finally:
            self._interpreters.put(interpreter)
        return {alias: results[alias] for alias in self.binding.outputs}

    def close(self) -> None:
        """Keep nothing: the interpreters belong to the version."""


def _signatures(interpreter: Any) -> dict[str, SignatureDef]:
    signatures = {}
    for key in interpreter.get_signature_list():
        runner = interpreter.get_signature_runner(key)
        signatures[key] = SignatureDef(
            method_name=PREDICT_METHOD,
            inputs=_infos(runner.get_input_details()),
            outputs=_infos(runner.get_output_details()),
        )
    return signatures


def _infos(details: Mapping[str, Mapping[str, Any]]) -> dict[str, TensorInfo]:
    infos = {}
    for alias, detail in details.items():
        info = TensorInfo(name=detail["name"])
        dtype = object if detail["dtype"] in (np.bytes_, np.str_) else detail["dtype"]
        info.dtype = tf.as_dtype(dtype).as_datatype_enum
        for size in detail["shape_signature"]:
            info.tensor_shape.dim.add(size=int(size))
        infos[alias] = info
    return infos
