"""What a gate asks of whatever knows metrics, and how each kind of server names them."""

from dataclasses import dataclass
from typing import Protocol

from infra.releases.canary.gate import Comparison


class MetricsUnreachableError(Exception):
    """The metrics cannot be had now; the message says why. It says nothing about a canary."""


class MetricSource(Protocol):
    """Knows how two versions of a model have done lately."""

    def compare(self, *, canary: int, stable: int, window_seconds: float) -> Comparison:
        """Measure both over the last so many seconds, as far as that is known."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """The names of what is counted, and the labels that single out one version's.

    `latency` is a histogram in units of which one millisecond has `per_ms`.
    """

    requests: str
    failed: str
    latency: str
    per_ms: float
