"""When a call is made again. Pure, but for the waiting.

A prediction changes nothing on the server, so making the same one twice does no harm: a request
whose answer was lost is sent again unless the caller says that its model is not like that.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeVar, TypeVarTuple

from model_export.prediction.call import CallError, too_late

_T = TypeVar("_T")
_Given = TypeVarTuple("_Given")


class Deadline(NamedTuple):
    """When a call of that endpoint must be over, on the monotonic clock."""

    where: str
    timeout_seconds: float
    until: float


@dataclass(frozen=True, kw_only=True)
class Retries:
    """How often and after which pauses; `idempotent` allows it after a lost answer too."""

    attempts: int = 4
    first_pause_seconds: float = 0.1
    longest_pause_seconds: float = 5.0
    idempotent: bool = True

    def pause_seconds(self, attempt: int, error: CallError) -> float | None:
        """Give the pause after a failed attempt, counted from 1; None ends the call."""
        wanted = error.failure == "not executed" or (error.failure == "unknown" and self.idempotent)
        if not wanted or attempt >= self.attempts:
            return None
        if error.retry_after_seconds is not None:
            return error.retry_after_seconds
        pause = min(self.first_pause_seconds * 2.0 ** (attempt - 1), self.longest_pause_seconds)
        # So that many clients that failed together do not come back together.
        return pause * random.uniform(0.5, 1.0)  # noqa: S311 no secret depends on it

    def call(
        self, deadline: Deadline, attempt: Callable[[*_Given, float], _T], *given: *_Given
    ) -> _T:
        """Try until it works, or for as long as that makes sense; `attempt` gets the time left.

        No pause goes beyond the deadline: what failed last is told at once instead.
        """
        number = 1
        while True:
            left = deadline.until - time.monotonic()
            if left <= 0:
                raise too_late(deadline.where, deadline.timeout_seconds)
            try:
                return attempt(*given, left)
            except CallError as error:
                pause = self.pause_seconds(number, error)
                if pause is None or time.monotonic() + pause >= deadline.until:
                    raise
            time.sleep(pause)
            number += 1
