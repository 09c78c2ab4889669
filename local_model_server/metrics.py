"""Prometheus metrics under TF Serving's own names, in the text form that its exporter writes.

Owns counting and rendering; rest serves the page. A small registry of its own: the official client
would append `_total` to the counters' names and costs more than a small model's run.

Names and labels are TF Serving's, but for `model_name` on the batching metrics, which it leaves
out, and `runtime`, which is TF2 here. TF Serving tells no versions apart; what a canary is judged
by is counted under names of our own.
"""

import threading
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final

from local_model_server.domain import Code

_MICROS: Final = 1_000_000
# A client that asks for ever new names must not fill the memory.
_MAX_SERIES: Final = 1_000
_OVERFLOW: Final = "(others)"


def _exponential(first: float, growth: float, count: int) -> tuple[float, ...]:
    return tuple(first * growth**step for step in range(count))


# From 10 microseconds to about 20 minutes, and sizes to 16,384, as TF Serving has them.
_LATENCY_BOUNDS: Final = _exponential(10, 1.8, 33)
_SIZE_BOUNDS: Final = _exponential(1, 2, 15)
_QUEUEING_BOUNDS: Final = _exponential(100, 1.2, 52)

_Series = tuple[str, ...]


class _Metric:
    """What counters and histograms share: a name, label names, and series by label values."""

    def __init__(self, name: str, labels: Sequence[str]) -> None:
        self.name = name
        self._labels = tuple(labels)
        self._lock = threading.Lock()

    def _bounded(self, series: _Series, known: int) -> _Series:
        return series if known < _MAX_SERIES else (_OVERFLOW,) * len(series)

    def _label_text(self, series: _Series, extra: str = "") -> str:
        texts = [
            f'{label}="{_escaped(value)}"'
            for label, value in zip(self._labels, series, strict=True)
        ]
        return "{" + ",".join([*texts, extra] if extra else texts) + "}"


class _Counter(_Metric):
    def __init__(self, name: str, *labels: str) -> None:
        super().__init__(name, labels)
        self._values: dict[_Series, int] = {}

    def add(self, amount: int, *series: str) -> None:
        values = self._values
        with self._lock:
            if series not in values:
                series = self._bounded(series, len(values))
                values.setdefault(series, 0)
            values[series] += amount

    def lines(self) -> Iterator[str]:
        yield f"# TYPE {self.name} counter"
        with self._lock:
            values = dict(self._values)
        for series, value in values.items():
            yield f"{self.name}{self._label_text(series)} {value}"


class _Histogram(_Metric):
    def __init__(self, name: str, bounds: Sequence[float], *labels: str) -> None:
        super().__init__(name, labels)
        self._bounds = bounds
        # The last two stand for what is above all bounds, and for the sum.
        self._values: dict[_Series, list[float]] = {}

    def observe(self, amount: float, *series: str) -> None:
        place = bisect_left(self._bounds, amount)
        with self._lock:
            row = self._values.get(series)
            if row is None:
                series = self._bounded(series, len(self._values))
                row = self._values.setdefault(series, [0] * (len(self._bounds) + 2))
            row[place] += 1
            row[-1] += amount

    def lines(self) -> Iterator[str]:
        yield f"# TYPE {self.name} histogram"
        with self._lock:
            rows = {series: list(row) for series, row in self._values.items()}
        for series, (*counts, total) in rows.items():
            below = 0
            for bound, count in zip((*self._bounds, None), counts, strict=True):
                below += int(count)
                limit = "+Inf" if bound is None else f"{bound:.6g}"
                labels = self._label_text(series, f'le="{limit}"')
                yield f"{self.name}_bucket{labels} {below}"
            yield f"{self.name}_sum{self._label_text(series)} {total:.12g}"
            yield f"{self.name}_count{self._label_text(series)} {below}"


class PrometheusMetrics:
    """The one registry of a server."""

    def __init__(self) -> None:
        serving, batching = ":tensorflow:serving:", ":tensorflow:serving:batching_session:"
        own = ":servestack:serving:"
        self._version_requests = _Counter(
            f"{own}version_request_count", "model_name", "version", "status"
        )
        self._version_latency = _Histogram(
            f"{own}version_request_latency", _LATENCY_BOUNDS, "model_name", "version"
        )
        self._requests = _Counter(f"{serving}request_count", "model_name", "status")
        self._request_latency = _Histogram(
            f"{serving}request_latency", _LATENCY_BOUNDS, "model_name", "API", "entrypoint"
        )
        self._runtime_latency = _Histogram(
            f"{serving}runtime_latency", _LATENCY_BOUNDS, "model_name", "API", "runtime"
        )
        self._graph_runs = _Counter(":tensorflow:core:graph_runs")
        self._graph_run_time = _Counter(":tensorflow:core:graph_run_time_usecs")
        self._example_count = _Counter(f"{serving}request_example_count_total", "model")
        self._example_counts = _Histogram(f"{serving}request_example_counts", _SIZE_BOUNDS, "model")
        self._batch_size = _Histogram(f"{batching}processed_batch_size", _SIZE_BOUNDS, "model_name")
        self._padding = _Histogram(
            f"{batching}padding_size", _SIZE_BOUNDS, "model_name", "execution_batch_size"
        )
        self._queueing = _Histogram(f"{batching}queuing_latency", _QUEUEING_BOUNDS, "model_name")
        self._load_attempts = _Counter(
            ":tensorflow:cc:saved_model:load_attempt_count", "model_path", "status"
        )
        self._load_latency = _Counter(":tensorflow:cc:saved_model:load_latency", "model_path")
        self._warmup = _Histogram(
            f"{serving}model_warmup_latency", _LATENCY_BOUNDS, "model_path", "status"
        )

    def request(self, *, model: str, api: str, entrypoint: str, code: Code, seconds: float) -> None:
        """Count a request when it is answered."""
        self._requests.add(1, model, code.name)
        self._request_latency.observe(seconds * _MICROS, model, api, entrypoint)

    def version_request(self, *, model: str, version: int, code: Code, seconds: float) -> None:
        """Count a request by the version that it came to."""
        self._version_requests.add(1, model, str(version), code.name)
        self._version_latency.observe(seconds * _MICROS, model, str(version))

    def graph_run(self, *, model: str, api: str, seconds: float) -> None:
        """Count one run of a graph."""
        micros = seconds * _MICROS
        self._graph_runs.add(1)
        self._graph_run_time.add(round(micros))
        self._runtime_latency.observe(micros, model, api, "TF2")

    def examples(self, *, model: str, count: int) -> None:
        """Count the tf.Examples of one request."""
        self._example_count.add(count, model)
        self._example_counts.observe(count, model)

    def batch(self, *, model: str, size: int, padding: int) -> None:
        """Count one batch as it goes to the model, its padding included in its size."""
        self._batch_size.observe(size, model)
        self._padding.observe(padding, model, str(size))

    def queueing(self, *, model: str, seconds: float) -> None:
        """Time that a request waited for its batch."""
        self._queueing.observe(seconds * _MICROS, model)

    def load(self, *, model_path: str, code: Code, seconds: float) -> None:
        """Count an attempt to load."""
        self._load_attempts.add(1, model_path, "success" if code is Code.OK else "fail")
        self._load_latency.add(round(seconds * _MICROS), model_path)

    def warmup(self, *, model_path: str, code: Code, seconds: float) -> None:
        """Count one warm-up."""
        self._warmup.observe(seconds * _MICROS, model_path, code.name)

    def page(self) -> bytes:
        """Write all metrics, sorted by name, as Prometheus reads them."""
        metrics = sorted(
            (metric for metric in vars(self).values() if isinstance(metric, _Counter | _Histogram)),
            key=lambda metric: metric.name,
        )
        return "".join(f"{line}\n" for metric in metrics for line in metric.lines()).encode()


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
