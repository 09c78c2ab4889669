"""Counting what becomes of a request on the version that it came to.

From the moment that the version is known to its answer, decoding included: whether a request fits
is the version's matter. So two versions that take shares of the same traffic can be compared.
"""

import asyncio
import time
from types import TracebackType

from local_model_server.domain import Code, Metrics, Servable, ServingError


class VersionRequest:
    """One request on one version, from enter to exit."""

    __slots__ = ("_metrics", "_servable", "_started")

    def __init__(self, metrics: Metrics, servable: Servable) -> None:
        self._metrics = metrics
        self._servable = servable
        self._started = 0.0

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._metrics.version_request(
            model=self._servable.name,
            version=self._servable.version,
            code=_code(error),
            seconds=time.perf_counter() - self._started,
        )


def _code(error: BaseException | None) -> Code:
    match error:
        case None:
            return Code.OK
        case ServingError():
            return error.code
        case asyncio.CancelledError():
            return Code.CANCELLED
        case _:
            return Code.INTERNAL
