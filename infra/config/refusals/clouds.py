"""What only a stack in a cloud has, and what only Google Cloud has. Pure data."""

from typing import Final

from infra.config.refusals.refusal import ALL, AWS, CLOUDS, Refusal

_NO_CLOUD: Final = ALL - CLOUDS
_ONLY_CLOUDS: Final = {
    "cluster": ("only a stack in a cloud makes its own cluster", "Remove the section"),
    "identity": ("there is no cloud whose roles could be granted", "Remove the section"),
    "budget": ("there is no cloud that bills this stack", "Remove the section"),
    "labels": ("labels are for what a cloud makes and bills", "Remove the section"),
}
_ONLY_BUCKETS: Final = (
    "keep_deleted_days",
    "abandoned_upload_days",
    "retention_days",
    "kms_key",
    "access_log_days",
    "location",
    "hierarchical_namespace",
)
_ONLY_GOOGLE: Final = {
    "bucket.location": ("a bucket of AWS is in the stack's region", "Remove the line"),
    "bucket.hierarchical_namespace": ("S3 has no folders to rename", "Remove the line"),
    "cluster.regional": ("EKS always runs its control plane in several zones", "Remove the line"),
    "cluster.release_channel": (
        "EKS is upgraded by its version",
        'Write for example: version: "1.34"',
    ),
    "cluster.maintenance": ("EKS has no maintenance window", "Remove the section"),
    "cluster.autopilot": ("only Google Cloud has Autopilot", "Remove the line"),
    "cluster.image_streaming": ("EKS does not stream images", "Remove the line"),
    "cluster.gpu_pools.*.provisioning": (
        "only Google Cloud sells nodes by flex-start and by queue",
        "Remove the line, or name a reservation",
    ),
    "cluster.gpu_pools.*.location_policy": ("EKS spreads nodes by itself", "Remove the line"),
    "cluster.gpu_pools.*.driver": ("the image of EKS has its driver in it", "Remove the line"),
    "cluster.gpu_pools.*.partition": (
        "EKS does not cut accelerators into parts by itself",
        "Remove the line, or write sharing: {strategy: time_slicing, clients: 4}",
    ),
    "identity.impersonation": ("on AWS a role is always acted as", "Remove the line"),
    "identity.ci.github.repository_id": (
        "a role of AWS does not look at the repository's number",
        "Remove the line",
    ),
}

CLOUD_REFUSALS: Final = (
    *(
        Refusal(field=field, platforms=_NO_CLOUD, reason=reason, remedy=remedy)
        for field, (reason, remedy) in _ONLY_CLOUDS.items()
    ),
    *(
        Refusal(
            field=f"bucket.{field}",
            platforms=_NO_CLOUD,
            reason="the bucket is a directory here",
            remedy="Remove the line",
        )
        for field in _ONLY_BUCKETS
    ),
    *(
        Refusal(field=field, platforms=AWS, reason=reason, remedy=remedy)
        for field, (reason, remedy) in _ONLY_GOOGLE.items()
    ),
    Refusal(
        field="cluster.endpoint",
        value="dns",
        platforms=AWS,
        reason="EKS has a public and a private address, and no door by name",
        remedy="Write: endpoint: public, or: endpoint: private",
    ),
)
