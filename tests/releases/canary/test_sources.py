"""Which metrics a trial is judged by: by target, platform, and way of scraping."""

import json
from typing import Any

import pytest

from infra.config import parse_stack
from infra.errors import ServestackError
from infra.releases.canary.trial import trials
from infra.releases.metrics.page import ServerPage
from infra.releases.metrics.prometheus import Prometheus
from infra.releases.metrics.source import MetricSource
from infra.releases.metrics.sources import metric_source
from tests.config.examples import PLATFORMS, merged

PLACES = {platform.value: place for platform, place in PLATFORMS.items()}
TRIAL = {"version": 1, "canary": {"version": 2, "share": 10}}
GATE = {"rollout": {"gate": {"prometheus": "http://prometheus:9090"}}}


def source(
    platform: str, output: dict[str, Any], model: dict[str, Any], **stack: Any
) -> MetricSource:
    raw = {"platform": platform, **PLACES[platform], **stack, "models": {"heart": TRIAL | model}}
    config = parse_stack(raw, source="x")
    return metric_source(trials(config, ())["heart"], config, output, lambda: 60.0)


def queries(found: MetricSource) -> tuple[str, str]:
    assert isinstance(found, Prometheus)
    return found.series_of(1).failed, found.series_of(2).latency


def test_a_local_server_is_asked_itself() -> None:
    found = source("local", {"rest": "http://127.0.0.1:8501"}, {})
    assert isinstance(found, ServerPage)
    assert found.url == "http://127.0.0.1:8501/monitoring/prometheus/metrics"


def test_a_local_server_that_a_prometheus_scrapes_is_looked_up_there() -> None:
    found = source("local", {"rest": "http://x"}, {}, **GATE)
    assert queries(found)[0] == (
        ':servestack:serving:version_request_count{model_name="heart",version="1",status!="OK"}'
    )


@pytest.mark.parametrize(
    ("scrape", "stable", "canary"),
    [
        ("pod-monitoring", 'track="stable"', 'track="canary"'),
        ("service-monitor", 'servestack_track="stable"', 'servestack_track="canary"'),
        ("annotations", 'app_kubernetes_io_version="1"', 'app_kubernetes_io_version="2"'),
    ],
)
def test_pods_are_told_apart_by_what_their_scraping_adds(
    scrape: str, stable: str, canary: str
) -> None:
    model = {"kubernetes": {"scrape": scrape}}
    failed, latency = queries(source("kubernetes", {"namespace": "models"}, model, **GATE))
    labels = f'model_name="heart",namespace="models",{stable}'
    assert failed == f':tensorflow:serving:request_count{{{labels},status!="OK"}}'
    labels = f'model_name="heart",namespace="models",{canary}'
    assert latency == f":tensorflow:serving:request_latency_bucket{{{labels}}}"


def test_a_label_of_ones_own_wins() -> None:
    stack = merged(GATE, {"rollout": {"gate": {"version_label": "model_version"}}})
    model = {"kubernetes": {"scrape": "pod-monitoring"}}
    assert 'model_version="1"' in queries(source("kubernetes", {}, model, **stack))[0]


def test_a_cluster_on_google_cloud_has_a_prometheus_of_its_own() -> None:
    found = source("gcp", {"namespace": "models"}, {"kubernetes": {"scrape": "pod-monitoring"}})
    assert isinstance(found, Prometheus)
    assert found.url == (
        "https://monitoring.googleapis.com/v1/projects/example-ml/location/global/prometheus"
    )


def test_vertex_is_judged_by_cloud_monitoring() -> None:
    output = {
        "endpoint": "vertex://p/europe-west4/42?host=42.example.com",
        "deployed_models": {"1": "101", "2": "102"},
    }
    failed, latency = queries(source("gcp", output, {"target": "vertex"}))
    assert failed == (
        "aiplatform_googleapis_com:prediction_online_response_count"
        '{endpoint_id="42",deployed_model_id="101",response_code!~"2.."}'
    )
    assert latency == (
        "aiplatform_googleapis_com:prediction_online_prediction_latencies_bucket"
        '{endpoint_id="42",deployed_model_id="102"}'
    )
    with pytest.raises(ServestackError, match="which deployed model version 1 of heart is"):
        queries(source("gcp", {}, {"target": "vertex"}))


def test_sagemaker_is_left_to_people() -> None:
    with pytest.raises(ServestackError, match="servestack promote"):
        source("aws", {}, {"target": "sagemaker"})


def test_every_query_is_one_line() -> None:
    found = source("kubernetes", {}, {}, **GATE)
    assert all("\n" not in json.dumps(query) for query in queries(found))
