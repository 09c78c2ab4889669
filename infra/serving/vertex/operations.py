"""Long operations: followed to their end, also those that a killed run has begun.

One thing at a time is changed at a model or an endpoint: the service refuses more, and what a run
has found must not be made a second time by its neighbour.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from threading import Lock
from typing import Final, TypeVar

from infra.serving.vertex.api import VertexApi
from infra.serving.vertex.faults import ChangedError, Doing, VertexError, failed
from infra.serving.vertex.progress import Tell

_T = TypeVar("_T")

_FIRST_PAUSE_SECONDS: Final = 0.25
_LONGEST_PAUSE_SECONDS: Final = 10.0
_GROWTH: Final = 1.5
# With growing pauses about a minute: what the service forgets late is gone by then.
_ATTEMPTS: Final = 12


@cache
def lock_of(_name: str) -> Lock:
    """Give the one lock of a model or an endpoint in this process."""
    return Lock()


def follow(api: VertexApi, operation: str, doing: Doing, tell: Tell) -> None:
    """Wait for an operation's end; raise what it failed with."""
    began, pause = time.monotonic(), _FIRST_PAUSE_SECONDS
    while True:
        record = api.operation(operation, doing)
        if record.error_code:
            raise failed(record.error_code, record.error, doing)
        if record.done:
            return
        seconds = time.monotonic() - began
        tell(f"{doing.what}: {record.stage or 'under way'}, {_duration(seconds)}")
        time.sleep(pause)
        pause = min(pause * _GROWTH, _LONGEST_PAUSE_SECONDS)


def settle(api: VertexApi, parent: str, doing: Doing, tell: Tell) -> None:
    """Wait for what is under way at a model or an endpoint, whoever began it.

    How it ends is told by what is there afterwards.
    """
    for record in api.running(parent, doing):
        tell(f"{doing.what}: following {record.name}, which an earlier run began")
        # It was another run's to fail.
        with suppress(VertexError):
            follow(api, record.name, doing, tell)


def converge(step: Callable[[], _T], tell: Tell) -> _T:
    """Look and act until nothing has changed in between."""
    pause = _FIRST_PAUSE_SECONDS
    for _ in range(_ATTEMPTS - 1):
        try:
            return step()
        except ChangedError as error:
            tell(f"{error} Looking again.")
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
    return step()


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"  # noqa: PLR2004
