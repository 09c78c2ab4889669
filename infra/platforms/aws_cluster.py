"""From a stack's configuration to a cluster of EKS, what runs in it, and the models there."""

from collections.abc import Mapping, Sequence
from typing import Final

import pulumi

from infra.aws_names import cluster_name
from infra.compute.aws_accelerators import machine_with
from infra.compute.eks import EksCluster, EksClusterArgs, NewCluster
from infra.compute.eks_autoscaler import EksAutoscaler, EksAutoscalerArgs
from infra.compute.eks_network import EksNetwork, EksNetworkArgs
from infra.compute.eks_pools import NodePoolSpec, serving_pools, system_pool
from infra.compute.gpu_plugin import GpuPlugin, GpuPluginArgs
from infra.config import StackConfig
from infra.config.aws_values import PodIdentity
from infra.config.cloud_values import Endpoint
from infra.config.sections.cluster import ClusterConfig, GpuPoolConfig
from infra.identity.aws import AwsRole, AwsRoleArgs
from infra.identity.aws_duties import node_autoscaling
from infra.identity.aws_policies import document
from infra.identity.aws_trust import trust_pods
from infra.names import digested, namespace_name
from infra.platforms.aws_identity import Server
from infra.platforms.aws_place import AwsPlace
from infra.platforms.cluster_models import ClusterPlace, declare_cluster_models
from infra.platforms.cluster_namespace import declare_namespace
from infra.platforms.observing import watch_in_cluster
from infra.platforms.stack import ServedModel
from infra.serving.tf_serving.args import ClusterAccess
from infra.serving.tf_serving.bucket_volume import (
    BucketVolume,
    BucketVolumeArgs,
    MountpointBucket,
)
from infra.serving.tf_serving.sources import FetchFromS3, ModelSource, MountedClaim

_CLAIM: Final = "models"


def declare_cluster(place: AwsPlace, asked: ClusterConfig) -> EksCluster:
    """Declare the cluster that the configuration asks for, and a network for one of our own."""
    config = place.stack.config
    cluster = EksCluster(
        "cluster",
        EksClusterArgs(
            account=place.account,
            region=place.region,
            partition=place.partition,
            cluster=asked.existing or _new_cluster(place, asked),
            control_role=place.role_name("control"),
            node_role=place.role_name("nodes"),
            network_role=place.role_name("network"),
            boundary=place.boundary,
            tokens=config.aws.pod_identity is PodIdentity.IRSA,
            system_pool=_system_pool(config),
            gpu_pools=gpu_pools(config),
        ),
        place.options(),
    )
    _autoscale(place, cluster, asked)
    pools = gpu_pools(config)
    if pools:
        GpuPlugin(
            "gpu-plugin",
            GpuPluginArgs(clients_per_gpu=[pool.clients_per_gpu for pool in pools]),
            pulumi.ResourceOptions(providers=[cluster.provider]),
        )
    return cluster


def serve_in_cluster(
    place: AwsPlace, cluster: EksCluster, servers: Mapping[str, Server]
) -> tuple[Mapping[str, ServedModel], Mapping[str, object]]:
    """Declare what Kubernetes serves; give the models, and what the stack tells of itself."""
    config = place.stack.config
    namespace = config.kubernetes.namespace or namespace_name(place.stack.name)
    before: list[pulumi.Resource] = [
        *cluster.ready,
        declare_namespace(place.stack.name, namespace, cluster.provider),
    ]
    source: ModelSource = FetchFromS3(url=place.bucket.address, region=place.region)
    if config.kubernetes.bucket.mountpoint:
        source = MountedClaim(claim=_CLAIM, of_store=True)
        before.append(_volume(place, namespace, cluster, before))
    served = declare_cluster_models(
        place.stack,
        ClusterPlace(
            namespace=namespace,
            source=source,
            access=ClusterAccess(kubeconfig=cluster.kubeconfig),
            pools=serving_pools(gpu_pools(config)),
            annotations={name: server.annotations for name, server in servers.items()},
        ),
        place.manifests,
        lambda name: pulumi.ResourceOptions(
            providers=[cluster.provider], depends_on=[*before, *servers[name].grants]
        ),
    )
    shown = watch_in_cluster(
        place.stack.name,
        config,
        namespace,
        after=[model.component for model in served.values()],
        opts=pulumi.ResourceOptions(providers=[cluster.provider], depends_on=before),
    )
    # The command works for who has never spoken to the cluster too.
    known = pulumi.Output.concat(
        "aws eks update-kubeconfig --name ", cluster.name, " --region ", place.region, " && "
    )
    told = {
        name: model.telling(log=pulumi.Output.concat(known, model.output["log"]))
        for name, model in served.items()
    }
    return told, shown


def cluster_outputs(place: AwsPlace, cluster: EksCluster) -> dict[str, object]:
    """Give what `aws eks update-kubeconfig` asks for."""
    return {"cluster": {"name": cluster.name, "region": place.region, "account": place.account}}


def gpu_pools(config: StackConfig) -> tuple[NodePoolSpec, ...]:
    """Say what each group with accelerators is like, in the configuration's order."""
    pools = config.cluster.gpu_pools if config.cluster else {}
    return tuple(_gpu_pool(name, pool, paused=config.paused) for name, pool in pools.items())


def _gpu_pool(name: str, pool: GpuPoolConfig, *, paused: bool) -> NodePoolSpec:
    # The configuration asks for the machine where the accelerator is not known.
    machine = pool.machine_type or machine_with(pool.accelerator, pool.accelerators_per_node)
    return NodePoolSpec(
        name=name,
        machine_type=str(machine),
        min_nodes=pool.min_nodes,
        max_nodes=pool.max_nodes,
        disk_size_gb=pool.disk_size_gb,
        spot=pool.spot,
        zones=pool.zones,
        accelerator=pool.accelerator,
        accelerators_per_node=pool.accelerators_per_node,
        reservation=pool.reservation,
        clients_per_gpu=pool.sharing.clients if pool.sharing else None,
        paused=paused,
    )


def _system_pool(config: StackConfig) -> NodePoolSpec | None:
    cluster = config.cluster
    if cluster is None or cluster.existing:
        return None
    pool = cluster.system_pool
    return system_pool(
        machine_type=pool.machine_type,
        min_nodes=pool.min_nodes,
        max_nodes=pool.max_nodes,
        disk_size_gb=pool.disk_size_gb,
        spot=pool.spot,
        paused=config.paused,
    )


def _new_cluster(place: AwsPlace, cluster: ClusterConfig) -> NewCluster:
    given = place.stack.config.aws
    name = cluster_name(place.stack.name)
    subnets: Sequence[pulumi.Input[str]] = given.subnets
    after: Sequence[pulumi.Resource] = ()
    if given.vpc is None:
        network = EksNetwork(
            "network",
            EksNetworkArgs(
                name=name,
                region=place.region,
                address_range=given.vpc_range,
                nat=given.nat.value,
                zones=cluster.zones,
            ),
            place.options(),
        )
        subnets, after = network.subnets, network.ready
    return NewCluster(
        name=name,
        subnets=subnets,
        after=after,
        version=cluster.version,
        endpoint="private" if cluster.endpoint is Endpoint.PRIVATE else "public",
        authorized_networks=cluster.authorized_networks,
        deletion_protection=cluster.deletion_protection,
        secrets_key=given.secrets_key,
        admins=given.cluster_admins,
        mounter=_mounter(place, name) if place.stack.config.kubernetes.bucket.mountpoint else None,
    )


def _mounter(place: AwsPlace, cluster: str) -> AwsRole:
    """Give the driver that mounts the bucket a role that reads all of it, for every pod."""
    arn = f"arn:{place.partition}:eks:{place.region}:{place.account}:cluster/{cluster}"
    role = AwsRole(
        "mounter",
        AwsRoleArgs(
            name=place.role_name("mounter"),
            description=f"Mounts the bucket of {place.stack.name}",
            trust=document(trust_pods(cluster_arn=arn, account=place.account)),
            boundary=place.boundary,
        ),
        place.options(),
    )
    role.grants += place.bucket.grant_read("mounter", role.name)
    return role


def _autoscale(place: AwsPlace, cluster: EksCluster, config: ClusterConfig) -> None:
    """Run the autoscaler in a cluster of our own; one that is there has its own."""
    if config.existing:
        return
    name = cluster_name(place.stack.name)
    role = AwsRole(
        "autoscaler",
        AwsRoleArgs(
            name=place.role_name("autoscaler"),
            description=f"Resizes the groups of nodes of {name}",
            trust=document(trust_pods(cluster_arn=cluster.arn, account=place.account)),
            allows=node_autoscaling(
                account=place.account,
                region=place.region,
                partition=place.partition,
                cluster=name,
            ),
            boundary=place.boundary,
        ),
        place.options(),
    )
    EksAutoscaler(
        "autoscaler",
        EksAutoscalerArgs(
            cluster=cluster.name,
            cluster_name=name,
            region=place.region,
            role_arn=role.arn,
            aws_provider=place.provider,
            after=role.grants,
        ),
        pulumi.ResourceOptions(
            providers=[cluster.provider, place.provider], depends_on=cluster.ready
        ),
    )


def _volume(
    place: AwsPlace, namespace: str, cluster: EksCluster, after: Sequence[pulumi.Resource]
) -> BucketVolume:
    stack = place.stack.name
    return BucketVolume(
        "models",
        BucketVolumeArgs(
            # A volume is nobody's namespace's, and two stacks may be in one cluster.
            volume=digested(f"servestack-{namespace}", of=f"{stack}\0{namespace}", limit=63),
            claim=_CLAIM,
            namespace=namespace,
            place=MountpointBucket(url=place.bucket.address, region=place.region),
        ),
        pulumi.ResourceOptions(providers=[cluster.provider], depends_on=[*after]),
    )
