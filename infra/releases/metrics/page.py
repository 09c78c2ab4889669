"""Metrics from the server's own page: for one server that nobody else scrapes, as on this machine.

A page knows totals only. So it is read again and again, and two readings make a window; what was
before the first one is not known, and a server that was started anew begins a new window.
"""

import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from infra.releases.canary.gate import Comparison, Measured
from infra.releases.metrics.source import MetricsUnreachableError

_ASK_SECONDS: Final = 5.0
_COUNT: Final = ":servestack:serving:version_request_count"
_LATENCY: Final = ":servestack:serving:version_request_latency_bucket"
_MICROS_PER_MS: Final = 1_000.0

_Totals = Mapping[tuple[str, str, str], float]


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """All totals of a model at a moment: by metric, version, and status or bound."""

    at: float
    totals: _Totals


@dataclass
class ServerPage:
    """The page of the one server of a model; `clock` counts seconds that never go back."""

    url: str
    model: str
    percentile: int
    clock: Callable[[], float] = time.monotonic
    _readings: deque[_Reading] = field(default_factory=deque)

    def compare(self, *, canary: int, stable: int, window_seconds: float) -> Comparison:
        """Read the page, and measure since the reading that is nearest to the window's begin."""
        now = _Reading(at=self.clock(), totals=_totals(self._page(), self.model))
        if self._readings and _went_back(self._readings[-1].totals, now.totals):
            self._readings.clear()
        self._readings.append(now)
        # The oldest that is kept is just before the window, so that all of it is covered.
        while len(self._readings) > 1 and now.at - self._readings[1].at >= window_seconds:
            self._readings.popleft()
        first = self._readings[0]
        return Comparison(
            canary=self._measured(canary, first.totals, now.totals),
            stable=self._measured(stable, first.totals, now.totals),
            covered_seconds=now.at - first.at,
        )

    def _measured(self, version: int, before: _Totals, after: _Totals) -> Measured:
        def grown(metric: str) -> dict[str, float]:
            return {
                last: total - before.get((name, at, last), 0.0)
                for (name, at, last), total in after.items()
                if (name, at) == (metric, str(version))
            }

        counts, buckets = grown(_COUNT), grown(_LATENCY)
        requests = sum(counts.values())
        latency = quantile(self.percentile / 100, buckets)
        return Measured(
            requests=requests,
            errors=requests - counts.get("OK", 0.0),
            latency_ms=None if latency is None else latency / _MICROS_PER_MS,
        )

    def _page(self) -> str:
        # A model server is asked directly: a proxy of the user's would not find this machine's.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(self.url, timeout=_ASK_SECONDS) as answer:
                text: str = answer.read().decode()
        except (OSError, ValueError) as error:
            raise MetricsUnreachableError(f"{self.url} cannot be read: {error}") from error
        return text


def quantile(wanted: float, cumulative: Mapping[str, float]) -> float | None:
    """Estimate a quantile from a histogram's buckets, as Prometheus does: linear inside a bucket.

    Above the last bound nothing is known, so that bound is given.
    """
    bounds = sorted((float(bound), count) for bound, count in cumulative.items())
    total = bounds[-1][1] if bounds else 0.0
    if total <= 0:
        return None
    rank = wanted * total
    lower, below = 0.0, 0.0
    for bound, count in bounds:
        if count >= rank:
            if bound == float("inf"):
                return lower
            inside = count - below
            return bound if inside <= 0 else lower + (bound - lower) * (rank - below) / inside
        lower, below = bound, count
    return lower


def _totals(page: str, model: str) -> _Totals:
    try:
        return {
            (name, sample.labels["version"], sample.labels.get("le") or sample.labels["status"]): (
                sample.value
            )
            for family in text_string_to_metric_families(page)
            for sample in family.samples
            # The parser calls a counter by OpenMetrics' rule, with _total behind.
            if (name := sample.name.removesuffix("_total")) in {_COUNT, _LATENCY}
            and sample.labels.get("model_name") == model
        }
    except (ValueError, KeyError) as error:
        raise MetricsUnreachableError(f"that is no page of metrics: {error}") from error


def _went_back(before: _Totals, after: _Totals) -> bool:
    """Tell a server that was started anew: what it counts has become less."""
    return any(after.get(key, 0.0) < total for key, total in before.items())
