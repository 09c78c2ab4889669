"""Models to be shown and watched, of every kind, and what is made of them."""

from typing import Any

from infra.observe.charts import Limits, Watched
from infra.observe.cluster_metrics import ClusterModel, Scraping, watched_in_cluster
from infra.observe.cluster_watch import ClusterWatch, ClusterWatchArgs
from infra.observe.vertex_metrics import VertexEndpoint, watched_on_vertex
from tests.declaring import declare

LIMITS = Limits(error_percent=1, latency_ms=500, window_minutes=5)
SCRAPINGS: tuple[Scraping, ...] = ("annotations", "pod-monitoring", "service-monitor")


def in_cluster(
    scrape: Scraping = "service-monitor", *, window: str = "5m", limits: Limits | None = LIMITS
) -> Watched:
    model = ClusterModel(model="heart", namespace="models", scrape=scrape, batching=True)
    return watched_in_cluster(model, window=window, limits=limits)


def on_vertex(*, window: str = "5m", limits: Limits | None = LIMITS) -> Watched:
    model = VertexEndpoint(model="digits", endpoint_id="123456789", has_gpu=True)
    return watched_on_vertex(model, window=window, limits=limits)


def observation(namespace: str) -> dict[str, dict[str, Any]]:
    """Give the objects that a cluster is sent, by their kind."""
    args = ClusterWatchArgs(
        stack="prod",
        namespace=namespace,
        models=[
            ClusterModel(model=name, namespace=namespace, scrape="service-monitor", batching=True)
            for name in ("heart", "digits")
        ],
        dashboard=True,
        limits=LIMITS,
    )
    made = declare(lambda: ClusterWatch("watch", args)).resources
    found = [dict(one.inputs) for one in made if one.type.startswith("kubernetes:")]
    return {one["kind"]: one for one in found}
