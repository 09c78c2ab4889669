"""Metrics from a server's own page, which knows totals only."""

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import ClassVar

import pytest

from infra.releases.canary.gate import Comparison
from infra.releases.metrics.page import ServerPage, quantile
from infra.releases.metrics.source import MetricsUnreachableError
from local_model_server.domain import Code
from local_model_server.metrics import PrometheusMetrics


class Page(BaseHTTPRequestHandler):
    """The page of a registry that the test counts in."""

    page: ClassVar[Callable[[], bytes]] = lambda: b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(type(self).page())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/metrics"
        server.shutdown()
        thread.join()


@pytest.fixture
def metrics() -> PrometheusMetrics:
    fresh = PrometheusMetrics()
    Page.page = fresh.page
    return fresh


class Clock:
    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def source(url: str, clock: Clock) -> ServerPage:
    return ServerPage(url=url, model="heart", percentile=50, clock=clock)


def count(metrics: PrometheusMetrics, version: int, code: Code, times: int, ms: float = 1) -> None:
    for _ in range(times):
        metrics.version_request(model="heart", version=version, code=code, seconds=ms / 1000)


def compare(source: ServerPage, window: float = 60) -> Comparison:
    return source.compare(canary=2, stable=1, window_seconds=window)


def test_the_first_reading_measures_nothing(metrics: PrometheusMetrics, source: ServerPage) -> None:
    count(metrics, 1, Code.OK, 500)
    first = compare(source)
    assert (first.stable.requests, first.covered_seconds) == (0, 0)
    assert first.stable.latency_ms is None


def test_two_readings_make_a_window(
    metrics: PrometheusMetrics, source: ServerPage, clock: Clock
) -> None:
    count(metrics, 1, Code.OK, 500)
    compare(source)
    count(metrics, 1, Code.OK, 90, ms=2)
    count(metrics, 2, Code.OK, 8, ms=40)
    count(metrics, 2, Code.INVALID_ARGUMENT, 2, ms=40)
    metrics.version_request(model="digits", version=2, code=Code.OK, seconds=9)
    clock.seconds += 30
    found = compare(source)
    assert found.covered_seconds == 30
    assert (found.stable.requests, found.stable.errors) == (90, 0)
    assert (found.canary.requests, found.canary.errors) == (10, 2)
    # As near as the histogram's buckets are.
    assert found.stable.latency_ms == pytest.approx(2, rel=0.6)
    assert found.canary.latency_ms == pytest.approx(40, rel=0.6)


def test_what_is_older_than_the_window_is_left_behind(
    metrics: PrometheusMetrics, source: ServerPage, clock: Clock
) -> None:
    for _ in range(10):
        compare(source)
        count(metrics, 2, Code.OK, 1)
        clock.seconds += 10
    found = compare(source, window=30)
    assert found.covered_seconds == 30
    assert found.canary.requests == 3


def test_a_server_that_was_started_anew_begins_a_new_window(
    metrics: PrometheusMetrics, source: ServerPage, clock: Clock
) -> None:
    count(metrics, 1, Code.OK, 50)
    compare(source)
    clock.seconds += 30
    compare(source)
    fresh = PrometheusMetrics()
    Page.page = fresh.page
    count(fresh, 1, Code.OK, 3)
    clock.seconds += 30
    found = compare(source)
    assert (found.covered_seconds, found.stable.requests) == (0, 0)


def test_a_page_that_cannot_be_read_is_told(source: ServerPage) -> None:
    source.url = "http://127.0.0.1:1/metrics"
    with pytest.raises(MetricsUnreachableError, match="cannot be read"):
        compare(source)
    source.url = "http://127.0.0.1:1:1/"
    with pytest.raises(MetricsUnreachableError):
        compare(source)


def test_what_is_no_page_of_metrics_is_told(url: str, source: ServerPage) -> None:
    Page.page = lambda: b"<html>{{{"
    source.url = url
    with pytest.raises(MetricsUnreachableError, match="no page of metrics"):
        compare(source)


@pytest.mark.parametrize(
    ("wanted", "found"), [(0.5, 15.0), (0.25, 10.0), (0.125, 5.0), (0.75, 20.0), (0.99, 20.0)]
)
def test_a_quantile_is_estimated_inside_its_bucket(wanted: float, found: float) -> None:
    buckets = {"10": 10.0, "20": 30.0, "+Inf": 40.0}
    assert quantile(wanted, buckets) == pytest.approx(found)


def test_an_empty_histogram_has_no_quantile() -> None:
    assert quantile(0.5, {}) is None
    assert quantile(0.5, {"10": 0.0, "+Inf": 0.0}) is None
