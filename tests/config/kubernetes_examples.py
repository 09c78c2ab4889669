"""Examples for the fields that only a stack with a cluster has."""

from collections.abc import Mapping
from typing import Any

_POOL = {
    "kubernetes": {
        "gpu_pools": {"heart": {"accelerator": "nvidia-l4", "node_labels": {"pool": "l4"}}}
    }
}
_S3 = {"bucket": {"url": "s3://example-models"}}
_GATEWAY = {
    "kubernetes": {
        "gateway": {"name": "public", "namespace": "gateways", "domain": "models.example.com"}
    }
}
_INGRESS = {"kubernetes": {"ingress": {"host": "heart.example.com"}}}
_SCALING = {"autoscaling": {"min_replicas": 1, "max_replicas": 2}}
_LOAD = {**_SCALING, "kubernetes": {"load": {"requests_per_second": 50}}}
_GPU_LOAD = {
    **_SCALING,
    "gpu": {"type": "nvidia-l4"},
    "kubernetes": {"load": {"gpu_duty_cycle_percent": 60}},
}
_KEDA = {
    "kubernetes": {
        "keda": {
            "max_replicas": 4,
            "prometheus_url": "http://prometheus.monitoring:9090",
            "query": "sum(rate(requests[1m]))",
            "threshold": "20",
        }
    }
}
_CONVERSION = {
    "gpu": {"type": "nvidia-l4"},
    "kubernetes": {
        "conversion": {"of": 2, "to": 5, "publisher_image": "registry.example.com/train:1"}
    },
}

# A value for each field, and what else the stack needs beside it.
KUBERNETES_EXAMPLES: Mapping[str, tuple[Any, Mapping[str, Any]]] = {
    "bucket.url": ("gs://example-models", {}),
    "kubernetes.create_namespace": (False, {}),
    "kubernetes.bucket.node_path": ("/srv/models", {}),
    "kubernetes.bucket.claim": ("models", {}),
    "kubernetes.bucket.mountpoint": (True, _S3),
    "kubernetes.bucket.endpoint": ("http://minio.storage:9000", _S3),
    "kubernetes.bucket.region": ("eu-central-1", _S3),
    "kubernetes.bucket.secret": ("models-bucket", _S3),
    "kubernetes.gateway.name": ("private", _GATEWAY),
    "kubernetes.gateway.namespace": ("networking", _GATEWAY),
    "kubernetes.gateway.domain": ("ml.example.com", _GATEWAY),
    "kubernetes.gateway.tls": (False, _GATEWAY),
    "kubernetes.gpu_pools.*.accelerator": ("nvidia-l4", _POOL),
    "kubernetes.gpu_pools.*.node_labels": ({"pool": "l4"}, _POOL),
    "kubernetes.gpu_pools.*.taints": (["nvidia.com/gpu", "dedicated"], _POOL),
    "kubernetes.gpu_pools.*.gpus_per_node": (2, _POOL),
    "kubernetes.gpu_pools.*.max_nodes": (3, _POOL),
    "kubernetes.gpu_pools.*.clients_per_gpu": (4, _POOL),
    "kubernetes.service_account_annotations": (
        {"iam.gke.io/gcp-service-account": "models@example-ml.iam.gserviceaccount.com"},
        {},
    ),
    "models.*.kubernetes.image": ("registry.example.com/serving:2.19.1", {}),
    "models.*.kubernetes.image_pull_secret": ("registry", {}),
    "models.*.kubernetes.service_type": ("LoadBalancer", {}),
    "models.*.kubernetes.service_annotations": ({"example.com/team": "vision"}, {}),
    "models.*.kubernetes.headless": (True, {}),
    "models.*.kubernetes.ingress.host": ("heart.example.org", _INGRESS),
    "models.*.kubernetes.ingress.class_name": ("nginx", _INGRESS),
    "models.*.kubernetes.ingress.tls_secret": ("heart-tls", _INGRESS),
    "models.*.kubernetes.ingress.annotations": ({"example.com/team": "vision"}, _INGRESS),
    "models.*.kubernetes.network_policy": (False, {}),
    "models.*.kubernetes.client_namespaces": (["web"], {}),
    "models.*.kubernetes.disruption_budget": (False, {"replicas": 2}),
    "models.*.kubernetes.spread": ("require", {}),
    "models.*.kubernetes.priority_class": ("serving", {}),
    "models.*.kubernetes.node_labels": ({"pool": "cpu"}, {}),
    "models.*.kubernetes.drain_seconds": (30, {}),
    "models.*.kubernetes.scrape": ("service-monitor", {}),
    "models.*.kubernetes.load.requests_per_second": (40, _LOAD),
    "models.*.kubernetes.load.requests_metric": ("heart_requests", _LOAD),
    "models.*.kubernetes.load.gpu_duty_cycle_percent": (70, _GPU_LOAD),
    "models.*.kubernetes.load.gpu_metric": ("DCGM_FI_DEV_GPU_UTIL", _GPU_LOAD),
    "models.*.kubernetes.conversion.of": (2, _CONVERSION),
    "models.*.kubernetes.conversion.to": (6, _CONVERSION),
    "models.*.kubernetes.conversion.precision": ("fp32", _CONVERSION),
    "models.*.kubernetes.conversion.publisher_image": ("registry.example.com/x:2", _CONVERSION),
    "models.*.kubernetes.conversion.image": ("registry.example.com/tf:2.17", _CONVERSION),
    "models.*.kubernetes.keda.min_replicas": (1, _KEDA),
    "models.*.kubernetes.keda.max_replicas": (5, _KEDA),
    "models.*.kubernetes.keda.prometheus_url": ("http://prometheus.metrics:9090", _KEDA),
    "models.*.kubernetes.keda.query": ("sum(rate(calls[1m]))", _KEDA),
    "models.*.kubernetes.keda.threshold": ("30", _KEDA),
    "models.*.kubernetes.keda.cooldown_seconds": (600, _KEDA),
}
# What a running server can do only where it sees the bucket; on AWS that has to be mounted for it.
FOLLOWING = frozenset({"models.*.strategy", "models.*.poll_seconds"})
