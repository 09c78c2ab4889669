"""The namespace that a stack's models are in, the same in every cluster."""

import pulumi
from pulumi_kubernetes import Provider
from pulumi_kubernetes.core.v1 import Namespace
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

from infra.serving.tf_serving.marks import MANAGED_BY, MANAGER, PART_OF, stack_label


def declare_namespace(stack: str, namespace: str, provider: Provider) -> Namespace:
    """Declare the namespace; what runs there passes the strictest standard for pods."""
    return Namespace(
        "models",
        metadata=ObjectMetaArgs(
            name=namespace,
            labels={
                MANAGED_BY: MANAGER,
                PART_OF: stack_label(stack),
                # What runs here passes the strictest standard, and nothing else is let in.
                "pod-security.kubernetes.io/enforce": "restricted",
            },
        ),
        opts=pulumi.ResourceOptions(provider=provider),
    )
