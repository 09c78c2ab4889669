"""Dashboards and rules are what Grafana, Cloud Monitoring, CloudWatch and the operator read."""

import json
import re
from typing import Any

import pytest

from infra.observe.charts import Watched
from infra.observe.cloudwatch import EndpointModel, cloudwatch_dashboard
from infra.observe.google_dashboard import WINDOW as GOOGLES_WINDOW
from infra.observe.google_dashboard import google_dashboard
from infra.observe.grafana import WINDOW, grafana_dashboard
from infra.observe.prometheus_rules import rule_groups
from tests.observe.examples import SCRAPINGS, in_cluster, on_vertex


def overlaps(places: list[tuple[int, int, int, int]]) -> bool:
    """Tell whether two places (x, y, width, height) share anything."""
    taken: set[tuple[int, int]] = set()
    for x, y, width, height in places:
        cells = {(x + i, y + j) for i in range(width) for j in range(height)}
        if cells & taken:
            return True
        taken |= cells
    return False


def test_overlapping_is_seen() -> None:
    assert overlaps([(0, 0, 2, 2), (1, 1, 2, 2)])
    assert not overlaps([(0, 0, 2, 2), (2, 0, 2, 2)])


def grafana(*models: Watched) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(grafana_dashboard(title="T", uid="u", models=models))
    return document


def test_grafana_has_a_row_for_each_model_with_its_charts_beside_each_other() -> None:
    heart, other = in_cluster(window=WINDOW), in_cluster("annotations", window=WINDOW)
    panels = grafana(heart, other)["panels"]
    rows = [panel["title"] for panel in panels if panel["type"] == "row"]
    assert rows == ["heart", "heart"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    grids = [panel["gridPos"] for panel in panels]
    assert not overlaps([(grid["x"], grid["y"], grid["w"], grid["h"]) for grid in grids])
    assert all(grid["x"] + grid["w"] <= 24 for grid in grids)


def test_grafana_asks_the_prometheus_that_is_chosen_on_the_dashboard() -> None:
    document = grafana(in_cluster(window=WINDOW))
    (variable,) = document["templating"]["list"]
    assert (variable["name"], variable["type"]) == ("datasource", "datasource")
    charts = [panel for panel in document["panels"] if panel["type"] == "timeseries"]
    assert {chart["datasource"]["uid"] for chart in charts} == {"${datasource}"}
    assert all(chart["targets"] for chart in charts)


def test_a_model_without_batching_has_no_charts_of_batches() -> None:
    titles = {chart.title for chart in in_cluster().charts}
    assert {"Requests by status", "Failed requests", "Latency", "Batches"} <= titles
    plain = {chart.title for chart in on_vertex().charts}
    assert "Batches" not in plain
    assert "Use of the GPUs (1 is all of it)" in plain


def google(*models: Watched) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(google_dashboard(title="T", models=models))
    return document


def test_google_gets_no_key_that_it_would_leave_out_of_its_answer() -> None:
    def empty(value: Any) -> bool:
        if isinstance(value, dict):
            return not value or any(empty(inner) for inner in value.values())
        if isinstance(value, list):
            return not value or any(empty(inner) for inner in value)
        return value in (0, "", None, False)

    models = (in_cluster("pod-monitoring", window=GOOGLES_WINDOW), on_vertex())
    assert empty({"xPos": 0})
    assert not empty(google(*models))
    assert not empty(google())


def test_googles_tiles_lie_beside_each_other_and_fit_a_dashboard() -> None:
    tiles = google(in_cluster("pod-monitoring"), on_vertex())["mosaicLayout"]["tiles"]
    places = [
        (tile.get("xPos", 0), tile.get("yPos", 0), tile["width"], tile["height"]) for tile in tiles
    ]
    assert not overlaps(places)
    assert all(x + width <= 48 for x, _, width, _ in places)
    most = max(len(watched.charts) for watched in (in_cluster(), on_vertex())) + 1
    assert 12 * most <= 100, "the rule in infra/config/rules/observe.py lets in 12 models"


def test_google_tells_the_lines_of_a_chart_apart() -> None:
    tiles = google(on_vertex())["mosaicLayout"]["tiles"]
    (latency,) = (tile for tile in tiles if tile["widget"]["title"] == "Latency")
    queries = [
        data["timeSeriesQuery"]["prometheusQuery"]
        for data in latency["widget"]["xyChart"]["dataSets"]
    ]
    assert [re.findall('"(p[0-9]+)"', query) for query in queries] == [["p50"], ["p99"]]


def test_cloudwatch_has_every_variant_and_the_metrics_that_its_kind_of_endpoint_has() -> None:
    models = [
        EndpointModel(model="heart", endpoint="heart-1", variants=["stable", "canary"]),
        EndpointModel(
            model="eyes", endpoint="eyes-1", variants=["stable"], shadows=["shadow"], has_gpu=True
        ),
        EndpointModel(model="words", endpoint="words-1", variants=["stable"], is_serverless=True),
    ]
    widgets = json.loads(cloudwatch_dashboard(region="eu-central-1", models=models))["widgets"]
    assert not overlaps([(one["x"], one["y"], one["width"], one["height"]) for one in widgets])
    lines = [
        line
        for widget in widgets
        for line in widget["properties"].get("metrics", [])
        if len(line) > 1
    ]
    seen = {(line[3], line[5], line[1]) for line in lines}
    assert {("heart-1", "stable", "Invocations"), ("heart-1", "canary", "ModelLatency")} <= seen
    assert {("eyes-1", "shadow", "OverheadLatency"), ("eyes-1", "stable", "GPUUtilization")} <= seen
    assert not any(metric == "GPUUtilization" for at, _, metric in seen if at == "heart-1")
    assert ("words-1", "stable", "ModelSetupTime") in seen
    assert not any(metric == "CPUUtilization" for at, _, metric in seen if at == "words-1")
    for widget in widgets:
        ids = [
            line[-1]["id"] for line in widget["properties"].get("metrics", []) if "id" in line[-1]
        ]
        assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("scrape", SCRAPINGS)
def test_a_canary_is_measured_for_itself(scrape: str) -> None:
    by = {
        "annotations": "servestack_track, app_kubernetes_io_version",
        "pod-monitoring": "track",
        "service-monitor": "servestack_track",
    }[scrape]
    errors, latency, _ = in_cluster(scrape).conditions  # type: ignore[arg-type] # one of them
    assert errors.expression.count(f"sum by ({by})") == 3
    assert f"sum by (le, {by})" in latency.expression


def test_each_model_has_a_group_of_rules_that_name_stack_and_model() -> None:
    (group,) = rule_groups(stack="prod", models=[in_cluster()])["groups"]
    assert [rule["alert"] for rule in group["rules"]] == [
        "ServestackModelErrors",
        "ServestackModelLatency",
        "ServestackModelDown",
    ]
    labels = {"servestack_stack": "prod", "model": "heart"}
    severities = [rule["labels"].pop("severity") for rule in group["rules"]]
    assert severities == ["warning", "warning", "critical"]
    assert all(rule["labels"] == labels for rule in group["rules"])
