"""The metrics of a model on Vertex AI, under Cloud Monitoring's names in Prometheus's words. Pure.

https://cloud.google.com/monitoring/api/metrics_gcp_a_b#gcp-aiplatform; how a metric's name is
written in a query: https://cloud.google.com/monitoring/promql/promql-mapping
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from infra.observe.charts import (
    Chart,
    Condition,
    Limits,
    Query,
    Watched,
    conditions,
    error_share,
    quantile,
)

_ONLINE: Final = "aiplatform_googleapis_com:prediction_online_"
_DEPLOYED: Final = "deployed_model_id"
# The service's own part, the model's, and both together; the last is what clients wait for.
_LATENCY_LABELS: Final = f"{_DEPLOYED}, latency_type"


@dataclass(frozen=True, kw_only=True)
class VertexEndpoint:
    """A model behind an endpoint."""

    model: str
    endpoint_id: str
    has_gpu: bool = False
    # At least one replica of it is meant to run at any time.
    stays_up: bool = True


def watched_on_vertex(of: VertexEndpoint, *, window: str, limits: Limits | None) -> Watched:
    """Give what is shown of the model, over a `window` as its dashboard writes it, and watched."""
    return Watched(
        model=of.model,
        charts=tuple(_charts(of, window)),
        conditions=tuple(_conditions(of, limits)) if limits else (),
    )


def _charts(of: VertexEndpoint, window: str) -> Iterator[Chart]:
    answers = _metric(of, "response_count")
    yield Chart(
        title="Requests by answer",
        unit="requests/s",
        queries=(
            Query(
                expression=f"sum by (response_code) (rate({answers}[{window}]))",
                legend="{{response_code}}",
            ),
        ),
    )
    yield Chart(
        title="Requests by version",
        unit="requests/s",
        queries=(
            Query(expression=f"sum by ({_DEPLOYED}) (rate({answers}[{window}]))", legend=_legend()),
        ),
    )
    yield Chart(
        title="Failed requests",
        unit="%",
        queries=(
            Query(
                expression=error_share(_failed(of), answers, by=_DEPLOYED, window=window),
                legend=_legend(),
            ),
        ),
    )
    yield Chart(
        title="Latency",
        unit="ms",
        queries=tuple(
            Query(
                expression=_latency(of, fraction, window),
                legend=f"p{100 * fraction:g} {{{{latency_type}}}} {_legend()}",
            )
            for fraction in (0.5, 0.99)
        ),
    )
    yield _plain(of, "Replicas", "count", "sum", "replicas", "target_replicas")
    yield _plain(of, "Use of the CPUs (1 is one core)", "count", "avg", "cpu_utilization")
    if of.has_gpu:
        yield _plain(
            of, "Use of the GPUs (1 is all of it)", "count", "avg", "accelerator_duty_cycle"
        )


def _plain(of: VertexEndpoint, title: str, unit: str, how: str, *names: str) -> Chart:
    return Chart(
        title=title,
        unit=unit,  # type: ignore[arg-type] # one of the words
        queries=tuple(
            Query(
                expression=f"{how} by ({_DEPLOYED}) ({_metric(of, name)})",
                legend=f"{name} {_legend()}",
            )
            for name in names
        ),
    )


def _conditions(of: VertexEndpoint, limits: Limits) -> Iterator[Condition]:
    window = f"{limits.window_minutes}m"
    answers = _metric(of, "response_count")
    return conditions(
        of.model,
        limits,
        errors=error_share(_failed(of), answers, by=_DEPLOYED, window=window),
        latency=_latency(of, 0.99, window),
        replicas=_metric(of, "replicas") if of.stays_up else None,
    )


def _latency(of: VertexEndpoint, fraction: float, window: str) -> str:
    buckets = _metric(of, "prediction_latencies_bucket")
    return quantile(fraction, buckets, by=_LATENCY_LABELS, window=window)


def _failed(of: VertexEndpoint) -> str:
    return _metric(of, "response_count", 'response_code!~"2.."')


def _metric(of: VertexEndpoint, name: str, *labels: str) -> str:
    mine = (
        'monitored_resource="aiplatform.googleapis.com/Endpoint"',
        f'endpoint_id="{of.endpoint_id}"',
    )
    return f"{_ONLINE}{name}{{{','.join((*mine, *labels))}}}"


def _legend() -> str:
    return f"{{{{{_DEPLOYED}}}}}"
