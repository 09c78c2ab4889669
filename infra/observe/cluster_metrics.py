"""The metrics of a model in a cluster, under TF Serving's own names. Pure.

TF Serving tells no versions apart, and of batching not even models; so both are told apart by what
scrapes adds from the pods' own labels.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

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

Scraping = Literal["annotations", "pod-monitoring", "service-monitor"]

_SERVING: Final = ":tensorflow:serving:"
_BATCHING: Final = f"{_SERVING}batching_session:"
_MICROS_PER_MS: Final = 1000
# By way of scraping: the label that names the model, and those that tell its servers apart. Without
# a monitor of ours it is the usual job for pods, which takes over all of a pod's labels.
_OF_PODS: Final[Mapping[Scraping, tuple[str, str]]] = {
    "pod-monitoring": ("model", "track"),
    "service-monitor": ("app_kubernetes_io_instance", "servestack_track"),
    "annotations": ("app_kubernetes_io_instance", "servestack_track, app_kubernetes_io_version"),
}


@dataclass(frozen=True, kw_only=True)
class ClusterModel:
    """A model in a cluster, and who scrapes it."""

    model: str
    namespace: str
    scrape: Scraping
    batching: bool = False
    # At least one pod of it is meant to run at any time.
    stays_up: bool = True

    @property
    def named(self) -> str:
        """Select what TF Serving counts for the model by its name."""
        return f'namespace="{self.namespace}",model_name="{self.model}"'

    @property
    def pods(self) -> str:
        """Select what comes from the model's pods."""
        return f'namespace="{self.namespace}",{_OF_PODS[self.scrape][0]}="{self.model}"'

    @property
    def servers(self) -> str:
        """Give the labels that tell stable and canary apart."""
        return _OF_PODS[self.scrape][1]


def watched_in_cluster(of: ClusterModel, *, window: str, limits: Limits | None) -> Watched:
    """Give what is shown of the model, over a `window` as its dashboard writes it, and watched."""
    return Watched(
        model=of.model,
        charts=tuple(_charts(of, window)),
        conditions=tuple(_conditions(of, limits)) if limits else (),
    )


def _charts(of: ClusterModel, window: str) -> Iterator[Chart]:
    requests = f"{_SERVING}request_count{{{of.named}}}"
    legend = _legend(of)
    yield Chart(
        title="Requests by status",
        unit="requests/s",
        queries=(
            Query(expression=f"sum by (status) (rate({requests}[{window}]))", legend="{{status}}"),
        ),
    )
    yield Chart(
        title="Requests by stable and canary",
        unit="requests/s",
        queries=(
            Query(expression=f"sum by ({of.servers}) (rate({requests}[{window}]))", legend=legend),
        ),
    )
    yield Chart(
        title="Failed requests",
        unit="%",
        queries=(
            Query(
                expression=error_share(_failed(of), requests, by=of.servers, window=window),
                legend=legend,
            ),
        ),
    )
    yield Chart(
        title="Latency",
        unit="ms",
        queries=tuple(
            Query(
                expression=_latency(of, fraction, window),
                legend=f"p{100 * fraction:g} {legend}",
            )
            for fraction in (0.5, 0.99)
        ),
    )
    if of.batching:
        yield from _batching(of, window)
    yield Chart(
        title="Pods that answer",
        unit="count",
        queries=(Query(expression=f"sum by ({of.servers}) (up{{{of.pods}}})", legend=legend),),
    )


def _batching(of: ClusterModel, window: str) -> Iterator[Chart]:
    size, wait = f"{_BATCHING}processed_batch_size", f"{_BATCHING}queuing_latency"
    mean = " / ".join(
        f"sum by ({of.servers}) (rate({size}_{part}{{{of.pods}}}[{window}]))"
        for part in ("sum", "count")
    )
    waited = quantile(0.99, f"{wait}_bucket{{{of.pods}}}", by=of.servers, window=window)
    yield Chart(
        title="Batches",
        unit="count",
        queries=(Query(expression=mean, legend=f"examples in one {_legend(of)}"),),
    )
    yield Chart(
        title="Wait for a batch",
        unit="ms",
        queries=(Query(expression=f"{waited} / {_MICROS_PER_MS}", legend=f"p99 {_legend(of)}"),),
    )


def _conditions(of: ClusterModel, limits: Limits) -> Iterator[Condition]:
    window = f"{limits.window_minutes}m"
    requests = f"{_SERVING}request_count{{{of.named}}}"
    return conditions(
        of.model,
        limits,
        errors=error_share(_failed(of), requests, by=of.servers, window=window),
        latency=_latency(of, 0.99, window),
        replicas=f"up{{{of.pods}}}" if of.stays_up else None,
    )


def _failed(of: ClusterModel) -> str:
    return f'{_SERVING}request_count{{{of.named},status!="OK"}}'


def _latency(of: ClusterModel, fraction: float, window: str) -> str:
    buckets = f"{_SERVING}request_latency_bucket{{{of.named}}}"
    return f"{quantile(fraction, buckets, by=of.servers, window=window)} / {_MICROS_PER_MS}"


def _legend(of: ClusterModel) -> str:
    return " ".join(f"{{{{{label}}}}}" for label in of.servers.split(", "))
