"""The cluster autoscaler on EKS: what lets groups of nodes grow from nothing, and shrink again.

It finds the groups by their tags, and may resize those of its own cluster only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_aws as aws
from pulumi_kubernetes.apps.v1 import Deployment, DeploymentSpecArgs
from pulumi_kubernetes.core.v1 import (
    CapabilitiesArgs,
    ContainerArgs,
    EnvVarArgs,
    HTTPGetActionArgs,
    PodSecurityContextArgs,
    PodSpecArgs,
    PodTemplateSpecArgs,
    ProbeArgs,
    ResourceRequirementsArgs,
    SeccompProfileArgs,
    SecurityContextArgs,
    ServiceAccount,
)
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs
from pulumi_kubernetes.rbac.v1 import (
    ClusterRole,
    ClusterRoleBinding,
    PolicyRuleArgs,
    Role,
    RoleBinding,
    RoleRefArgs,
    SubjectArgs,
)

COMPONENT_TYPE: Final = "servestack:compute:EksAutoscaler"
IMAGE: Final = "registry.k8s.io/autoscaling/cluster-autoscaler:v1.34.1"
_NAMESPACE: Final = "kube-system"
_NAME: Final = "cluster-autoscaler"
# Where it serves its metrics and its health, if it is not told otherwise.
_HEALTH_PORT: Final = 8085
_LABELS: Final = {"app.kubernetes.io/name": _NAME, "app.kubernetes.io/managed-by": "servestack"}
_WATCH: Final = ("watch", "list", "get")
# What it looks at to know whether a pod would fit a node that is not there yet.
_LOOKS_AT: Final[dict[str, tuple[str, ...]]] = {
    "": (
        *("pods", "services", "replicationcontrollers", "persistentvolumeclaims"),
        *("persistentvolumes", "namespaces", "endpoints"),
    ),
    "apps": ("daemonsets", "replicasets", "statefulsets"),
    "batch": ("jobs", "cronjobs"),
    "policy": ("poddisruptionbudgets",),
    "storage.k8s.io": (
        *("storageclasses", "csinodes", "csidrivers", "csistoragecapacities"),
        "volumeattachments",
    ),
    "resource.k8s.io": ("deviceclasses", "resourceclaims", "resourceslices"),
}


@dataclass(frozen=True, kw_only=True)
class EksAutoscalerArgs:
    """Of which cluster, and by which role."""

    cluster: pulumi.Input[str]
    cluster_name: str
    region: str
    role_arn: pulumi.Input[str]
    aws_provider: aws.Provider
    after: Sequence[pulumi.Resource] = ()


class EksAutoscaler(pulumi.ComponentResource):
    """The autoscaler, its rights in the cluster, and its way to the role."""

    def __init__(
        self, name: str, args: EksAutoscalerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(COMPONENT_TYPE, name, None, opts)
        self._inside = pulumi.ResourceOptions(parent=self)
        account = ServiceAccount(
            name,
            metadata=ObjectMetaArgs(name=_NAME, namespace=_NAMESPACE, labels=_LABELS),
            opts=self._inside,
        )
        self._rights(name)
        role = aws.eks.PodIdentityAssociation(
            name,
            aws.eks.PodIdentityAssociationArgs(
                cluster_name=args.cluster,
                namespace=_NAMESPACE,
                service_account=_NAME,
                role_arn=args.role_arn,
            ),
            pulumi.ResourceOptions(
                parent=self, provider=args.aws_provider, depends_on=[*args.after]
            ),
        )
        Deployment(
            name,
            metadata=ObjectMetaArgs(name=_NAME, namespace=_NAMESPACE, labels=_LABELS),
            spec=DeploymentSpecArgs(
                replicas=1,
                selector=LabelSelectorArgs(match_labels=_LABELS),
                template=PodTemplateSpecArgs(
                    metadata=ObjectMetaArgs(labels=_LABELS), spec=_pod(args)
                ),
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[account, role]),
        )
        self.register_outputs({})

    def _rights(self, name: str) -> None:
        subject = [SubjectArgs(kind="ServiceAccount", name=_NAME, namespace=_NAMESPACE)]
        group = "rbac.authorization.k8s.io"
        everywhere = ClusterRole(
            name,
            metadata=ObjectMetaArgs(name=_NAME, labels=_LABELS),
            rules=[
                _rule("", ("events",), ("create", "patch")),
                _rule("", ("pods/eviction",), ("create",)),
                _rule("", ("pods/status",), ("update",)),
                _rule("", ("nodes",), (*_WATCH, "update")),
                *(_rule(api, kinds, _WATCH) for api, kinds in _LOOKS_AT.items()),
            ],
            opts=self._inside,
        )
        ClusterRoleBinding(
            name,
            metadata=ObjectMetaArgs(name=_NAME, labels=_LABELS),
            role_ref=RoleRefArgs(
                api_group=group, kind="ClusterRole", name=everywhere.metadata.name.apply(str)
            ),
            subjects=subject,
            opts=self._inside,
        )
        here = Role(
            name,
            metadata=ObjectMetaArgs(name=_NAME, namespace=_NAMESPACE, labels=_LABELS),
            rules=[
                _rule("", ("configmaps",), ("create", "list", "watch")),
                PolicyRuleArgs(
                    api_groups=[""],
                    resources=["configmaps"],
                    resource_names=["cluster-autoscaler-status"],
                    verbs=["get", "update", "delete"],
                ),
                # One at a time decides.
                _rule("coordination.k8s.io", ("leases",), ("create",)),
                PolicyRuleArgs(
                    api_groups=["coordination.k8s.io"],
                    resources=["leases"],
                    resource_names=[_NAME],
                    verbs=["get", "update"],
                ),
            ],
            opts=self._inside,
        )
        RoleBinding(
            name,
            metadata=ObjectMetaArgs(name=_NAME, namespace=_NAMESPACE, labels=_LABELS),
            role_ref=RoleRefArgs(api_group=group, kind="Role", name=here.metadata.name.apply(str)),
            subjects=subject,
            opts=self._inside,
        )


def _rule(api: str, kinds: Sequence[str], verbs: Sequence[str]) -> PolicyRuleArgs:
    return PolicyRuleArgs(api_groups=[api], resources=[*kinds], verbs=[*verbs])


def _probe() -> ProbeArgs:
    return ProbeArgs(
        http_get=HTTPGetActionArgs(path="/health-check", port=_HEALTH_PORT), period_seconds=20
    )


def _pod(args: EksAutoscalerArgs) -> PodSpecArgs:
    tags = f"k8s.io/cluster-autoscaler/enabled,k8s.io/cluster-autoscaler/{args.cluster_name}"
    return PodSpecArgs(
        service_account_name=_NAME,
        priority_class_name="system-cluster-critical",
        security_context=PodSecurityContextArgs(
            run_as_non_root=True,
            run_as_user=65534,
            seccomp_profile=SeccompProfileArgs(type="RuntimeDefault"),
        ),
        containers=[
            ContainerArgs(
                name=_NAME,
                image=IMAGE,
                command=["./cluster-autoscaler"],
                args=[
                    "--cloud-provider=aws",
                    f"--node-group-auto-discovery=asg:tag={tags}",
                    # GPUs are dear: of groups that fit, the one that wastes least.
                    "--expander=least-waste",
                    "--balance-similar-node-groups",
                    "--skip-nodes-with-system-pods=false",
                ],
                env=[EnvVarArgs(name="AWS_REGION", value=args.region)],
                security_context=SecurityContextArgs(
                    allow_privilege_escalation=False,
                    read_only_root_filesystem=True,
                    capabilities=CapabilitiesArgs(drop=["ALL"]),
                ),
                resources=ResourceRequirementsArgs(
                    requests={"cpu": "100m", "memory": "300Mi"}, limits={"memory": "600Mi"}
                ),
                # Its own measure: an error once no loop has come to its end for a while.
                liveness_probe=_probe(),
                readiness_probe=_probe(),
            )
        ],
    )
