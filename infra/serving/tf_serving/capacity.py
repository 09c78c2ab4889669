"""What a model needs of a pod, from its size: memory, threads, and time to start. Pure.

The factors are rules of thumb, generous on purpose: a limit that is too low kills a server that
serves. Whoever measured writes the number instead.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_MIB: Final = 1024**2
_UNITS: Final[Mapping[str, int]] = {
    "Ki": 1024,
    "Mi": 1024**2,
    "Gi": 1024**3,
    "Ti": 1024**4,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
}
# The server and TensorFlow's runtime before any model is loaded.
_SERVER_MIB: Final = 384
# Loaded variables take their size; the graph, its optimised copies and requests under way the rest.
_COMFORT: Final = 2.0
_ROUND_TO_MIB: Final = 128
# A cold object store, one connection; disks are quicker.
_LOAD_MIB_PER_SECOND: Final = 20
_START_SECONDS: Final = 90
# CUDA's libraries are compiled for the device at their first use.
_GPU_START_SECONDS: Final = 240
# Until the scheduler found a node and the image is there.
_SCHEDULE_SECONDS: Final = 300
# Nodes with GPUs take up to a quarter of an hour to become allocatable.
_GPU_SCHEDULE_SECONDS: Final = 1200
# Without a manifest nobody knows the size.
_UNKNOWN_SIZE_MIB: Final = 1024


@dataclass(frozen=True, kw_only=True)
class Memory:
    """A limit as Kubernetes writes it, and what it must hold."""

    limit: str
    limit_bytes: int
    least_bytes: int

    @property
    def is_enough(self) -> bool:
        """Tell whether the server with its versions fits at all."""
        return self.limit_bytes >= self.least_bytes


def bytes_of(quantity: str) -> int:
    """Read a Kubernetes memory quantity: a whole number with a unit."""
    unit = quantity.lstrip("0123456789")
    return int(quantity.removesuffix(unit)) * _UNITS[unit]


def cores_of(quantity: str) -> float:
    """Read a Kubernetes CPU quantity: cores, or thousandths with m."""
    return int(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)


def memory(sizes_bytes: tuple[int, ...] | None, configured: str | None) -> Memory:
    """Give the limit for a server that holds versions of these sizes at once; None: unknown."""
    mib = _UNKNOWN_SIZE_MIB if sizes_bytes is None else sum(sizes_bytes) / _MIB
    least_mib = _SERVER_MIB + (0 if sizes_bytes is None else mib)
    comfort_mib = _SERVER_MIB + max(_COMFORT * mib, 128)
    default = f"{math.ceil(comfort_mib / _ROUND_TO_MIB) * _ROUND_TO_MIB}Mi"
    limit = configured or default
    return Memory(limit=limit, limit_bytes=bytes_of(limit), least_bytes=math.ceil(least_mib * _MIB))


def whole_mib(size_bytes: int) -> str:
    """Write a size as the Mi that hold it."""
    return f"{max(1, math.ceil(size_bytes / _MIB))}Mi"


def threads(cpu: str) -> int:
    """Give one thread for each core that a pod may use.

    TensorFlow counts the node's cores instead, and its threads then wait for the pod's quota.
    """
    return max(1, math.ceil(cores_of(cpu)))


def start_seconds(size_bytes: int | None, *, on_gpu: bool) -> int:
    """Give the time that a server may take from its start to its first answer."""
    mib = _UNKNOWN_SIZE_MIB if size_bytes is None else size_bytes / _MIB
    loading = math.ceil(mib / _LOAD_MIB_PER_SECOND)
    return _START_SECONDS + loading + (_GPU_START_SECONDS if on_gpu else 0)


def pod_seconds(size_bytes: int | None, *, on_gpu: bool) -> int:
    """Give the time that a new pod may take until it is ready, its node's start included."""
    waiting = _GPU_SCHEDULE_SECONDS if on_gpu else _SCHEDULE_SECONDS
    return waiting + start_seconds(size_bytes, on_gpu=on_gpu)
