"""Whether a plan is quick enough to run on the event loop's own thread. Pure but for the clock.

Handing a request to another thread costs more than a small model's whole run; running a slow one
on the loop would stop every other request. So a plan earns the loop, for requests of about one
size, by a row of quick runs on a thread; a run that then turns out long sends it back.
"""

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from numpy.typing import NDArray

_QUICK_SECONDS: Final = 0.001
# On a thread its own CPU time tells, which a busy machine does not distort; what other threads do
# for a run shows on the wall clock only.
_QUICK_WALL_SECONDS: Final = 0.010
_ROW: Final = 8
_PENALTY: Final = -200


class Pace:
    """What was seen of one plan; used from several threads, where a lost count does no harm."""

    def __init__(self) -> None:
        self._rows: defaultdict[int, int] = defaultdict(int)

    def is_quick(self, size: int) -> bool:
        """Tell whether a run of this size may stop the loop."""
        return self._rows[size] >= _ROW

    def is_slow(self, size: int) -> bool:
        """Tell whether a run of this size is worth TensorFlow's pool for operations."""
        return self._rows[size] < 0

    def saw_on_loop(self, size: int, *, wall_seconds: float) -> None:
        """Count a run on the loop; a long one must earn it anew, be it by the machine's fault."""
        if wall_seconds > _QUICK_SECONDS:
            self._rows[size] = 0

    def saw_on_thread(self, size: int, *, cpu_seconds: float, wall_seconds: float) -> None:
        """Count a run on a thread."""
        if cpu_seconds > _QUICK_SECONDS:
            self._rows[size] = _PENALTY
        elif wall_seconds > _QUICK_WALL_SECONDS:
            self._rows[size] = min(self._rows[size], 0)
        else:
            self._rows[size] = min(self._rows[size] + 1, _ROW)


class Stopwatch:
    """Times a run on the thread that it was made on."""

    def __init__(self) -> None:
        self._wall = time.perf_counter()
        self._cpu = time.thread_time()

    def stop(self) -> tuple[float, float]:
        """Give the CPU seconds of this thread and the seconds of the wall clock."""
        return time.thread_time() - self._cpu, time.perf_counter() - self._wall


def size_class(arrays: Sequence[NDArray[Any]]) -> int:
    """Put requests of about the same number of bytes together."""
    return sum(array.nbytes for array in arrays).bit_length()
