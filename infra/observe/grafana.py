"""A dashboard for Grafana, as the JSON that it imports. Pure.

One row for each model. Which Prometheus it asks is chosen on the dashboard itself: a cluster may
have several, and their names are nobody's business here.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from infra.observe.charts import Chart, Unit, Watched
from infra.observe.grid import Grid

# Grafana's own word for a window in which there are always some scrapes.
WINDOW: Final = "$__rate_interval"
# What the sidecar of Grafana's chart looks for.
LABEL: Final = ("grafana_dashboard", "1")

_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_UNITS: Final[Mapping[Unit, str]] = {
    "requests/s": "reqps",
    "%": "percent",
    "ms": "ms",
    "count": "short",
}
_SCHEMA: Final = 39
_GRID: Final = Grid(columns=24, width=8, height=8)


def grafana_dashboard(*, title: str, uid: str, models: Sequence[Watched]) -> str:
    """Write the dashboard; `uid` is what its address ends with."""
    document = {
        "uid": uid,
        "title": title,
        "tags": ["servestack"],
        "schemaVersion": _SCHEMA,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "label": "Prometheus", "type": "datasource"}
                | {"query": "prometheus"}
            ]
        },
        "panels": list(_numbered(_panels(models))),
    }
    return json.dumps(document, indent=1, sort_keys=True)


def _numbered(panels: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for number, panel in enumerate(panels, start=1):
        yield {**panel, "id": number}


def _panels(models: Sequence[Watched]) -> Iterator[dict[str, Any]]:
    top = 0
    for watched in models:
        yield {
            "type": "row",
            "title": watched.model,
            "collapsed": False,
            "panels": [],
            "gridPos": {"x": 0, "y": top, "w": _GRID.columns, "h": 1},
        }
        for index, chart in enumerate(watched.charts):
            x, y = _GRID.place(index)
            size = {"w": _GRID.width, "h": _GRID.height}
            yield _panel(chart, {"x": x, "y": top + 1 + y, **size})
        top += 1 + _GRID.total_height(len(watched.charts))


def _panel(chart: Chart, place: Mapping[str, int]) -> dict[str, Any]:
    return {
        "type": "timeseries",
        "title": chart.title,
        "datasource": _SOURCE,
        "gridPos": dict(place),
        "fieldConfig": {
            "defaults": {"unit": _UNITS[chart.unit], "min": 0},
            "overrides": [],
        },
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi"},
        },
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": _SOURCE,
                "expr": query.expression,
                "legendFormat": query.legend,
                # As often as a monitor of ours has it scraped; windows are made from it.
                "interval": "30s",
                "editorMode": "code",
                "range": True,
            }
            for index, query in enumerate(chart.queries)
        ],
    }
