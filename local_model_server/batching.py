"""Dynamic batching: requests that wait together go to the model as one.

As in TF Serving, a batch is run when it is full or its first request has waited long enough, by one
of a fixed number of slots, and more than so many waiting batches are refused. Unlike there,
requests of different shapes wait in different batches, and a batch that the model refuses is
taken apart, so that one bad request spoils no other.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from local_model_server.domain import BatchingParameters, Code, Metrics, ServingError
from local_model_server.pace import size_class
from local_model_server.servable import LoadedServable, Plan
from local_model_server.signatures import Binding, Tensors

_MICROS: Final = 1_000_000

Arrays = Sequence[NDArray[Any]]


class Work(Protocol):
    """A run of the model with what belongs to it, for whichever thread it gets."""

    def __call__(self, *, in_caller: bool) -> list[Tensors]:
        """Run and wait."""


Execute = Callable[[LoadedServable, Plan, int, Work, str], Awaitable[list[Tensors]]]


@dataclass(kw_only=True, eq=False)
class _Task:
    arrays: Arrays
    rows: int
    answer: asyncio.Future[Tensors]
    since: float


@dataclass(kw_only=True, eq=False)
class _Batch:
    key: tuple[object, ...]
    servable: LoadedServable
    plan: Plan
    api: str
    deadline: float
    tasks: list[_Task] = field(default_factory=list)
    rows: int = 0
    full: bool = False


class Batcher:
    """The waiting batches of all models; belongs to the event loop's thread."""

    def __init__(self, parameters: BatchingParameters, execute: Execute, metrics: Metrics) -> None:
        self._parameters = parameters
        self._execute = execute
        self._metrics = metrics
        self._waiting: list[_Batch] = []
        self._open: dict[tuple[object, ...], _Batch] = {}
        self._waiting_by_plan: Counter[Plan] = Counter()
        self._idle_slots = parameters.num_batch_threads
        self._running: set[asyncio.Task[None]] = set()
        self._alarm: asyncio.Handle | None = None

    async def run(self, servable: LoadedServable, plan: Plan, arrays: Arrays, api: str) -> Tensors:
        """Wait for the request's share of a batch."""
        rows = _rows(arrays)
        if rows > self._parameters.max_batch_size:
            raise ServingError(
                Code.INVALID_ARGUMENT,
                f"Task size {rows} is larger than maximum input batch size "
                f"{self._parameters.max_batch_size}",
            )
        loop = asyncio.get_running_loop()
        task = _Task(arrays=arrays, rows=rows, answer=loop.create_future(), since=loop.time())
        self._batch_for(servable, plan, task, api)
        return await task.answer

    def _batch_for(self, servable: LoadedServable, plan: Plan, task: _Task, api: str) -> None:
        key = (plan, api, *(array.shape[1:] for array in task.arrays))
        batch = self._open.get(key)
        if batch is not None and batch.rows + task.rows > self._parameters.max_batch_size:
            batch.full = True
            self._pump()
        if batch is None or batch.full:
            if self._waiting_by_plan[plan] >= self._parameters.max_enqueued_batches:
                raise ServingError(
                    Code.UNAVAILABLE,
                    "The batch scheduling queue to which this task was submitted is full",
                )
            wait_seconds = self._parameters.batch_timeout_micros / _MICROS
            batch = _Batch(
                key=key, servable=servable, plan=plan, api=api, deadline=task.since + wait_seconds
            )
            self._open[key] = batch
            self._waiting.append(batch)
            self._waiting_by_plan[plan] += 1
        batch.tasks.append(task)
        batch.rows += task.rows
        batch.full = batch.rows >= self._parameters.max_batch_size
        if batch.full:
            self._pump()
        elif self._alarm is None:
            self._set_alarm()

    def _set_alarm(self) -> None:
        """Come back for the batch that has waited longest."""
        deadline = min(batch.deadline for batch in self._waiting)
        self._alarm = asyncio.get_running_loop().call_at(deadline, self._pump)

    def _pump(self) -> None:
        """Put every batch that is due into a free slot."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        now = asyncio.get_running_loop().time()
        for batch in [one for one in self._waiting if one.full or one.deadline <= now]:
            if not self._idle_slots:
                return
            self._take(batch)
            self._idle_slots -= 1
            running = asyncio.get_running_loop().create_task(self._process(batch))
            # The loop itself holds tasks only weakly.
            self._running.add(running)
            running.add_done_callback(self._running.discard)
        if self._waiting and self._idle_slots:
            self._set_alarm()

    def _take(self, batch: _Batch) -> None:
        self._waiting.remove(batch)
        self._waiting_by_plan[batch.plan] -= 1
        if not self._waiting_by_plan[batch.plan]:
            # Keep nothing of a plan whose version may be unloaded.
            del self._waiting_by_plan[batch.plan]
        if self._open.get(batch.key) is batch:
            del self._open[batch.key]

    async def _process(self, batch: _Batch) -> None:
        now = asyncio.get_running_loop().time()
        for task in batch.tasks:
            self._metrics.queueing(model=batch.servable.name, seconds=now - task.since)
        try:
            await self._answer(batch, batch.tasks)
        finally:
            self._idle_slots += 1
            self._pump()

    async def _answer(self, batch: _Batch, tasks: Sequence[_Task]) -> None:
        # An answer that is done already belongs to a client who has gone, and with him his lease.
        tasks = [task for task in tasks if not task.answer.done()]
        if not tasks:
            return
        rows = sum(task.rows for task in tasks)
        padded = padded_rows(rows, self._parameters.allowed_batch_sizes)
        self._metrics.batch(model=batch.servable.name, size=padded, padding=padded - rows)

        def work(*, in_caller: bool) -> list[Tensors]:
            merged = merge([task.arrays for task in tasks], padded - rows)
            outputs = batch.plan.run(merged, in_caller=in_caller)
            return split(outputs, [task.rows for task in tasks], padded)

        size = size_class([array for task in tasks for array in task.arrays])
        try:
            answers = await self._execute(batch.servable, batch.plan, size, work, batch.api)
        except ServingError as error:
            if len(tasks) > 1 and error.code is Code.INVALID_ARGUMENT:
                for task in tasks:
                    await self._answer(batch, [task])
            else:
                for task in tasks:
                    _settle(task.answer, error)
        else:
            for task, answer in zip(tasks, answers, strict=True):
                _settle(task.answer, answer)


def is_batchable(binding: Binding) -> bool:
    """Tell whether every input's first dimension is free; other signatures are run as they are."""
    return bool(binding.inputs) and all(
        spec.shape is None or (len(spec.shape) > 0 and spec.shape[0] is None)
        for spec in binding.inputs
    )


def padded_rows(rows: int, allowed: Sequence[int]) -> int:
    """Round up to the next allowed size."""
    return min((size for size in allowed if size >= rows), default=rows)


def merge(requests: Sequence[Arrays], padding: int) -> list[NDArray[Any]]:
    """Put the rows of all requests below each other; padding repeats the first row."""
    columns = []
    for parts in zip(*requests, strict=True):
        filling = [np.repeat(parts[0][:1], padding, axis=0)] if padding else []
        whole = [*parts, *filling]
        columns.append(whole[0] if len(whole) == 1 else np.concatenate(whole))
    return columns


def split(outputs: Tensors, rows: Sequence[int], padded: int) -> list[Tensors]:
    """Give each request its own rows back."""
    for alias, array in outputs.items():
        if array.ndim == 0:
            raise ServingError(
                Code.FAILED_PRECONDITION, f"Batched output tensor {alias} has 0 dimensions"
            )
        if array.shape[0] != padded:
            raise ServingError(
                Code.FAILED_PRECONDITION,
                f"Batched output tensor {alias}'s 0th dimension does not equal the sum of the 0th "
                "dimension sizes of the input tensors",
            )
    ends = list(itertools.accumulate(rows))
    return [
        {alias: array[end - count : end] for alias, array in outputs.items()}
        for count, end in zip(rows, ends, strict=True)
    ]


def _rows(arrays: Arrays) -> int:
    if any(array.ndim == 0 for array in arrays):
        raise ServingError(
            Code.INVALID_ARGUMENT,
            "Batching Run() input tensors must have at least one dimension",
        )
    if any(len(array) != len(arrays[0]) for array in arrays):
        raise ServingError(
            Code.INVALID_ARGUMENT,
            "Batching Run() input tensors must have equal 0th-dimension size",
        )
    return len(arrays[0])


def _settle(answer: asyncio.Future[Tensors], outcome: Tensors | ServingError) -> None:
    if answer.done():
        return
    if isinstance(outcome, ServingError):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)
