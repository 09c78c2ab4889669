"""How a request gets to TensorFlow: on the event loop, on a thread, or in a batch.

A model that runs in microseconds runs on the loop itself, since handing it to a thread would cost
many times its run; any other goes to a thread, so that it never stops the loop.
"""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, cast

from local_model_server.batching import Batcher, Work, is_batchable
from local_model_server.domain import BatchingParameters, Metrics, Servable
from local_model_server.examples import (
    ClassifySignature,
    RegressSignature,
    serialized_examples,
)
from local_model_server.pace import Stopwatch, size_class
from local_model_server.servable import LoadedServable, Plan
from local_model_server.signatures import Tensors

if TYPE_CHECKING:
    from tensorflow_serving.apis.classification_pb2 import ClassificationResult
    from tensorflow_serving.apis.input_pb2 import Input
    from tensorflow_serving.apis.regression_pb2 import RegressionResult


class ModelDispatcher:
    """Satisfies domain.Dispatcher; belongs to the event loop's thread."""

    def __init__(
        self, *, threads: int, batching: BatchingParameters | None, metrics: Metrics
    ) -> None:
        # A batch needs a thread of its own, or waiting requests would keep batches from running.
        slots = batching.num_batch_threads if batching else 0
        self._threads = ThreadPoolExecutor(threads + slots, thread_name_prefix="model")
        self._metrics = metrics
        self._batcher = Batcher(batching, self._execute, metrics) if batching else None

    async def run(
        self,
        servable: Servable,
        signature_name: str,
        inputs: Tensors,
        output_filter: Sequence[str] = (),
    ) -> Tensors:
        """Predict."""
        return await self._run(servable, signature_name, inputs, output_filter, "Predict")

    async def classify(
        self, servable: Servable, signature_name: str, examples: "Input"
    ) -> "ClassificationResult":
        """Run a classification signature on tf.Examples."""
        signature = ClassifySignature.of(servable.signatures, signature_name)
        texts = serialized_examples(examples)
        self._metrics.examples(model=servable.name, count=len(texts))
        outputs = await self._run(
            servable, signature.name, {"inputs": texts}, signature.outputs, "Classify"
        )
        return signature.result(outputs, len(texts))

    async def regress(
        self, servable: Servable, signature_name: str, examples: "Input"
    ) -> "RegressionResult":
        """Run a regression signature on tf.Examples."""
        signature = RegressSignature.of(servable.signatures, signature_name)
        texts = serialized_examples(examples)
        self._metrics.examples(model=servable.name, count=len(texts))
        outputs = await self._run(
            servable, signature.name, {"inputs": texts}, signature.outputs, "Regress"
        )
        return signature.result(outputs, len(texts))

    async def _run(
        self,
        servable: Servable,
        signature_name: str,
        inputs: Tensors,
        output_filter: Sequence[str],
        api: str,
    ) -> Tensors:
        # Protocols see less of a servable, but every one of them comes from the manager's lease.
        loaded = cast("LoadedServable", servable)
        plan = loaded.plan(signature_name, output_filter)
        arrays = plan.binding.bind(inputs)
        if self._batcher is not None and is_batchable(plan.binding):
            return await self._batcher.run(loaded, plan, arrays, api)

        def work(*, in_caller: bool) -> list[Tensors]:
            return [plan.run(arrays, in_caller=in_caller)]

        return (await self._execute(loaded, plan, size_class(arrays), work, api))[0]

    async def _execute(
        self, servable: LoadedServable, plan: Plan, size: int, work: Work, api: str
    ) -> list[Tensors]:
        if plan.pace.is_quick(size):
            started = time.perf_counter()
            try:
                return work(in_caller=True)
            finally:
                seconds = time.perf_counter() - started
                plan.pace.saw_on_loop(size, wall_seconds=seconds)
                self._metrics.graph_run(model=servable.name, api=api, seconds=seconds)
        in_caller = not plan.pace.is_slow(size)

        def timed() -> list[Tensors]:
            watch = Stopwatch()
            try:
                return work(in_caller=in_caller)
            finally:
                cpu_seconds, seconds = watch.stop()
                plan.pace.saw_on_thread(size, cpu_seconds=cpu_seconds, wall_seconds=seconds)
                self._metrics.graph_run(model=servable.name, api=api, seconds=seconds)

        # Held for the run itself, which goes on when its request is cancelled.
        servable.acquire()
        future = asyncio.get_running_loop().run_in_executor(self._threads, timed)
        future.add_done_callback(lambda _: servable.release())
        return await asyncio.shield(future)

    def close(self) -> None:
        """Let the threads end once they have nothing to do."""
        self._threads.shutdown(wait=False)
