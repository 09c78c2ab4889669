"""Metrics from a Prometheus: what it is asked, and what its answers mean."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar
from urllib.parse import parse_qs

import pytest

from infra.config.sections.rollout import CustomGateConfig, GateConfig
from infra.releases.metrics.prometheus import Prometheus
from infra.releases.metrics.source import MetricsUnreachableError, Series


class Api(BaseHTTPRequestHandler):
    """Answers each query by a word in it."""

    answers: ClassVar[dict[str, Any]] = {}
    asked: ClassVar[list[str]] = []
    headers_seen: ClassVar[list[str | None]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        (query,) = parse_qs(body)["query"]
        self.asked.append(query)
        self.headers_seen.append(self.headers["Authorization"])
        found: Any = next((value for word, value in self.answers.items() if word in query), [])
        self.send_response(found if isinstance(found, int) else 200)
        self.end_headers()
        self.wfile.write(json.dumps(self.document(found)).encode())

    def document(self, found: Any) -> Any:
        if isinstance(found, int):
            return {"status": "error", "error": "query is too long"}
        if isinstance(found, str):
            return {"data": {"resultType": "scalar", "result": [1.0, found]}}
        result = [{"metric": {}, "value": [1.0, value]} for value in found]
        return {"status": "success", "data": {"resultType": "vector", "result": result}}

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/prometheus/"
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def fresh() -> None:
    Api.answers.clear()
    Api.asked.clear()
    Api.headers_seen.clear()


def source(url: str, trial_seconds: float = 1e9, **gate: Any) -> Prometheus:
    def series_of(version: int) -> Series:
        labels = f'{{version="{version}"}}'
        return Series(
            requests=f"requests{labels}",
            failed=f"failed{labels}",
            latency=f"bucket{labels}",
            per_ms=1_000.0,
        )

    return Prometheus(
        url=url,
        model="heart",
        gate=GateConfig(**gate),
        series_of=series_of,
        trial_seconds=lambda: trial_seconds,
        authorize=lambda: {"Authorization": "Bearer word"},
    )


def test_both_versions_are_asked_for_over_the_same_window(url: str) -> None:
    Api.answers |= {
        'requests{version="2"}': ["200.5"],
        'failed{version="2"}': ["3"],
        'bucket{version="2"}': ["12000"],
        'requests{version="1"}': ["1800"],
    }
    found = source(url, latency_percentile=99).compare(canary=2, stable=1, window_seconds=300)
    assert found.covered_seconds == 300
    assert (found.canary.requests, found.canary.errors, found.canary.latency_ms) == (200.5, 3, 12)
    # No series of errors is no error; no latency is not measured.
    assert (found.stable.requests, found.stable.errors, found.stable.latency_ms) == (1800, 0, None)
    assert 'histogram_quantile(0.99, sum by (le) (rate(bucket{version="2"}[300s])))' in Api.asked
    assert 'sum(increase(failed{version="1"}[300s]))' in Api.asked
    assert set(Api.headers_seen) == {"Bearer word"}


def test_a_window_is_no_longer_than_the_trial(url: str) -> None:
    found = source(url, trial_seconds=42.4).compare(canary=2, stable=1, window_seconds=300)
    assert found.covered_seconds == 42
    assert all("[42s]" in query for query in Api.asked)


def test_a_query_of_ones_own_is_filled_in(url: str) -> None:
    custom = CustomGateConfig(query='score{m="$model",v="$version"}[$window]', max_ratio=1.0)
    Api.answers |= {'v="2"': "0.5", 'v="1"': ["0.25"]}
    found = source(url, custom=custom).compare(canary=2, stable=1, window_seconds=60)
    assert (found.canary.custom, found.stable.custom) == (0.5, 0.25)
    assert 'score{m="heart",v="2"}[60s]' in Api.asked


def test_a_query_that_gives_several_numbers_is_told(url: str) -> None:
    Api.answers["requests"] = ["1", "2"]
    with pytest.raises(MetricsUnreachableError, match="2 series where one number is wanted"):
        source(url).compare(canary=2, stable=1, window_seconds=60)


def test_what_prometheus_refuses_is_told_in_its_words(url: str) -> None:
    Api.answers["bucket"] = 422
    with pytest.raises(MetricsUnreachableError, match="answers 422: query is too long"):
        source(url).compare(canary=2, stable=1, window_seconds=60)


def test_a_prometheus_that_is_gone_is_told() -> None:
    with pytest.raises(MetricsUnreachableError, match="does not answer"):
        source("http://127.0.0.1:1").compare(canary=2, stable=1, window_seconds=60)


def test_a_number_that_is_none_is_not_measured(url: str) -> None:
    Api.answers["requests"] = ["NaN"]
    found = source(url).compare(canary=2, stable=1, window_seconds=60)
    assert found.canary.requests != found.canary.requests
