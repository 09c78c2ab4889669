"""Examples for the fields that only a stack in a cloud has."""

from collections.abc import Mapping
from typing import Any


def _pool(accelerator: str = "nvidia-l4", **beside: Any) -> Mapping[str, Any]:
    return {"cluster": {"gpu_pools": {"heart": {"accelerator": accelerator, **beside}}}}


_POOL = _pool()
_SHARING = _pool(sharing={"strategy": "time_slicing", "clients": 2})
_WINDOW = {"cluster": {"maintenance": {"start": "02:00", "hours": 8}}}
_GITHUB = {"repository": "example/models", "environment": "production"}
_CI = {"identity": {"ci": {"github": _GITHUB}}}
_BUDGET = {"budget": {"monthly": 500}}
_ALERTS = {"observe": {"alerts": {"error_percent": 3, "latency_ms": 200}}}

# A value for each field, and what else the stack needs beside it.
CLOUD_EXAMPLES: Mapping[str, tuple[Any, Mapping[str, Any]]] = {
    "bucket.keep_deleted_days": (14, {}),
    "bucket.abandoned_upload_days": (3, {}),
    "bucket.retention_days": (90, {}),
    "bucket.kms_key": (
        "projects/example-ml/locations/europe-west4/keyRings/models/cryptoKeys/bucket",
        {},
    ),
    "bucket.access_log_days": (30, {}),
    "bucket.location": ("europe-west1+europe-west4", {}),
    "bucket.hierarchical_namespace": (True, {}),
    "gcp.network": ("shared", {"gcp": {"subnetwork": "shared"}}),
    "gcp.subnetwork": ("shared", {"gcp": {"network": "shared"}}),
    "gcp.billing_account": ("012345-6789AB-CDEF01", _BUDGET),
    "cluster.existing": ("shared", {}),
    "cluster.regional": (False, {"cluster": {"zones": ["europe-west4-a"]}}),
    "cluster.zones": (["europe-west4-a", "europe-west4-b"], {}),
    "cluster.version": ("1.34", {}),
    "cluster.release_channel": ("stable", {}),
    "cluster.endpoint": ("private", {}),
    "cluster.authorized_networks": (["203.0.113.0/24"], {}),
    "cluster.maintenance.start": ("04:00", {}),
    "cluster.maintenance.hours": (12, _WINDOW),
    "cluster.maintenance.days": (["sat", "sun"], _WINDOW),
    "cluster.deletion_protection": (True, {}),
    "cluster.autopilot": (True, {}),
    "cluster.image_streaming": (False, {}),
    "cluster.system_pool.machine_type": ("n2-standard-4", {}),
    "cluster.system_pool.min_nodes": (2, {}),
    "cluster.system_pool.max_nodes": (5, {}),
    "cluster.system_pool.disk_size_gb": (50, {}),
    "cluster.system_pool.spot": (True, {}),
    "cluster.gpu_pools.*.accelerator": ("nvidia-l4", {}),
    "cluster.gpu_pools.*.accelerators_per_node": (2, _POOL),
    "cluster.gpu_pools.*.machine_type": ("g2-standard-12", _POOL),
    "cluster.gpu_pools.*.min_nodes": (1, _POOL),
    "cluster.gpu_pools.*.max_nodes": (4, _POOL),
    "cluster.gpu_pools.*.spot": (True, _POOL),
    "cluster.gpu_pools.*.reservation": ("gpus-of-ours", _POOL),
    "cluster.gpu_pools.*.provisioning": ("flex_start", _POOL),
    "cluster.gpu_pools.*.location_policy": ("balanced", _POOL),
    "cluster.gpu_pools.*.zones": (["europe-west4-b"], _POOL),
    "cluster.gpu_pools.*.disk_size_gb": (200, _POOL),
    "cluster.gpu_pools.*.driver": ("latest", _POOL),
    "cluster.gpu_pools.*.sharing.strategy": ("time_slicing", _SHARING),
    "cluster.gpu_pools.*.sharing.clients": (4, _SHARING),
    "cluster.gpu_pools.*.partition": ("1g.5gb", _pool(accelerator="nvidia-tesla-a100")),
    "identity.per_model": (False, {}),
    "identity.impersonation": (True, {}),
    "identity.publishers": (["group:ml-team@example.com"], {}),
    "identity.publisher_key": (True, {}),
    "identity.ci.github.repository": ("example/other", _CI),
    "identity.ci.github.environment": ("staging", _CI),
    "identity.ci.github.repository_id": ("123456789", _CI),
    "budget.monthly": (400, {}),
    "budget.currency": ("EUR", _BUDGET),
    "budget.thresholds": ([80, 100], _BUDGET),
    "budget.forecast_thresholds": ([120], _BUDGET),
    "budget.emails": (["ml-team@example.com"], _BUDGET),
    "budget.topic": (True, _BUDGET),
    "observe.dashboard": (True, {}),
    "observe.alerts.emails": (["ml-team@example.com"], _ALERTS),
    "observe.alerts.error_percent": (2.5, _ALERTS),
    "observe.alerts.latency_ms": (300, _ALERTS),
    "observe.alerts.window_minutes": (10, _ALERTS),
    "labels": ({"team": "vision"}, {}),
    "paused": (True, {}),
}
# What a model's field needs of the stack around it.
_L4 = {"cluster": {"gpu_pools": {"l4": {"accelerator": "nvidia-l4", "accelerators_per_node": 4}}}}
BESIDE_MODELS: Mapping[str, Mapping[str, Any]] = {
    "models.*.gpu": _L4,
    "models.*.kubernetes.load.gpu": _L4,
    "models.*.kubernetes.conversion": _L4,
    "models.*.vertex.target_gpu": _L4,
}
