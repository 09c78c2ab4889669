"""A cluster of GKE with its pools of nodes, or pools for a cluster that is there already.

Nodes have no address of their own and act as an account with the least that a node needs. Pods get
their roles by workload identity, so a node's account reads no model. GKE taints nodes with
accelerators by itself where a pool without them is there first; a taint of ours would replace them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import pulumi
import pulumi_gcp as gcp
import pulumi_kubernetes as kubernetes

from infra.compute.gke_network import PODS_RANGE, SERVICES_RANGE
from infra.compute.gke_node_pool import NodePoolPlace, node_pool
from infra.compute.gke_pools import MaintenanceWindow, NodePoolSpec
from infra.compute.kubeconfig import CredentialProgram, kubeconfig
from infra.identity.gcp_members import IMAGE_ROLE, NODE_ROLE, workload_pool

COMPONENT_TYPE: Final = "servestack:compute:GkeCluster"
Endpoint = Literal["public", "dns", "private"]

# Prints a token of whoever runs it; the kubeconfig has none.
_CREDENTIALS: Final = CredentialProgram(
    command="gke-gcloud-auth-plugin",
    install_hint="Install it with: gcloud components install gke-gcloud-auth-plugin",
    needs_cluster=True,
)


@dataclass(frozen=True, kw_only=True)
class NewCluster:
    """What a cluster of the stack's own is like; one that exists has all of this already."""

    name: str
    network: pulumi.Input[str]
    subnetwork: pulumi.Input[str]
    # The ranges of our own network have names; of another, GKE makes its own.
    has_ranges: bool
    release_channel: str = "REGULAR"
    version: str | None = None
    node_zones: tuple[str, ...] = ()
    authorized_networks: tuple[str, ...] = ()
    maintenance: MaintenanceWindow | None = None
    deletion_protection: bool = False
    autopilot: bool = False


@dataclass(frozen=True, kw_only=True)
class GkeClusterArgs:
    """A cluster and its pools; `location` is a region, or a zone."""

    project: str
    location: str
    cluster: NewCluster | str
    node_account_id: str
    endpoint: Endpoint = "public"
    image_streaming: bool = True
    system_pool: NodePoolSpec | None = None
    gpu_pools: tuple[NodePoolSpec, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


class GkeCluster(pulumi.ComponentResource):
    """A cluster to serve in.

    `provider` makes things in it; `ready` is what has to be there before pods can run and be let
    in. `node_account` is the full name of the account that nodes act as.
    """

    name: pulumi.Output[str]
    provider: kubernetes.Provider
    kubeconfig: pulumi.Output[str]
    node_account: pulumi.Output[str]
    ready: list[pulumi.Resource]

    def __init__(
        self, name: str, args: GkeClusterArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(COMPONENT_TYPE, name, None, opts)
        account, may_run = self._nodes_account(name, args)
        self.node_account = account.name
        if isinstance(args.cluster, NewCluster):
            cluster = gcp.container.Cluster(
                name,
                _cluster_args(args, args.cluster, account.email),
                pulumi.ResourceOptions(
                    parent=self,
                    depends_on=may_run,
                    # The pool that GKE makes first is removed at once, with what was said of it.
                    ignore_changes=["nodeConfig", "initialNodeCount"],
                    # Two clusters of one name cannot be in one place.
                    delete_before_replace=True,
                ),
            )
            self.name, self.ready = cluster.name, [cluster]
            server, ca_data = _door(cluster, args.endpoint)
        else:
            found = gcp.container.get_cluster_output(
                name=args.cluster,
                location=args.location,
                project=args.project,
                opts=pulumi.InvokeOptions(parent=self),
            )
            self.name, self.ready = found.apply(lambda there: str(there.name)), []
            server, ca_data = _found_door(found, args.endpoint)
        self._pools(args, self.name, account.email, may_run)
        self.kubeconfig = pulumi.Output.all(self.name, server, ca_data).apply(
            lambda door: kubeconfig(door[0], server=door[1], ca_data=door[2], program=_CREDENTIALS)
        )
        self.provider = kubernetes.Provider(
            name,
            kubernetes.ProviderArgs(
                kubeconfig=self.kubeconfig,
                # What is in the cluster is made anew when this changes, and by nothing else.
                cluster_identifier=_identity(args),
            ),
            pulumi.ResourceOptions(parent=self, depends_on=self.ready),
        )
        self.register_outputs({"kubeconfig": self.kubeconfig})

    def _nodes_account(
        self, name: str, args: GkeClusterArgs
    ) -> tuple[gcp.serviceaccount.Account, list[pulumi.Resource]]:
        account = gcp.serviceaccount.Account(
            f"{name}-nodes",
            gcp.serviceaccount.AccountArgs(
                project=args.project,
                account_id=args.node_account_id,
                display_name=f"Nodes of {name}",
            ),
            pulumi.ResourceOptions(parent=self),
        )
        roles: list[pulumi.Resource] = [
            gcp.projects.IAMMember(
                f"{name}-nodes-{role.removeprefix('roles/')}",
                gcp.projects.IAMMemberArgs(project=args.project, role=role, member=account.member),
                pulumi.ResourceOptions(parent=self),
            )
            for role in (NODE_ROLE, IMAGE_ROLE)
        ]
        return account, roles

    def _pools(
        self,
        args: GkeClusterArgs,
        cluster: pulumi.Output[str],
        account: pulumi.Input[str],
        may_run: list[pulumi.Resource],
    ) -> None:
        place = NodePoolPlace(
            project=args.project,
            location=args.location,
            cluster=cluster,
            service_account=account,
            image_streaming=args.image_streaming,
            labels=args.labels,
        )
        before = may_run
        if args.system_pool:
            # First, so that GKE taints the nodes with accelerators.
            before = [node_pool(args.system_pool, place, parent=self, after=may_run)]
            self.ready = [*self.ready, *before]
        gpus = [node_pool(spec, place, parent=self, after=before) for spec in args.gpu_pools]
        self.ready = [*self.ready, *gpus]


def _identity(args: GkeClusterArgs) -> str:
    name = args.cluster.name if isinstance(args.cluster, NewCluster) else args.cluster
    return f"gke:{args.project}/{args.location}/{name}"


def _door(
    cluster: gcp.container.Cluster, endpoint: Endpoint
) -> tuple[pulumi.Output[str], pulumi.Output[str | None]]:
    if endpoint == "dns":
        name = cluster.control_plane_endpoints_config.dns_endpoint_config.endpoint
        return name.apply(lambda host: f"https://{host}"), pulumi.Output.from_input(None)
    return (
        cluster.endpoint.apply(lambda host: f"https://{host}"),
        cluster.master_auth.cluster_ca_certificate,
    )


def _found_door(
    found: pulumi.Output[gcp.container.GetClusterResult], endpoint: Endpoint
) -> tuple[pulumi.Output[str], pulumi.Output[str | None]]:
    if endpoint == "dns":
        name = found.apply(
            lambda there: there.control_plane_endpoints_configs[0].dns_endpoint_configs[0].endpoint
        )
        return name.apply(lambda host: f"https://{host}"), pulumi.Output.from_input(None)
    host = found.apply(
        lambda there: (
            there.private_cluster_configs[0].private_endpoint
            if endpoint == "private"
            else there.endpoint
        )
    )
    ca_data = found.apply(lambda there: there.master_auths[0].cluster_ca_certificate)
    return host.apply(lambda name: f"https://{name}"), ca_data


def _cluster_args(
    args: GkeClusterArgs, new: NewCluster, account: pulumi.Input[str]
) -> gcp.container.ClusterArgs:
    accelerated = new.autopilot or bool(args.gpu_pools)
    standard = not new.autopilot
    return gcp.container.ClusterArgs(
        name=new.name,
        project=args.project,
        location=args.location,
        network=new.network,
        subnetwork=new.subnetwork,
        networking_mode="VPC_NATIVE",
        ip_allocation_policy=gcp.container.ClusterIpAllocationPolicyArgs(
            cluster_secondary_range_name=PODS_RANGE if new.has_ranges else None,
            services_secondary_range_name=SERVICES_RANGE if new.has_ranges else None,
        ),
        private_cluster_config=gcp.container.ClusterPrivateClusterConfigArgs(
            enable_private_nodes=True, enable_private_endpoint=args.endpoint == "private"
        ),
        control_plane_endpoints_config=_endpoints(args.endpoint),
        master_authorized_networks_config=_authorized(args.endpoint, new.authorized_networks),
        release_channel=gcp.container.ClusterReleaseChannelArgs(channel=new.release_channel),
        min_master_version=new.version,
        deletion_protection=new.deletion_protection,
        maintenance_policy=_maintenance(new.maintenance),
        gateway_api_config=gcp.container.ClusterGatewayApiConfigArgs(channel="CHANNEL_STANDARD"),
        monitoring_config=gcp.container.ClusterMonitoringConfigArgs(
            enable_components=["SYSTEM_COMPONENTS", *(["DCGM"] if accelerated else [])],
            managed_prometheus=gcp.container.ClusterMonitoringConfigManagedPrometheusArgs(
                enabled=True
            ),
        ),
        cost_management_config=gcp.container.ClusterCostManagementConfigArgs(enabled=True),
        cluster_autoscaling=_autoscaling(new, account),
        resource_labels=dict(args.labels),
        # Autopilot has all of what follows, in its own way.
        enable_autopilot=True if new.autopilot else None,
        datapath_provider="ADVANCED_DATAPATH" if standard else None,
        workload_identity_config=gcp.container.ClusterWorkloadIdentityConfigArgs(
            workload_pool=workload_pool(args.project)
        )
        if standard
        else None,
        enable_shielded_nodes=True if standard else None,
        node_locations=list(new.node_zones) if new.node_zones else None,
        remove_default_node_pool=True if standard else None,
        initial_node_count=1 if standard else None,
        node_config=gcp.container.ClusterNodeConfigArgs(service_account=account)
        if standard
        else None,
    )


def _endpoints(
    endpoint: Endpoint,
) -> gcp.container.ClusterControlPlaneEndpointsConfigArgs | None:
    if endpoint != "dns":
        return None
    return gcp.container.ClusterControlPlaneEndpointsConfigArgs(
        dns_endpoint_config=gcp.container.ClusterControlPlaneEndpointsConfigDnsEndpointConfigArgs(
            allow_external_traffic=True
        ),
        ip_endpoints_config=gcp.container.ClusterControlPlaneEndpointsConfigIpEndpointsConfigArgs(
            enabled=False
        ),
    )


def _authorized(
    endpoint: Endpoint, networks: tuple[str, ...]
) -> gcp.container.ClusterMasterAuthorizedNetworksConfigArgs | None:
    # A private address wants to be told who reaches it, even if it is the subnetwork alone.
    if not networks and endpoint != "private":
        return None
    return gcp.container.ClusterMasterAuthorizedNetworksConfigArgs(
        cidr_blocks=[
            gcp.container.ClusterMasterAuthorizedNetworksConfigCidrBlockArgs(cidr_block=block)
            for block in networks
        ]
    )


def _maintenance(
    window: MaintenanceWindow | None,
) -> gcp.container.ClusterMaintenancePolicyArgs | None:
    if window is None:
        return None
    start, end = window.first
    return gcp.container.ClusterMaintenancePolicyArgs(
        recurring_window=gcp.container.ClusterMaintenancePolicyRecurringWindowArgs(
            start_time=start, end_time=end, recurrence=window.recurrence
        )
    )


def _autoscaling(
    new: NewCluster, account: pulumi.Input[str]
) -> gcp.container.ClusterClusterAutoscalingArgs:
    if new.autopilot:
        defaults = gcp.container.ClusterClusterAutoscalingAutoProvisioningDefaultsArgs(
            service_account=account
        )
        return gcp.container.ClusterClusterAutoscalingArgs(auto_provisioning_defaults=defaults)
    # Nodes that are not needed go sooner; no pools are made by themselves.
    return gcp.container.ClusterClusterAutoscalingArgs(
        enabled=False, autoscaling_profile="OPTIMIZE_UTILIZATION"
    )
