"""What only a cluster has, and what only one that exists has. Pure data."""

from typing import Final

from infra.config.refusals.refusal import ALL_TARGETS, CLOUDS, GCP, LOCAL, Refusal
from infra.config.values import Target

_KUBERNETES_TARGET: Final = frozenset({Target.KUBERNETES})

KUBERNETES_REFUSALS: Final = (
    Refusal(
        field="bucket.url",
        platforms=LOCAL,
        reason="the bucket of a local stack is a directory",
        remedy="Write path: instead, for example: path: .servestack/bucket",
    ),
    Refusal(
        field="bucket.url",
        platforms=CLOUDS,
        reason="a stack in a cloud makes its own bucket",
        remedy="Remove the line; name: names the bucket that is made",
    ),
    *(
        Refusal(
            field=f"kubernetes.{field}",
            platforms=CLOUDS,
            reason="a stack in a cloud makes its own cluster",
            remedy=remedy,
        )
        for field, remedy in (
            ("create_namespace", "Remove the line: the namespace is made"),
            *(
                (f"bucket.{key}", "Remove the line: pods reach the stack's own bucket")
                for key in ("node_path", "claim", "endpoint", "region", "secret")
            ),
            ("gpu_pools", "Write them below cluster.gpu_pools"),
            ("service_account_annotations", "Remove the section: the stack's own roles are used"),
        )
    ),
    Refusal(
        field="kubernetes.bucket.mountpoint",
        platforms=GCP,
        reason="TF Serving reads gs:// by itself",
        remedy="Remove the line",
    ),
    Refusal(
        field="models.*.kubernetes.conversion",
        platforms=CLOUDS,
        reason="a stack in a cloud gives no pod the right to publish",
        remedy="Remove the section; convert in a stack of platform kubernetes with the same bucket",
    ),
    Refusal(
        field="models.*.kubernetes",
        targets=ALL_TARGETS - _KUBERNETES_TARGET,
        reason="only Kubernetes reads it",
        remedy="Remove the section, or write: target: kubernetes",
    ),
)
