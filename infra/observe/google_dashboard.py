"""A dashboard for Cloud Monitoring, as the JSON of its API. Pure.

What the API leaves out of its answers (zeros, what is empty) is left out here too: it would look
like a change for ever.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from infra.observe.charts import Chart, Query, Watched
from infra.observe.grid import Grid

# Cloud Monitoring's own word for the distance between two points of a chart.
WINDOW: Final = "${__interval}"

_GRID: Final = Grid(columns=48, width=16, height=16)
_TITLE_HEIGHT: Final = 4


def google_dashboard(*, title: str, models: Sequence[Watched]) -> str:
    """Write the dashboard."""
    layout: dict[str, Any] = {"columns": _GRID.columns}
    if tiles := list(_tiles(models)):
        layout["tiles"] = tiles
    return json.dumps({"displayName": title, "mosaicLayout": layout}, sort_keys=True)


def _tiles(models: Sequence[Watched]) -> Iterator[dict[str, Any]]:
    top = 0
    for watched in models:
        heading = {"title": watched.model, "sectionHeader": {"dividerBelow": True}}
        yield _tile(0, top, _GRID.columns, _TITLE_HEIGHT, heading)
        top += _TITLE_HEIGHT
        for index, chart in enumerate(watched.charts):
            x, y = _GRID.place(index)
            yield _tile(x, top + y, _GRID.width, _GRID.height, _chart(chart))
        top += _GRID.total_height(len(watched.charts))


def _tile(x: int, y: int, width: int, height: int, widget: Mapping[str, Any]) -> dict[str, Any]:
    place = {"xPos": x, "yPos": y, "width": width, "height": height}
    return {**{key: value for key, value in place.items() if value}, "widget": dict(widget)}


def _chart(chart: Chart) -> dict[str, Any]:
    return {
        "title": chart.title,
        "xyChart": {
            "dataSets": [_data(query) for query in chart.queries],
            "yAxis": {"label": chart.unit, "scale": "LINEAR"},
            "chartOptions": {"mode": "COLOR"},
        },
    }


def _data(query: Query) -> dict[str, Any]:
    return {
        "plotType": "LINE",
        "targetAxis": "Y1",
        "timeSeriesQuery": {"prometheusQuery": _told_apart(query)},
    }


def _told_apart(query: Query) -> str:
    """Give a query whose lines carry as a label what the legend says beside labels.

    The API has no words for a legend of such queries: it shows each line's labels.
    """
    words = " ".join(re.sub(r"\{\{\w+\}\}", "", query.legend).split())
    return (
        f'label_replace({query.expression}, "line", "{words}", "", "")'
        if words
        else (query.expression)
    )
