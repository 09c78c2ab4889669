"""Examples for the fields that only a stack on AWS has, and of others in AWS's own words."""

from collections.abc import Mapping
from typing import Any

_CI = {"identity": {"ci": {"github": {"repository": "example/models", "environment": "prod"}}}}
_BUDGET = {"budget": {"monthly": 500, "emails": ["ml-team@example.com"]}}
_VPC = {"vpc": "vpc-0a1b2c3d", "subnets": ["subnet-0a1b2c3d", "subnet-4e5f6a7b"]}
_L4 = {"cluster": {"gpu_pools": {"heart": {"accelerator": "nvidia-l4"}}}}
_RANGE = {"autoscaling": {"min_replicas": 1, "max_replicas": 2}}


def _sagemaker(**how: Any) -> Mapping[str, Any]:
    return {"version": 2, "sagemaker": how}


_UPDATE = _sagemaker(update={"shifting": "canary"})
_NIGHT = {"when": "cron(0 20 ? * * *)", "min_replicas": 1, "max_replicas": 3}
_SCALING = {**_RANGE, "version": 2, "sagemaker": {"scaling": {}}}
_SCHEDULE = {
    **_RANGE,
    "version": 2,
    "sagemaker": {"scaling": {"schedule": {"heart": _NIGHT}}},
}

AWS_EXAMPLES: Mapping[str, tuple[Any, Mapping[str, Any]]] = {
    "aws.account": ("123456789012", {}),
    "aws.vpc": ("vpc-0a1b2c3d", {"aws": _VPC}),
    "aws.subnets": (["subnet-0a1b2c3d", "subnet-8a9b0c1d"], {"aws": _VPC}),
    "aws.vpc_range": ("10.9.0.0/18", {}),
    "aws.nat": ("per_zone", {}),
    "aws.pod_identity": ("irsa", {}),
    "aws.secrets_key": (False, {}),
    "aws.cluster_admins": (["arn:aws:iam::123456789012:role/ml-admins"], {}),
    "aws.github_provider": (False, _CI),
    "aws.permissions_boundary": ("arn:aws:iam::123456789012:policy/boundary", {}),
    "models.*.sagemaker.instance_type": ("ml.c5.xlarge", _sagemaker()),
    "models.*.sagemaker.tensorflow": ("2.18", _sagemaker()),
    "models.*.sagemaker.image": (
        "123456789012.dkr.ecr.eu-central-1.amazonaws.com/serving:1",
        {"version": 2},
    ),
    "models.*.sagemaker.startup_seconds": (600, _sagemaker()),
    "models.*.sagemaker.serverless.memory_mb": (4096, _sagemaker()),
    "models.*.sagemaker.serverless.max_concurrency": (50, _sagemaker()),
    "models.*.sagemaker.serverless.provisioned_concurrency": (2, _sagemaker()),
    "models.*.sagemaker.asynchronous.max_concurrent": (4, _sagemaker()),
    "models.*.sagemaker.shadow.version": (3, _sagemaker(shadow={"share": 50})),
    "models.*.sagemaker.shadow.share": (20, _sagemaker(shadow={"version": 3})),
    "models.*.sagemaker.data_capture.percent": (20, _sagemaker()),
    "models.*.sagemaker.update.shifting": ("linear", _sagemaker()),
    "models.*.sagemaker.update.percent": (20, _UPDATE),
    "models.*.sagemaker.update.wait_seconds": (60, _UPDATE),
    "models.*.sagemaker.update.bake_seconds": (60, _UPDATE),
    "models.*.sagemaker.alarms.server_errors": (9, _sagemaker()),
    "models.*.sagemaker.alarms.latency_ms": (80, _sagemaker()),
    "models.*.sagemaker.alarms.gpu_percent": (90, _sagemaker(instance_type="ml.g5.xlarge")),
    "models.*.sagemaker.alarms.notify": (
        "arn:aws:sns:eu-central-1:123456789012:on-call",
        _sagemaker(),
    ),
    "models.*.sagemaker.scaling.invocations_per_instance": (300, _SCALING),
    "models.*.sagemaker.scaling.scale_out_seconds": (30, _SCALING),
    "models.*.sagemaker.scaling.scale_in_seconds": (900, _SCALING),
    "models.*.sagemaker.scaling.scale_in": (False, _SCALING),
    "models.*.sagemaker.scaling.schedule.*.when": ("cron(0 6 ? * * *)", _SCHEDULE),
    "models.*.sagemaker.scaling.schedule.*.timezone": ("Europe/Berlin", _SCHEDULE),
    "models.*.sagemaker.scaling.schedule.*.min_replicas": (2, _SCHEDULE),
    "models.*.sagemaker.scaling.schedule.*.max_replicas": (5, _SCHEDULE),
}

# The same fields as elsewhere, in the words of AWS.
ON_AWS: Mapping[str, tuple[Any, Mapping[str, Any]]] = {
    "gcp.billing_account": ("012345-6789AB-CDEF01", {}),
    "bucket.kms_key": ("arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d", {}),
    "cluster.regional": (False, {"cluster": {"zones": ["eu-central-1a", "eu-central-1b"]}}),
    "cluster.zones": (["eu-central-1a", "eu-central-1b"], {}),
    "cluster.gpu_pools.*.machine_type": (
        "g6.2xlarge",
        _L4,
    ),
    "cluster.gpu_pools.*.accelerators_per_node": (
        4,
        _L4,
    ),
    "cluster.gpu_pools.*.reservation": (
        "cr-0123456789abcdef0",
        _L4,
    ),
    "cluster.gpu_pools.*.zones": (
        ["eu-central-1b"],
        _L4,
    ),
    "cluster.gpu_pools.*.partition": ("1g.5gb", _L4),
    "cluster.system_pool.machine_type": ("m6i.2xlarge", {}),
    "identity.publishers": (["arn:aws:iam::123456789012:role/ml-team"], {}),
    "observe.alerts.emails": (
        ["ml-team@example.com"],
        {"observe": {"alerts": {}}, "models": {"heart": {"target": "sagemaker"}}},
    ),
    "budget.monthly": (400, _BUDGET),
    "budget.currency": ("EUR", _BUDGET),
    "budget.thresholds": ([80, 100], _BUDGET),
    "budget.forecast_thresholds": ([120], _BUDGET),
    "budget.topic": (True, _BUDGET),
    "budget.emails": (["other@example.com"], _BUDGET),
}
