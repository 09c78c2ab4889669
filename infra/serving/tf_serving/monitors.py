"""Who scrapes a model's metrics, where annotations are not enough. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from infra.serving.rendering import METRICS_PATH
from infra.serving.tf_serving.args import KubernetesModelArgs
from infra.serving.tf_serving.marks import model_selector

POD_MONITORING_API: Final = "monitoring.googleapis.com/v1"
SERVICE_MONITOR_API: Final = "monitoring.coreos.com/v1"
_INTERVAL: Final = "30s"


def pod_monitoring(args: KubernetesModelArgs) -> Mapping[str, Any]:
    """Give what Google's managed Prometheus takes."""
    return {
        "selector": {"matchLabels": dict(model_selector(args))},
        "endpoints": [{"port": "rest", "path": METRICS_PATH, "interval": _INTERVAL}],
        "targetLabels": {
            "fromPod": [
                {"from": "app.kubernetes.io/instance", "to": "model"},
                {"from": "servestack/track", "to": "track"},
            ]
        },
    }


def service_monitor(args: KubernetesModelArgs) -> Mapping[str, Any]:
    """Give what the Prometheus operator takes: a PodMonitor would miss who selects by Service."""
    return {
        "selector": {"matchLabels": {**model_selector(args), "servestack/door": "model"}},
        "endpoints": [{"port": "rest", "path": METRICS_PATH, "interval": _INTERVAL}],
        "podTargetLabels": ["app.kubernetes.io/instance", "servestack/track"],
    }
