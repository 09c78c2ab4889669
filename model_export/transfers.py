"""Many transfers at once in bounded memory: a pool of threads and a budget of bytes."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from model_export.bucket import WORKERS

# Read but not yet sent, or the other way round. The clients copy what they send once or twice.
BUDGET_BYTES: Final = 64 << 20
_T = TypeVar("_T")


class Transfers:
    """Runs transfers; left without an error, all are done. The first error that occurs ends all."""

    def __init__(self, budget_bytes: int = BUDGET_BYTES, workers: int = WORKERS) -> None:
        self._budget_bytes = budget_bytes
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="transfer")
        self._futures: set[Future[Any]] = set()
        self._changed = threading.Condition()
        self._free_bytes = budget_bytes
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self.finish(self._futures)
        finally:
            self._pool.shutdown(cancel_futures=True)

    def submit(self, size_bytes: int, transfer: Callable[[], _T]) -> Future[_T]:
        """Run it as soon as there is room for its bytes; never called by a transfer itself."""
        # What is larger than all room there is has it alone.
        size_bytes = min(size_bytes, self._budget_bytes)
        with self._changed:
            self._changed.wait_for(lambda: self._free_bytes >= size_bytes or self._error)
            if self._error:
                raise self._error
            self._free_bytes -= size_bytes

        def run() -> _T:
            error: BaseException | None = None
            try:
                return transfer()
            except BaseException as found:
                error = found
                raise
            finally:
                with self._changed:
                    self._error = self._error or error
                    self._free_bytes += size_bytes
                    self._changed.notify()

        future = self._pool.submit(run)
        self._futures.add(future)
        return future

    def finish(self, futures: Iterable[Future[_T]]) -> list[_T]:
        """Wait for these and give their results; the first error of any is raised."""
        futures = list(futures)
        wait(futures, return_when=FIRST_EXCEPTION)
        # Kept, they would keep their results.
        self._futures.difference_update(futures)
        if self._error:
            raise self._error
        return [future.result() for future in futures]
