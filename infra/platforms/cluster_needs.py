"""What a stack needs of a cluster that exists, and what to say where the cluster lacks it. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from infra.compute.api_server import kubectl
from infra.compute.questions import (
    GATEWAY_KINDS,
    KEDA_KIND,
    POD_MONITORING_KIND,
    PROMETHEUS_RULE_KIND,
    SERVICE_MONITOR_KIND,
    Found,
    Kind,
    Wanted,
)
from infra.config import ModelConfig, StackConfig
from infra.config.kubernetes_values import Scrape
from infra.platforms.cluster_models import cluster_models
from infra.serving.tf_serving.marks import MANAGED_BY, MANAGER, PART_OF, stack_label

# Since then a pod can pause before it ends without a program in its image that does.
OLDEST_MINOR = 30
_CPU_METRICS = "metrics.k8s.io"
_POD_METRICS = "custom.metrics.k8s.io"
_OTHER_METRICS = "external.metrics.k8s.io"
_METRICS_BRINGERS = {
    _CPU_METRICS: "metrics-server",
    _POD_METRICS: "an adapter for custom metrics, such as prometheus-adapter",
    _OTHER_METRICS: "an adapter for external metrics, such as Google's for Stackdriver",
}


def wanted_of(config: StackConfig, namespace: str) -> Wanted:
    """Give what to ask the cluster, each by the key that asks for it."""
    models = cluster_models(config)
    return Wanted(
        namespace=namespace,
        kinds=dict(_kinds(config, models)),
        objects=dict(_objects(config, models, namespace)),
        metrics=dict(_metrics(models)),
        nodes=bool(_undeclared_gpus(config, models)),
    )


def lacking(
    config: StackConfig, stack: str, wanted: Wanted, found: Found
) -> Iterator[tuple[str, str]]:
    """Give each key that asks for what the cluster lacks, and what to do."""
    if found.minor < OLDEST_MINOR:
        yield (
            "kubernetes.context",
            (
                f"the cluster runs Kubernetes 1.{found.minor}, and what pods are made of needs "
                f"1.{OLDEST_MINOR}. Upgrade it, or name another"
            ),
        )
    yield from _namespace_problems(config, stack, wanted, found)
    for key, kinds in found.missing_kinds.items():
        names = ", ".join(f"{kind.kind} ({kind.group}/{kind.version})" for kind in kinds)
        yield (
            key,
            f"the cluster does not know {names}. Install {kinds[0].brought_by}, or remove the key",
        )
    for key in sorted(found.missing_objects):
        kind, name = wanted.objects[key].split("/")[-2:]
        yield key, f"the cluster has no {name} among its {kind}. Make it, or mend the name"
    for key in sorted(found.missing_metrics):
        group = wanted.metrics[key]
        yield (
            key,
            (
                f"the cluster has no {group}, so that the number of pods would never follow this "
                f"load. Install {_METRICS_BRINGERS[group]}, or remove the key"
            ),
        )


def _namespace_problems(
    config: StackConfig, stack: str, wanted: Wanted, found: Found
) -> Iterator[tuple[str, str]]:
    if found.namespace is None:
        if not config.kubernetes.create_namespace:
            yield (
                "kubernetes.create_namespace",
                (
                    f"there is no namespace {wanted.namespace} in the cluster. Make it "
                    f"({kubectl(config.kubernetes.context)} create namespace "
                    f"{wanted.namespace}), or remove the line"
                ),
            )
        return
    labels = found.namespace["metadata"].get("labels", {})
    is_ours = labels.get(MANAGED_BY) == MANAGER and labels.get(PART_OF) == stack_label(stack)
    if config.kubernetes.create_namespace and not is_ours:
        yield (
            "kubernetes.namespace",
            (
                f"{wanted.namespace} is in the cluster already and is not this stack's; `pulumi "
                "destroy` would delete it with everything in it. Name another, or write: "
                "create_namespace: false"
            ),
        )


def _kinds(
    config: StackConfig, models: Mapping[str, ModelConfig]
) -> Iterator[tuple[str, Sequence[Kind]]]:
    if config.kubernetes.gateway is not None and models:
        yield "kubernetes.gateway", GATEWAY_KINDS
    alerts = config.observe.alerts is not None and not config.paused
    if alerts:
        # Alerts bring monitors with them, which the same operator takes.
        yield "observe.alerts", (PROMETHEUS_RULE_KIND,)
    for name, model in models.items():
        at = f"models.{name}.kubernetes"
        if model.kubernetes.keda is not None:
            yield f"{at}.keda", (KEDA_KIND,)
        if model.kubernetes.scrape is Scrape.POD_MONITORING:
            yield f"{at}.scrape", (POD_MONITORING_KIND,)
        if model.kubernetes.scrape is Scrape.SERVICE_MONITOR and not alerts:
            yield f"{at}.scrape", (SERVICE_MONITOR_KIND,)


def _objects(
    config: StackConfig, models: Mapping[str, ModelConfig], namespace: str
) -> Iterator[tuple[str, str]]:
    gateway, claim = config.kubernetes.gateway, config.kubernetes.bucket.claim
    if gateway is not None and models:
        path = "/apis/gateway.networking.k8s.io/v1/namespaces"
        yield "kubernetes.gateway.name", f"{path}/{gateway.namespace}/gateways/{gateway.name}"
    if claim is not None and not config.kubernetes.create_namespace:
        path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{claim}"
        yield "kubernetes.bucket.claim", path
    for name, model in models.items():
        wanted = model.kubernetes.priority_class
        if wanted is not None:
            key = f"models.{name}.kubernetes.priority_class"
            yield key, f"/apis/scheduling.k8s.io/v1/priorityclasses/{wanted}"


def _metrics(models: Mapping[str, ModelConfig]) -> Iterator[tuple[str, str]]:
    for name, model in models.items():
        if model.autoscaling is not None:
            yield f"models.{name}.autoscaling", _CPU_METRICS
        load = model.kubernetes.load
        if load is not None and load.requests_per_second is not None:
            yield f"models.{name}.kubernetes.load.requests_per_second", _POD_METRICS
        if load is not None and load.gpu_duty_cycle_percent is not None:
            group = _OTHER_METRICS if "|" in load.gpu_metric else _POD_METRICS
            yield f"models.{name}.kubernetes.load.gpu_duty_cycle_percent", group


def _undeclared_gpus(config: StackConfig, models: Mapping[str, ModelConfig]) -> frozenset[str]:
    declared = {pool.accelerator for pool in config.kubernetes.gpu_pools.values()}
    asked = {model.gpu.type for model in models.values() if model.gpu is not None}
    return frozenset(asked - declared)
