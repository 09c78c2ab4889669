"""How the number of pods follows the load, and how many may be gone at once. Pure."""

from collections.abc import Mapping
from typing import Any, Final

# Loaded by the SDK at the first autoscaler, which most models have not.
from pulumi_kubernetes import autoscaling
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs
from pulumi_kubernetes.policy.v1 import PodDisruptionBudgetSpecArgs

from infra.serving.tf_serving.args import EventScaling, KubernetesModelArgs, Scaling
from infra.serving.tf_serving.marks import track_selector
from infra.serving.tf_serving.servers import Server

KEDA_API: Final = "keda.sh/v1alpha1"
# Load comes in waves; a pod that is taken away too soon is started again for the next one.
_DOWN_WINDOW_SECONDS: Final = 300
_UP_WINDOW_SECONDS: Final = 30
# A node with a GPU is slow to come and dear to keep: neither for a moment's load.
_GPU_UP_WINDOW_SECONDS: Final = 120
_GPU_DOWN_WINDOW_SECONDS: Final = 900


def autoscaler(
    args: KubernetesModelArgs, server: Server, scaling: Scaling
) -> "autoscaling.v2.HorizontalPodAutoscalerSpecArgs":
    """Give the HorizontalPodAutoscaler of one server."""
    on_gpu = args.gpu is not None
    return autoscaling.v2.HorizontalPodAutoscalerSpecArgs(
        scale_target_ref=autoscaling.v2.CrossVersionObjectReferenceArgs(
            api_version="apps/v1", kind="Deployment", name=server.name
        ),
        min_replicas=scaling.min_replicas,
        max_replicas=scaling.max_replicas,
        metrics=_metrics(args, server, scaling),
        behavior=autoscaling.v2.HorizontalPodAutoscalerBehaviorArgs(
            scale_up=autoscaling.v2.HPAScalingRulesArgs(
                stabilization_window_seconds=(
                    _GPU_UP_WINDOW_SECONDS if on_gpu else _UP_WINDOW_SECONDS
                ),
                select_policy="Max",
                policies=[
                    autoscaling.v2.HPAScalingPolicyArgs(
                        type="Percent", value=100, period_seconds=60
                    ),
                    autoscaling.v2.HPAScalingPolicyArgs(type="Pods", value=2, period_seconds=60),
                ],
            ),
            scale_down=autoscaling.v2.HPAScalingRulesArgs(
                stabilization_window_seconds=(
                    _GPU_DOWN_WINDOW_SECONDS if on_gpu else _DOWN_WINDOW_SECONDS
                ),
                select_policy="Min",
                policies=[
                    autoscaling.v2.HPAScalingPolicyArgs(
                        type="Percent", value=50, period_seconds=60
                    ),
                    autoscaling.v2.HPAScalingPolicyArgs(type="Pods", value=2, period_seconds=60),
                ],
            ),
        ),
    )


def scaled_object(server: Server, scaling: EventScaling) -> Mapping[str, Any]:
    """Give KEDA's ScaledObject, which may take the last pod away too."""
    return {
        "scaleTargetRef": {"name": server.name},
        "minReplicaCount": scaling.min_replicas,
        "maxReplicaCount": scaling.max_replicas,
        "cooldownPeriod": scaling.cooldown_seconds,
        "triggers": [
            {
                "type": "prometheus",
                "metadata": {
                    "serverAddress": scaling.prometheus_url,
                    "query": scaling.query,
                    "threshold": scaling.threshold,
                },
            }
        ],
    }


def disruption_budget(
    args: KubernetesModelArgs, server: Server
) -> PodDisruptionBudgetSpecArgs | None:
    """Let nodes be drained one pod at a time; a single pod could never be moved, so has none."""
    if not args.placement.disruption_budget or server.scaling.min_replicas < 2:  # noqa: PLR2004 - one pod and another
        return None
    return PodDisruptionBudgetSpecArgs(
        max_unavailable=1,
        # A pod that does not serve anyway shall not keep a node from being drained.
        unhealthy_pod_eviction_policy="AlwaysAllow",
        selector=LabelSelectorArgs(match_labels=track_selector(args, server.track)),
    )


def _metrics(
    args: KubernetesModelArgs, server: Server, scaling: Scaling
) -> "list[autoscaling.v2.MetricSpecArgs]":
    metrics = []
    if scaling.cpu_percent is not None:
        target = autoscaling.v2.MetricTargetArgs(
            type="Utilization", average_utilization=scaling.cpu_percent
        )
        metrics.append(
            autoscaling.v2.MetricSpecArgs(
                type="Resource",
                resource=autoscaling.v2.ResourceMetricSourceArgs(name="cpu", target=target),
            )
        )
    if scaling.gpu_duty_cycle_percent is not None:
        metrics.append(_gpu_metric(args, server, scaling))
    if scaling.requests_per_second is not None:
        metrics.append(_pods_metric(scaling.requests_metric, scaling.requests_per_second))
    return metrics


def _gpu_metric(
    args: KubernetesModelArgs, server: Server, scaling: Scaling
) -> "autoscaling.v2.MetricSpecArgs":
    percent = scaling.gpu_duty_cycle_percent
    if "|" not in scaling.gpu_metric:
        return _pods_metric(scaling.gpu_metric, percent)
    # Google's adapter writes its own metrics so, and knows containers, not Deployments.
    which = {
        "resource.labels.namespace_name": args.namespace,
        "resource.labels.container_name": server.name,
    }
    return autoscaling.v2.MetricSpecArgs(
        type="External",
        external=autoscaling.v2.ExternalMetricSourceArgs(
            metric=autoscaling.v2.MetricIdentifierArgs(
                name=scaling.gpu_metric, selector=LabelSelectorArgs(match_labels=which)
            ),
            target=autoscaling.v2.MetricTargetArgs(type="AverageValue", average_value=str(percent)),
        ),
    )


def _pods_metric(name: str, average: int | None) -> "autoscaling.v2.MetricSpecArgs":
    return autoscaling.v2.MetricSpecArgs(
        type="Pods",
        pods=autoscaling.v2.PodsMetricSourceArgs(
            metric=autoscaling.v2.MetricIdentifierArgs(name=name),
            target=autoscaling.v2.MetricTargetArgs(type="AverageValue", average_value=str(average)),
        ),
    )
