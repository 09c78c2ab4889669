"""A dashboard for CloudWatch of models on SageMaker, as the JSON of its API. Pure.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
and https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from infra.observe.grid import Grid

INVOCATIONS: Final = "AWS/SageMaker"
MICROS_PER_MS: Final = 1000
INSTANCES: Final = "/aws/sagemaker/Endpoints"
# By the id that it has in an expression: what is counted, and what of it failed.
COUNTED: Final = {
    "all": "Invocations",
    "e4": "Invocation4XXErrors",
    "e5": "Invocation5XXErrors",
}
_GRID: Final = Grid(columns=24, width=8, height=6)
_PERIOD_SECONDS: Final = 60


@dataclass(frozen=True, kw_only=True)
class EndpointModel:
    """A model behind an endpoint, the variants that answer there, and those that only listen.

    `watched` is false where the model has alarms of its own; `stays_up` tells that at least one
    instance is meant to run at any time.
    """

    model: str
    endpoint: str
    variants: Sequence[str]
    shadows: Sequence[str] = ()
    is_serverless: bool = False
    has_gpu: bool = False
    watched: bool = True
    stays_up: bool = True

    @property
    def shown(self) -> Sequence[str]:
        """Give every variant."""
        return (*self.variants, *self.shadows)


Metric = list[Any]
_Chart = tuple[str, list[Metric]]


def cloudwatch_dashboard(*, region: str, models: Sequence[EndpointModel]) -> str:
    """Write the dashboard."""
    return json.dumps({"widgets": list(_widgets(region, models))}, sort_keys=True)


def error_share(failed: Sequence[str], all_: str) -> str:
    """Give the percentage of requests that failed, by the ids of the metrics."""
    counted = " + ".join(f"FILL({one}, 0)" for one in failed)
    return f"IF({all_} > 0, 100 * ({counted}) / {all_}, 0)"


def _widgets(region: str, models: Sequence[EndpointModel]) -> Iterator[dict[str, Any]]:
    top = 0
    for model in models:
        heading = {"markdown": f"## {model.model}"}
        yield {"type": "text", "x": 0, "y": top, "width": _GRID.columns, "height": 1} | {
            "properties": heading
        }
        top += 1
        charts = list(_charts(model))
        for index, (title, metrics) in enumerate(charts):
            x, y = _GRID.place(index)
            yield {
                "type": "metric",
                "x": x,
                "y": top + y,
                "width": _GRID.width,
                "height": _GRID.height,
                "properties": {
                    "title": title,
                    "region": region,
                    "view": "timeSeries",
                    "stat": "Sum",
                    "period": _PERIOD_SECONDS,
                    "yAxis": {"left": {"min": 0}},
                    "metrics": metrics,
                },
            }
        top += _GRID.total_height(len(charts))


def _charts(model: EndpointModel) -> Iterator[_Chart]:
    def each(metric: str, stat: str, label: str, namespace: str = INVOCATIONS) -> Iterator[Metric]:
        for variant in model.shown:
            said = {"stat": stat, "label": f"{variant} {label}".strip()}
            yield [*_line(model, variant, metric, namespace), said]

    yield "Requests a minute", list(each("Invocations", "Sum", ""))
    yield (
        "Failed requests a minute",
        [
            *each("Invocation4XXErrors", "Sum", "4xx"),
            *each("Invocation5XXErrors", "Sum", "5xx"),
        ],
    )
    yield "Failed requests (%)", list(_failed(model))
    yield "Latency of the model (ms)", list(_latency(model, "ModelLatency", ("p50", "p99")))
    yield "Latency of SageMaker itself (ms)", list(_latency(model, "OverheadLatency", ("p99",)))
    if model.is_serverless:
        yield "Time to start (ms)", list(_latency(model, "ModelSetupTime", ("p99",)))
        return
    uses = ("CPUUtilization", "MemoryUtilization", *(("GPUUtilization",) if model.has_gpu else ()))
    yield (
        "Use of the instances (%; 100 is one core or one GPU)",
        [line for use in uses for line in each(use, "Average", use, INSTANCES)],
    )


def _failed(model: EndpointModel) -> Iterator[Metric]:
    for number, variant in enumerate(model.shown):
        metrics = {f"{id_}{number}": metric for id_, metric in COUNTED.items()}
        all_, *failed = metrics
        yield [{"expression": error_share(failed, all_), "label": variant, "id": f"share{number}"}]
        for id_, metric in metrics.items():
            hidden = {"id": id_, "visible": False, "stat": "Sum"}
            yield [*_line(model, variant, metric, INVOCATIONS), hidden]


def _latency(model: EndpointModel, metric: str, stats: Sequence[str]) -> Iterator[Metric]:
    for number, variant in enumerate(model.shown):
        for stat in stats:
            id_ = f"{stat}v{number}"
            yield [
                {
                    "expression": f"{id_} / {MICROS_PER_MS}",
                    "label": f"{variant} {stat}",
                    "id": f"ms{id_}",
                }
            ]
            hidden = {"id": id_, "visible": False, "stat": stat}
            yield [*_line(model, variant, metric, INVOCATIONS), hidden]


def _line(model: EndpointModel, variant: str, metric: str, namespace: str) -> Metric:
    dimensions = dimensions_of(model, variant)
    return [namespace, metric, *(word for pair in dimensions.items() for word in pair)]


def dimensions_of(model: EndpointModel, variant: str) -> Mapping[str, str]:
    """Give what SageMaker tells a variant's metrics apart by."""
    return {"EndpointName": model.endpoint, "VariantName": variant}
