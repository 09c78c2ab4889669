"""Seconds of what a block runs: on the clock, and on the processor by all that it starts."""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def clocked() -> Iterator[dict[str, float]]:
    """Give the seconds, which are there once the block is over."""
    seconds: dict[str, float] = {}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    yield seconds
    seconds["clock"] = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds["processor"] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
