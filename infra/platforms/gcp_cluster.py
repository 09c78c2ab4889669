"""From a stack's configuration to a cluster of GKE and its pools."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

import pulumi

from infra.compute.gcp_accelerator_zones import chosen_zones
from infra.compute.gcp_accelerators import ACCELERATORS
from infra.compute.gke import GkeCluster, GkeClusterArgs, NewCluster
from infra.compute.gke_network import GkeNetwork, GkeNetworkArgs
from infra.compute.gke_pools import (
    Driver,
    MaintenanceWindow,
    NodePoolSpec,
    Sharing,
    SharingStrategy,
    autopilot_pools,
    serving_pools,
    system_pool,
)
from infra.compute.pools import GpuPool
from infra.config import StackConfig, Target
from infra.config.cloud_values import GpuDriver, GpuSharing, LocationPolicy
from infra.config.sections.cluster import ClusterConfig, GpuPoolConfig
from infra.gcp_names import cluster_name, network_name, service_account_id
from infra.platforms.gcp_place import GcpPlace

_DRIVERS: Final[Mapping[GpuDriver, Driver]] = {
    GpuDriver.DEFAULT: "DEFAULT",
    GpuDriver.LATEST: "LATEST",
    GpuDriver.NONE: "INSTALLATION_DISABLED",
}
_STRATEGIES: Final[Mapping[GpuSharing, SharingStrategy]] = {
    GpuSharing.TIME_SLICING: "TIME_SHARING",
    GpuSharing.MPS: "MPS",
}


def declare_cluster(place: GcpPlace) -> GkeCluster | None:
    """Declare the cluster that the configuration asks for, and a network for one of our own."""
    config = place.stack.config
    if config.cluster is None:
        return None
    cluster: NewCluster | str
    if config.cluster.existing:
        cluster = config.cluster.existing
    else:
        network, subnetwork = _network(place)
        cluster = new_cluster(
            config.cluster,
            stack=place.stack.name,
            network=network,
            subnetwork=subnetwork,
            has_ranges=config.gcp.network is None,
        )
    return GkeCluster(
        "cluster",
        GkeClusterArgs(
            project=place.project,
            location=cluster_location(config),
            cluster=cluster,
            node_account_id=service_account_id("nodes", stack=place.stack.name),
            endpoint=config.cluster.endpoint.value,
            image_streaming=config.cluster.image_streaming,
            system_pool=_system_pool(config),
            gpu_pools=gpu_pools(config),
            labels=place.labels,
        ),
        place.options(),
    )


def log_link(place: GcpPlace, cluster: GkeCluster, *, namespace: str, model: str) -> object:
    """Give where the console shows what a model's pods wrote, also those that are gone."""
    wanted = (
        'resource.type="k8s_container"',
        f'resource.labels.namespace_name="{namespace}"',
        f'labels."k8s-pod/app_kubernetes_io/instance"="{model}"',
    )
    return pulumi.Output.from_input(cluster.name).apply(
        lambda name: (
            "https://console.cloud.google.com/logs/query;query="
            + quote("\n".join((*wanted, f'resource.labels.cluster_name="{name}"')), safe="")
            + f"?project={place.project}"
        )
    )


def cluster_location(config: StackConfig) -> str:
    """Give the region of the control plane, or its zone."""
    cluster = config.cluster
    zonal = cluster is not None and not cluster.regional
    return cluster.zones[0] if cluster is not None and zonal else str(config.gcp.region)


def new_cluster(
    config: ClusterConfig,
    *,
    stack: str,
    network: pulumi.Input[str],
    subnetwork: pulumi.Input[str],
    has_ranges: bool,
) -> NewCluster:
    """Say what a cluster of the stack's own is like."""
    window = config.maintenance
    # Where the control plane is in a zone, its nodes are there without being said to.
    zones = config.zones if config.regional else config.zones[1:]
    return NewCluster(
        name=cluster_name(stack),
        network=network,
        subnetwork=subnetwork,
        has_ranges=has_ranges,
        release_channel=config.release_channel.value.upper(),
        version=config.version,
        node_zones=zones,
        authorized_networks=config.authorized_networks,
        maintenance=MaintenanceWindow(start=window.start, hours=window.hours, days=window.days)
        if window
        else None,
        deletion_protection=config.deletion_protection,
        autopilot=config.autopilot,
    )


def gpu_pools(config: StackConfig) -> tuple[NodePoolSpec, ...]:
    """Say what each pool with accelerators is like, in the configuration's order."""
    pools = config.cluster.gpu_pools if config.cluster else {}
    zones = config.cluster.zones if config.cluster else ()
    return tuple(
        _gpu_pool(
            name,
            pool,
            zones=chosen_zones(
                pool.accelerator, str(config.gcp.region), named=pool.zones, of_cluster=zones
            ),
            paused=config.paused,
        )
        for name, pool in pools.items()
    )


def cluster_pools(config: StackConfig) -> tuple[GpuPool, ...]:
    """Give what the cluster's nodes offer to models."""
    if config.cluster is None or not config.cluster.autopilot:
        return serving_pools(gpu_pools(config))
    wanted: dict[str, int] = {}
    for model in config.models.values():
        if model.gpu is not None and model.target is Target.KUBERNETES:
            wanted[model.gpu.type] = max(model.gpu.count, wanted.get(model.gpu.type, 0))
    return autopilot_pools(wanted)


def _gpu_pool(
    name: str, pool: GpuPoolConfig, *, zones: tuple[str, ...], paused: bool
) -> NodePoolSpec:
    known = ACCELERATORS.get(pool.accelerator)
    # The configuration asks for the machine where the accelerator is not known.
    machine = pool.machine_type or (known and known.machine_for(pool.accelerators_per_node))
    sharing = pool.sharing
    balanced = pool.location_policy is LocationPolicy.BALANCED
    return NodePoolSpec(
        name=name,
        machine_type=str(machine),
        min_nodes=pool.min_nodes,
        max_nodes=pool.max_nodes,
        disk_size_gb=pool.disk_size_gb,
        spot=pool.spot,
        zones=zones,
        accelerator=pool.accelerator,
        accelerators_per_node=pool.accelerators_per_node,
        reservation=pool.reservation,
        provisioning=pool.provisioning.value,
        location_policy="BALANCED" if balanced else "ANY",
        driver=_DRIVERS[pool.driver],
        sharing=Sharing(strategy=_STRATEGIES[sharing.strategy], clients=sharing.clients)
        if sharing
        else None,
        partition=pool.partition,
        paused=paused,
    )


def _system_pool(config: StackConfig) -> NodePoolSpec | None:
    cluster = config.cluster
    if cluster is None or cluster.existing or cluster.autopilot:
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


def _network(place: GcpPlace) -> tuple[pulumi.Input[str], pulumi.Input[str]]:
    given = place.stack.config.gcp
    if given.network is not None and given.subnetwork is not None:
        return given.network, given.subnetwork
    made = GkeNetwork(
        "network",
        GkeNetworkArgs(
            name=network_name(place.stack.name), project=place.project, region=place.region
        ),
        place.options(),
    )
    return made.network, made.subnetwork
