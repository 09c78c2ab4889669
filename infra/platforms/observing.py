"""From a stack's configuration to what is shown and watched of its models, on any platform.

A model is shown as soon as the stack file names it, so that its first release is seen too. A paused
stack keeps what shows the past, and nothing rings in it.
"""

from collections.abc import Mapping, Sequence

import pulumi

from infra.config import ModelConfig, StackConfig, Target
from infra.observe.charts import Limits
from infra.observe.cluster_metrics import ClusterModel


def limits_of(config: StackConfig) -> Limits | None:
    """Give from where on somebody is told; None where nothing rings."""
    alerts = config.observe.alerts
    if alerts is None or config.paused:
        return None
    return Limits(
        error_percent=alerts.error_percent,
        latency_ms=alerts.latency_ms,
        window_minutes=alerts.window_minutes,
    )


def models_in_cluster(config: StackConfig, namespace: str) -> tuple[ClusterModel, ...]:
    """Give the models whose metrics a cluster has."""
    return tuple(
        ClusterModel(
            model=name,
            namespace=namespace,
            scrape=str(model.kubernetes.scrape),  # type: ignore[arg-type] # the same three words
            batching=model.batching is not None,
            stays_up=model.version is not None and _keeps_a_pod(model),
        )
        for name, model in config.models.items()
        if model.target is Target.KUBERNETES
    )


def _keeps_a_pod(model: ModelConfig) -> bool:
    keda = model.kubernetes.keda
    return keda is None or keda.min_replicas > 0


def watch_in_cluster(
    stack: str,
    config: StackConfig,
    namespace: str,
    *,
    after: Sequence[pulumi.Resource],
    opts: pulumi.ResourceOptions,
) -> Mapping[str, object]:
    """Declare what Grafana and Prometheus in the cluster take; give the outputs that tell of it.

    Alerts are there `after` the models are.
    """
    if not config.observe.is_wanted:
        return {}
    # Kubernetes' SDK is there where a cluster is.
    from infra.observe.cluster_watch import ClusterWatch, ClusterWatchArgs  # noqa: PLC0415

    made = ClusterWatch(
        "watch",
        ClusterWatchArgs(
            stack=stack,
            namespace=namespace,
            models=models_in_cluster(config, namespace),
            dashboard=config.observe.dashboard,
            limits=limits_of(config),
            after=after,
        ),
        opts,
    )
    return {} if made.dashboard is None else {"dashboard": made.dashboard}
