"""A cluster of EKS with its groups of nodes, or groups for a cluster that is there already.

Nodes are in private subnets and have the least that a node needs; pods get their roles by Pod
Identity, or by the cluster's own tokens, so a node's role reads no model. Who may enter is said by
access entries, and the state has no token: a kubeconfig asks `aws eks get-token` for one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from infra.compute.eks_node_group import NodeGroupPlace, node_group
from infra.compute.eks_pools import NodePoolSpec
from infra.compute.kubeconfig import CredentialProgram, kubeconfig
from infra.identity.aws import AwsRole, AwsRoleArgs
from infra.identity.aws_policies import document
from infra.identity.aws_trust import trust_instances, trust_pods

COMPONENT_TYPE: Final = "servestack:compute:EksCluster"
Endpoint = Literal["public", "private"]

_LOGS: Final = ("api", "audit", "authenticator", "controllerManager", "scheduler")
_NODE_POLICIES: Final = ("AmazonEKSWorkerNodeMinimalPolicy", "AmazonEC2ContainerRegistryPullOnly")
_NETWORK_POLICY: Final = "AmazonEKS_CNI_Policy"
_MOUNTPOINT: Final = "aws-mountpoint-s3-csi-driver"
_MOUNTER: Final = "s3-csi-driver-sa"
_ADMIN: Final = "AmazonEKSClusterAdminPolicy"
_TIMEOUTS: Final = pulumi.CustomTimeouts(create="40m", update="60m", delete="30m")


@dataclass(frozen=True, kw_only=True)
class NewCluster:
    """What a cluster of the stack's own is like; one that exists has all of this already."""

    name: str
    subnets: Sequence[pulumi.Input[str]]
    after: Sequence[pulumi.Resource] = ()
    version: str | None = None
    endpoint: Endpoint = "public"
    authorized_networks: tuple[str, ...] = ()
    deletion_protection: bool = False
    secrets_key: bool = True
    admins: tuple[str, ...] = ()
    # Who mounts the bucket; without it nothing that mounts is installed.
    mounter: AwsRole | None = None


@dataclass(frozen=True, kw_only=True)
class EksClusterArgs:
    """A cluster and its nodes; role names are handed in, since an account has one space of them."""

    account: str
    region: str
    partition: str
    cluster: NewCluster | str
    control_role: str
    node_role: str
    network_role: str
    boundary: str | None = None
    tokens: bool = False
    system_pool: NodePoolSpec | None = None
    gpu_pools: tuple[NodePoolSpec, ...] = ()

    @property
    def name(self) -> str:
        """Give the cluster's name, which is known before there is one."""
        return self.cluster.name if isinstance(self.cluster, NewCluster) else self.cluster


class EksCluster(pulumi.ComponentResource):
    """A cluster to serve in.

    `provider` makes things in it; `ready` is what has to be there before pods can run and come to
    their roles. `issuer` and `issuer_arn` are there where pods use the cluster's own tokens.
    """

    name: pulumi.Output[str]
    arn: str
    provider: kubernetes.Provider
    kubeconfig: pulumi.Output[str]
    issuer: pulumi.Output[str]
    issuer_arn: pulumi.Output[str]
    ready: list[pulumi.Resource]

    def __init__(
        self, name: str, args: EksClusterArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(COMPONENT_TYPE, name, None, opts)
        self._name, self._args = name, args
        self._inside = pulumi.ResourceOptions(parent=self)
        self.arn = f"arn:{args.partition}:eks:{args.region}:{args.account}:cluster/{args.name}"
        self.ready = []
        self._admitted: list[pulumi.Resource] = []
        if isinstance(args.cluster, NewCluster):
            door = self._make(args.cluster)
        else:
            door = self._find(args.cluster)
        self._tokens()
        self.kubeconfig = pulumi.Output.all(self.name, door[0], door[1]).apply(
            lambda known: kubeconfig(
                known[0],
                server=known[1],
                ca_data=known[2],
                program=CredentialProgram(
                    command="aws",
                    arguments=(
                        *("eks", "get-token", "--output", "json"),
                        *("--cluster-name", args.name, "--region", args.region),
                    ),
                    install_hint="Install the AWS CLI: https://aws.amazon.com/cli",
                ),
            )
        )
        self.provider = kubernetes.Provider(
            name,
            kubernetes.ProviderArgs(
                kubeconfig=self.kubeconfig,
                # What is in the cluster is made anew when this changes, and by nothing else.
                cluster_identifier=self.arn,
            ),
            pulumi.ResourceOptions(parent=self, depends_on=self.ready),
        )
        self.register_outputs({"kubeconfig": self.kubeconfig})

    def admit(self, name: str, principal: pulumi.Input[str]) -> None:
        """Let a role administer the cluster."""
        options = pulumi.ResourceOptions(parent=self)
        entry = aws.eks.AccessEntry(
            name,
            aws.eks.AccessEntryArgs(cluster_name=self.name, principal_arn=principal),
            options,
        )
        aws.eks.AccessPolicyAssociation(
            name,
            aws.eks.AccessPolicyAssociationArgs(
                cluster_name=self.name,
                principal_arn=principal,
                policy_arn=f"arn:{self._args.partition}:eks::aws:cluster-access-policy/{_ADMIN}",
                access_scope=aws.eks.AccessPolicyAssociationAccessScopeArgs(type="cluster"),
            ),
            pulumi.ResourceOptions(parent=self, depends_on=[entry]),
        )

    def _make(self, new: NewCluster) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
        control = AwsRole(
            f"{self._name}-control",
            AwsRoleArgs(
                name=self._args.control_role,
                description=f"The control plane of {new.name}",
                trust=document(trust_instances("eks.amazonaws.com")),
                managed=[self._managed("AmazonEKSClusterPolicy")],
                boundary=self._args.boundary,
            ),
            self._inside,
        )
        cluster = aws.eks.Cluster(
            self._name,
            self._cluster_args(new, control.arn),
            pulumi.ResourceOptions(
                parent=self,
                depends_on=[*control.grants, *new.after],
                custom_timeouts=_TIMEOUTS,
                # Two clusters of one name cannot be in one region.
                delete_before_replace=True,
            ),
        )
        self.name = cluster.name
        self._identities: pulumi.Output[Any] = cluster.identities
        self._addon("vpc-cni", role=self._network_role(), service_account="aws-node")
        self._addon("kube-proxy")
        self._addon("eks-pod-identity-agent")
        self._groups(new.subnets)
        # These run on nodes, and are never well without one.
        self._addon("coredns", after=self.ready)
        if new.mounter is not None:
            self._addon(_MOUNTPOINT, role=new.mounter, service_account=_MOUNTER, after=self.ready)
        for principal in new.admins:
            self.admit(principal.rpartition("/")[2], principal)
        return cluster.endpoint, cluster.certificate_authority.data.apply(str)

    def _cluster_args(self, new: NewCluster, role: pulumi.Input[str]) -> aws.eks.ClusterArgs:
        public = new.endpoint == "public"
        return aws.eks.ClusterArgs(
            name=new.name,
            role_arn=role,
            version=new.version,
            deletion_protection=new.deletion_protection,
            bootstrap_self_managed_addons=False,
            enabled_cluster_log_types=list(_LOGS),
            access_config=aws.eks.ClusterAccessConfigArgs(
                authentication_mode="API", bootstrap_cluster_creator_admin_permissions=True
            ),
            vpc_config=aws.eks.ClusterVpcConfigArgs(
                subnet_ids=[*new.subnets],
                endpoint_private_access=True,
                endpoint_public_access=public,
                public_access_cidrs=list(new.authorized_networks)
                if public and new.authorized_networks
                else None,
            ),
            encryption_config=self._encryption() if new.secrets_key else None,
        )

    def _encryption(self) -> aws.eks.ClusterEncryptionConfigArgs:
        key = aws.kms.Key(
            f"{self._name}-secrets",
            aws.kms.KeyArgs(
                description=f"Secrets of the cluster {self._args.name}",
                enable_key_rotation=True,
                deletion_window_in_days=30,
            ),
            self._inside,
        )
        return aws.eks.ClusterEncryptionConfigArgs(
            resources=["secrets"],
            provider=aws.eks.ClusterEncryptionConfigProviderArgs(key_arn=key.arn),
        )

    def _find(self, name: str) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
        found = aws.eks.get_cluster_output(name=name, opts=pulumi.InvokeOptions(parent=self))
        self.name = found.name
        self._identities = found.identities
        # Its own subnets, whatever they are.
        self._groups(found.vpc_config.subnet_ids)
        ca_data = found.certificate_authorities.apply(lambda given: str(given[0].data))
        return found.endpoint, ca_data

    def _groups(self, subnets: Sequence[pulumi.Input[str]] | pulumi.Output[Sequence[str]]) -> None:
        args = self._args
        if args.system_pool is None and not args.gpu_pools:
            return
        nodes = AwsRole(
            f"{self._name}-nodes",
            AwsRoleArgs(
                name=args.node_role,
                description=f"Nodes of {args.name}",
                trust=document(trust_instances("ec2.amazonaws.com")),
                managed=[self._managed(policy) for policy in _NODE_POLICIES],
                boundary=args.boundary,
            ),
            self._inside,
        )
        place = NodeGroupPlace(
            cluster=self.name,
            role_arn=nodes.arn,
            subnets=subnets,
            scaler_tag=f"k8s.io/cluster-autoscaler/{args.name}",
        )
        before = [*self.ready, *nodes.grants]
        pools = (*([args.system_pool] if args.system_pool else []), *args.gpu_pools)
        self.ready += [node_group(spec, place, parent=self, after=before) for spec in pools]

    def _network_role(self) -> AwsRole:
        """Let the network's plug-in, and not each node, hand out addresses."""
        return AwsRole(
            f"{self._name}-network",
            AwsRoleArgs(
                name=self._args.network_role,
                description=f"The network of {self._args.name}",
                trust=document(trust_pods(cluster_arn=self.arn, account=self._args.account)),
                managed=[self._managed(_NETWORK_POLICY)],
                boundary=self._args.boundary,
            ),
            self._inside,
        )

    def _addon(
        self,
        addon: str,
        *,
        role: AwsRole | None = None,
        service_account: str = "",
        after: Sequence[pulumi.Resource] = (),
    ) -> None:
        association = aws.eks.AddonPodIdentityAssociationArgs
        made = aws.eks.Addon(
            addon,
            aws.eks.AddonArgs(
                cluster_name=self.name,
                addon_name=addon,
                resolve_conflicts_on_create="OVERWRITE",
                resolve_conflicts_on_update="PRESERVE",
                pod_identity_associations=[
                    association(role_arn=role.arn, service_account=service_account)
                ]
                if role
                else None,
            ),
            pulumi.ResourceOptions(
                parent=self, depends_on=[*(role.grants if role else []), *after]
            ),
        )
        self.ready.append(made)

    def _tokens(self) -> None:
        """Let IAM know the cluster's own tokens, where pods use them."""
        if not self._args.tokens:
            return
        self.issuer = self._identities.apply(lambda given: str(given[0].oidcs[0].issuer))
        known = aws.iam.OpenIdConnectProvider(
            self._name,
            aws.iam.OpenIdConnectProviderArgs(
                url=self.issuer, client_id_lists=["sts.amazonaws.com"]
            ),
            self._inside,
        )
        self.issuer_arn = known.arn

    def _managed(self, policy: str) -> str:
        return f"arn:{self._args.partition}:iam::aws:policy/{policy}"
