"""A pool of GKE's nodes as a resource: what `gke_pools` decided, in the API's words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import pulumi
import pulumi_gcp as gcp

from infra.compute.gke_pools import FLEX_START_SECONDS, NodePoolSpec

_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
_RESERVATION_KEY: Final = "compute.googleapis.com/reservation-name"


@dataclass(frozen=True, kw_only=True)
class NodePoolPlace:
    """Where pools are, and what all of a cluster's have in common."""

    project: str
    location: str
    cluster: pulumi.Input[str]
    service_account: pulumi.Input[str]
    image_streaming: bool
    labels: Mapping[str, str] = field(default_factory=dict)


def node_pool(
    spec: NodePoolSpec,
    place: NodePoolPlace,
    *,
    parent: pulumi.Resource,
    after: Sequence[pulumi.Resource],
) -> gcp.container.NodePool:
    """Declare a pool."""
    waits = spec.provisioning != "standard"
    return gcp.container.NodePool(
        spec.name,
        gcp.container.NodePoolArgs(
            name=spec.physical_name,
            project=place.project,
            location=place.location,
            cluster=place.cluster,
            node_locations=list(spec.zones) or None,
            initial_node_count=spec.initial_nodes,
            node_count=None if spec.scales else 0,
            autoscaling=gcp.container.NodePoolAutoscalingArgs(
                total_min_node_count=spec.min_nodes,
                total_max_node_count=spec.max_nodes,
                location_policy=spec.location_policy,
            )
            if spec.scales
            else None,
            management=gcp.container.NodePoolManagementArgs(
                auto_repair=not waits, auto_upgrade=True
            ),
            upgrade_settings=_upgrades(spec),
            queued_provisioning=gcp.container.NodePoolQueuedProvisioningArgs(enabled=True)
            if spec.provisioning == "queued"
            else None,
            node_config=_nodes(spec, place),
        ),
        pulumi.ResourceOptions(
            parent=parent,
            depends_on=[*after],
            # Only a new pool starts with it; GKE would replace a pool for it.
            ignore_changes=["initialNodeCount"],
        ),
    )


def _upgrades(spec: NodePoolSpec) -> gcp.container.NodePoolUpgradeSettingsArgs | None:
    if spec.provisioning != "standard":
        # Such nodes are never upgraded: GKE gives the next ones the new version by itself.
        return None
    more, fewer = spec.surge
    return gcp.container.NodePoolUpgradeSettingsArgs(
        strategy="SURGE", max_surge=more, max_unavailable=fewer
    )


def _nodes(spec: NodePoolSpec, place: NodePoolPlace) -> gcp.container.NodePoolNodeConfigArgs:
    waits = spec.provisioning != "standard"
    return gcp.container.NodePoolNodeConfigArgs(
        machine_type=spec.machine_type,
        disk_size_gb=spec.disk_size_gb,
        spot=spec.spot or None,
        flex_start=waits or None,
        max_run_duration=f"{FLEX_START_SECONDS}s" if waits else None,
        service_account=place.service_account,
        oauth_scopes=[_SCOPE],
        workload_metadata_config=gcp.container.NodePoolNodeConfigWorkloadMetadataConfigArgs(
            mode="GKE_METADATA"
        ),
        metadata={"disable-legacy-endpoints": "true"},
        shielded_instance_config=gcp.container.NodePoolNodeConfigShieldedInstanceConfigArgs(
            enable_integrity_monitoring=True,
            # A driver that is built on the node would not be let in.
            enable_secure_boot=spec.accelerator is None,
        ),
        gvnic=gcp.container.NodePoolNodeConfigGvnicArgs(enabled=True),
        gcfs_config=gcp.container.NodePoolNodeConfigGcfsConfigArgs(enabled=place.image_streaming),
        resource_labels=dict(place.labels),
        reservation_affinity=_reservation(spec),
        guest_accelerators=[_accelerator(spec)] if spec.accelerator else None,
    )


def _reservation(
    spec: NodePoolSpec,
) -> gcp.container.NodePoolNodeConfigReservationAffinityArgs | None:
    if spec.reservation:
        return gcp.container.NodePoolNodeConfigReservationAffinityArgs(
            consume_reservation_type="SPECIFIC_RESERVATION",
            key=_RESERVATION_KEY,
            values=[spec.reservation],
        )
    if spec.provisioning == "standard":
        return None
    return gcp.container.NodePoolNodeConfigReservationAffinityArgs(
        consume_reservation_type="NO_RESERVATION"
    )


def _accelerator(spec: NodePoolSpec) -> gcp.container.NodePoolNodeConfigGuestAcceleratorArgs:
    sharing = spec.sharing
    return gcp.container.NodePoolNodeConfigGuestAcceleratorArgs(
        type=str(spec.accelerator),
        count=spec.accelerators_per_node,
        gpu_driver_installation_config=gcp.container.NodePoolNodeConfigGuestAcceleratorGpuDriverInstallationConfigArgs(
            gpu_driver_version=spec.driver
        ),
        gpu_partition_size=spec.partition,
        gpu_sharing_config=gcp.container.NodePoolNodeConfigGuestAcceleratorGpuSharingConfigArgs(
            gpu_sharing_strategy=sharing.strategy, max_shared_clients_per_gpu=sharing.clients
        )
        if sharing
        else None,
    )
