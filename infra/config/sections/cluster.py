"""The Kubernetes cluster of a stack in a cloud, and its pools of nodes.

Pure data, checked field by field. The keys are the same on every cloud; what one of them lacks is
refused there.
"""

from collections.abc import Mapping

from pydantic import Field

from infra.config.cloud_values import (
    ChannelChoice,
    ClusterName,
    Days,
    DiskGigabytes,
    DriverChoice,
    Endpoint,
    EndpointChoice,
    GpuClients,
    GpuDriver,
    GpuPartition,
    KubernetesVersion,
    LocationPolicyChoice,
    MachineType,
    Networks,
    NodeCount,
    Provisioning,
    ProvisioningChoice,
    ReleaseChannel,
    ReservationName,
    SharingChoice,
    SomeNodes,
    TimeOfDay,
    WindowHours,
    Zones,
)
from infra.config.sections.section import Section
from infra.config.values import AcceleratorType, Count, PoolName, YesNo


class MaintenanceConfig(Section):
    """When the cloud may upgrade the cluster."""

    start: TimeOfDay = Field(description="When the window opens, in UTC.")
    hours: WindowHours = Field(default=4, description="How long it stays open.")
    days: Days = Field(default=(), description="On which days. Absent: on each.")


class SystemPoolConfig(Section):
    """Nodes without accelerators, for the cluster's own pods and for models without GPUs."""

    machine_type: MachineType | None = Field(
        default=None, description="Machine of each node. Absent: a small one with 4 cores."
    )
    min_nodes: SomeNodes = Field(default=1, description="Fewest nodes.")
    max_nodes: SomeNodes = Field(default=3, description="Most nodes.")
    disk_size_gb: DiskGigabytes = Field(default=100, description="Disk of each node.")
    spot: YesNo = Field(
        default=False, description="Take machines that the cloud may take back at any time."
    )


class GpuSharingConfig(Section):
    """Several containers on one accelerator."""

    strategy: SharingChoice = Field(
        description="`time_slicing` takes turns; `mps` runs them at the same time."
    )
    clients: GpuClients = Field(description="Most containers on one accelerator.")


class GpuPoolConfig(Section):
    """A pool of nodes with accelerators."""

    accelerator: AcceleratorType = Field(
        description="The accelerator as the cloud names it; a model's gpu.type names the same."
    )
    accelerators_per_node: Count = Field(default=1, description="Accelerators of each node.")
    machine_type: MachineType | None = Field(
        default=None,
        description="Machine of each node. Absent: the smallest that holds the accelerators.",
    )
    min_nodes: NodeCount = Field(default=0, description="Fewest nodes, in all zones together.")
    max_nodes: SomeNodes = Field(default=1, description="Most nodes, in all zones together.")
    spot: YesNo = Field(
        default=False, description="Take machines that the cloud may take back at any time."
    )
    reservation: ReservationName | None = Field(
        default=None, description="Reservation of yours that the nodes are taken from."
    )
    provisioning: ProvisioningChoice = Field(
        default=Provisioning.STANDARD,
        description="`flex_start` waits for capacity and runs 7 days at most; `queued` gives nodes "
        "to queued jobs only.",
    )
    location_policy: LocationPolicyChoice | None = Field(
        default=None,
        description="`balanced` spreads nodes over the zones; `any` takes what is to be had. "
        "Absent: `any`.",
    )
    zones: Zones = Field(
        default=(), description="Zones of the nodes. Absent: those that have the accelerator."
    )
    disk_size_gb: DiskGigabytes = Field(default=100, description="Disk of each node.")
    driver: DriverChoice = Field(
        default=GpuDriver.DEFAULT,
        description="Driver that the cloud installs; `none` leaves it to you.",
    )
    sharing: GpuSharingConfig | None = Field(
        default=None, description="Several containers on one accelerator. Absent: one."
    )
    partition: GpuPartition | None = Field(
        default=None, description="Cut each accelerator into such parts. Absent: it stays whole."
    )


class ClusterConfig(Section):
    """The cluster that serves models of target kubernetes."""

    existing: ClusterName | None = Field(
        default=None,
        description="Name of a cluster that is there already; it stays as it is and gets the GPU "
        "pools. Absent: one is made.",
    )
    regional: YesNo = Field(
        default=True,
        description="Run the control plane in three zones; `false`: in the first of `zones`.",
    )
    zones: Zones = Field(
        default=(), description="Zones of the nodes. Absent: the cloud chooses in the region."
    )
    version: KubernetesVersion | None = Field(
        default=None, description="Oldest Kubernetes version. Absent: the cloud's own choice."
    )
    release_channel: ChannelChoice = Field(
        default=ReleaseChannel.REGULAR, description="How soon the cloud upgrades it."
    )
    endpoint: EndpointChoice = Field(
        default=Endpoint.PUBLIC,
        description="From where the control plane is reached: `public`, `dns` (a name that lets "
        "in by role, no address), `private` (the network only).",
    )
    authorized_networks: Networks = Field(
        default=(),
        description="Address ranges that reach the control plane. Absent: of a public one each, "
        "with credentials; of a private one the cluster's own.",
    )
    maintenance: MaintenanceConfig | None = Field(
        default=None, description="When it may be upgraded. Absent: at any time."
    )
    deletion_protection: YesNo = Field(
        default=False, description="Refuse to delete the cluster until this is set to false."
    )
    autopilot: YesNo = Field(
        default=False, description="Let the cloud run the nodes; pods ask for what they need."
    )
    image_streaming: YesNo = Field(
        default=True, description="Start containers while their image is still on its way."
    )
    system_pool: SystemPoolConfig = Field(
        default=SystemPoolConfig(), description="Nodes without accelerators."
    )
    gpu_pools: Mapping[PoolName, GpuPoolConfig] = Field(
        default={}, description="Pools of nodes with accelerators, by name."
    )
