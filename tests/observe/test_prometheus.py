"""Every query and rule in a real Prometheus, which scrapes a real server."""

import json
import math
import os
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from infra.observe.charts import Limits, Query, Watched
from infra.observe.cluster_metrics import ClusterModel, Scraping, watched_in_cluster
from infra.observe.google_dashboard import google_dashboard
from infra.observe.prometheus_rules import rule_groups
from infra.serving.rendering import METRICS_PATH
from tests.observe.examples import SCRAPINGS, in_cluster, on_vertex
from tools.engine.errors import EngineError
from tools.servers.prometheus import ensure_prometheus

# What each way of scraping adds to a metric, of a pod of the canary's.
ADDED: dict[Scraping, dict[str, str]] = {
    "annotations": {
        "app_kubernetes_io_instance": "heart",
        "app_kubernetes_io_version": "2",
        "servestack_track": "canary",
    },
    "pod-monitoring": {"model": "heart", "track": "canary"},
    "service-monitor": {"app_kubernetes_io_instance": "heart", "servestack_track": "canary"},
}
# So that it rings: one request in four fails, and each waits 20 ms for its batch.
LIMITS = Limits(error_percent=5, latency_ms=1, window_minutes=2)
READY_SECONDS = 60.0


@pytest.fixture(scope="module")
def programs() -> dict[str, Path]:
    try:
        server = ensure_prometheus(environ=os.environ, progress=print)
    except EngineError as error:
        pytest.skip(f"NO PROMETHEUS, so no query was tried: {error}")
    promtool = server.with_name("promtool")
    if not promtool.exists():
        pytest.skip(f"NO PROMTOOL beside {server}, so no query was tried")
    return {"prometheus": server, "promtool": promtool}


def checked(promtool: Path, directory: Path, groups: object) -> str:
    file = directory / "rules.yml"
    file.write_text(json.dumps(groups))  # JSON is YAML too
    done = subprocess.run(
        [promtool, "check", "rules", file], capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def recorded(models: Sequence[Watched]) -> dict[str, Any]:
    """Give the queries of all charts as rules, so that they can be checked as such."""
    queries = [query for model in models for chart in model.charts for query in chart.queries]
    rules = [
        {"record": f"query:{number}", "expr": query.expression}
        for number, query in enumerate(queries)
    ]
    return {"groups": [{"name": "charts", "rules": rules}]}


def test_promtool_takes_every_rule_and_every_query(
    programs: dict[str, Path], tmp_path: Path
) -> None:
    models = [*map(in_cluster, SCRAPINGS), on_vertex()]
    for number, model in enumerate(models):
        groups = rule_groups(stack=f"prod-{number}", models=[model])
        assert "SUCCESS: 3 rules found" in checked(programs["promtool"], tmp_path, groups)
    count = sum(len(chart.queries) for model in models for chart in model.charts)
    told = checked(programs["promtool"], tmp_path, recorded(models))
    assert f"SUCCESS: {count} rules found" in told


def test_promtool_takes_what_google_is_asked(programs: dict[str, Path], tmp_path: Path) -> None:
    tiles = json.loads(google_dashboard(title="T", models=[on_vertex()]))["mosaicLayout"]["tiles"]
    queries = [
        data["timeSeriesQuery"]["prometheusQuery"]
        for tile in tiles
        for data in tile["widget"].get("xyChart", {}).get("dataSets", [])
    ]
    rules = [{"record": f"query:{n}", "expr": text} for n, text in enumerate(queries)]
    told = checked(programs["promtool"], tmp_path, {"groups": [{"name": "g", "rules": rules}]})
    assert f"SUCCESS: {len(queries)} rules found" in told


def test_promtool_refuses_what_is_no_query(programs: dict[str, Path], tmp_path: Path) -> None:
    rules = [{"record": "query:0", "expr": "sum by (le (rate(x[5m]))"}]
    told = checked(programs["promtool"], tmp_path, {"groups": [{"name": "g", "rules": rules}]})
    assert "SUCCESS" not in told


def seen_by(scrape: Scraping, pods: Sequence[str]) -> list[dict[str, str]]:
    """Give what scraping tells of some pods: for each, whether it answers, minute by minute."""
    labels = {"namespace": "models", **ADDED[scrape]}
    selected = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return [
        {"series": f'up{{{selected},pod="{number}"}}', "values": values}
        for number, values in enumerate(pods)
    ]


@pytest.mark.parametrize("scrape", SCRAPINGS)
@pytest.mark.parametrize(
    ("pods", "rings"),
    [
        (["1x20"], False),
        # One of two is enough, and so is one that comes when the other goes.
        (["1x5 0x15", "1x20"], False),
        (["1x9 stale", "_x8 1x12"], False),
        # For four minutes there is none: an update of a single pod in its place.
        (["1x9 0x3 1x8"], False),
        (["1x9 0x11"], True),
        (["1x9 stale"], True),
        ([], True),
    ],
    ids=[
        "up",
        "one of two up",
        "relieved",
        "restarted",
        "answers no more",
        "no pod",
        "never scraped",
    ],
)
def test_it_rings_when_for_the_whole_window_no_pod_has_answered(
    scrape: Scraping,
    pods: Sequence[str],
    *,
    rings: bool,
    programs: dict[str, Path],
    tmp_path: Path,
) -> None:
    groups = rule_groups(stack="prod", models=[in_cluster(scrape)])
    (tmp_path / "rules.yml").write_text(json.dumps(groups))
    labels = {"severity": "critical", "servestack_stack": "prod", "model": "heart"}
    told = groups["groups"][0]["rules"][-1]["annotations"]
    alert = {"exp_labels": labels, "exp_annotations": told}
    test = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": seen_by(scrape, pods),
                "alert_rule_test": [
                    {
                        "eval_time": "18m",
                        "alertname": "ServestackModelDown",
                        "exp_alerts": [alert] if rings else [],
                    }
                ],
            }
        ],
    }
    (tmp_path / "test.yml").write_text(json.dumps(test))
    done = subprocess.run(
        [programs["promtool"], "test", "rules", tmp_path / "test.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


class RunningPrometheus:
    """A Prometheus that can be asked."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def get(self, path: str, **query: str) -> Any:
        text = urllib.parse.urlencode(query)
        with urllib.request.urlopen(f"{self.url}{path}?{text}", timeout=10) as answer:  # noqa: S310 - ours
            return json.load(answer)["data"]

    def values(self, expression: str) -> list[float]:
        found = self.get("/api/v1/query", query=expression)["result"]
        values = [float(one["value"][1]) for one in found]
        return [value for value in values if not math.isnan(value)]

    def firing(self) -> set[tuple[str, str]]:
        """Give what rings, by the name of the alert and the stack."""
        return {
            (alert["labels"]["alertname"], alert["labels"]["servestack_stack"])
            for alert in self.get("/api/v1/alerts")["alerts"]
            if alert["state"] == "firing"
        }


@contextmanager
def running_prometheus(
    program: Path, directory: Path, *, port: int, target: str, groups: object
) -> Iterator[RunningPrometheus]:
    (directory / "rules.yml").write_text(json.dumps(groups))
    # One job for each way of scraping, told apart by the namespace that its pods are in.
    jobs = [
        {
            "job_name": scrape,
            "metrics_path": METRICS_PATH,
            "static_configs": [
                {"targets": [target], "labels": {"namespace": scrape, **ADDED[scrape]}}
            ],
        }
        for scrape in SCRAPINGS
    ]
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yml"],
        "scrape_configs": jobs,
    }
    (directory / "prometheus.yml").write_text(json.dumps(config))
    log = directory / "prometheus.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={directory / 'prometheus.yml'}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=sink,
            stderr=sink,
        )
    try:
        yield RunningPrometheus(port)
    finally:
        process.terminate()
        process.wait()


def until(condition: Callable[[], bool], what: Callable[[], str]) -> None:
    end = time.monotonic() + READY_SECONDS
    while not condition():
        assert time.monotonic() < end, what()
        time.sleep(0.2)


@pytest.mark.slow
def test_a_servers_own_metrics_give_every_chart_a_line_and_ring_every_alert(
    programs: dict[str, Path], tmp_path: Path
) -> None:
    from tests.server.core import models as saved  # noqa: PLC0415 - TensorFlow
    from tests.server.core.running import config, free_port, start  # noqa: PLC0415 - likewise

    watched = {
        scrape: watched_in_cluster(
            ClusterModel(model="heart", namespace=scrape, scrape=scrape, batching=True),
            window="1m",
            limits=LIMITS,
        )
        for scrape in SCRAPINGS
    }
    queries: list[Query] = [
        query for model in watched.values() for chart in model.charts for query in chart.queries
    ]
    groups = {
        "groups": [
            group
            for scrape, model in watched.items()
            for group in rule_groups(stack=scrape, models=[model])["groups"]
        ]
    }
    saved.save_observer(tmp_path / "heart")
    (tmp_path / "models.config").write_text(config(heart=tmp_path / "heart"))
    (tmp_path / "batching.config").write_text(
        "max_batch_size { value: 16 } batch_timeout_micros { value: 20000 }"
        " max_enqueued_batches { value: 3 } num_batch_threads { value: 2 }"
    )
    (tmp_path / "monitoring.config").write_text(
        f'prometheus_config {{ enable: true path: "{METRICS_PATH}" }}'
    )
    server = start(
        tmp_path,
        f"--model_config_file={tmp_path / 'models.config'}",
        f"--monitoring_config_file={tmp_path / 'monitoring.config'}",
        "--enable_batching",
        f"--batching_parameters_file={tmp_path / 'batching.config'}",
    )
    try:
        server.wait("heart", {1: "AVAILABLE"})
        with running_prometheus(
            programs["prometheus"],
            tmp_path,
            port=free_port(),
            target=f"127.0.0.1:{server.rest_port}",
            groups=groups,
        ) as prometheus:
            expected = {
                (alert, scrape)
                for alert in ("ServestackModelErrors", "ServestackModelLatency")
                for scrape in SCRAPINGS
            }
            silent: list[str] = []
            ringing: set[tuple[str, str]] = set()

            def everything_is_seen() -> bool:
                nonlocal silent, ringing
                answers = [
                    server.rest("heart:predict", {"instances": [[number]]})[0]
                    for number in (1.0, 2.0, 3.0, -1.0)
                ]
                assert answers == [200, 200, 200, 400]
                try:
                    silent = [q.expression for q in queries if not prometheus.values(q.expression)]
                    ringing = prometheus.firing()
                except OSError:
                    return False  # it has not started yet
                return not silent and ringing == expected

            until(everything_is_seen, lambda: f"no line: {silent}; ringing: {ringing}")
            shown = {chart.title: chart for chart in watched["service-monitor"].charts}
            (share,) = prometheus.values(shown["Failed requests"].queries[0].expression)
            assert 0 < share < 100
            median, slowest = (
                prometheus.values(query.expression) for query in shown["Latency"].queries
            )
            assert 10 < median[0] <= slowest[0]
            assert prometheus.values(shown["Pods that answer"].queries[0].expression) == [1.0]
            (rows,) = prometheus.values(shown["Batches"].queries[0].expression)
            assert rows == 1.0

            missed = [model.conditions[-1] for model in watched.values()]
            assert {condition.what for condition in missed} == {"down"}
            expressions = [condition.expression for condition in missed]
            assert not any(prometheus.values(one) for one in expressions)
            server.kill()
            until(
                lambda: all(prometheus.values(one) == [0.0] for one in expressions),
                lambda: "nobody misses the server that was killed",
            )
    finally:
        server.kill()
