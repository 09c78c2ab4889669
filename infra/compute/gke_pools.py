"""What a pool of GKE's nodes is, decided before anything is declared. Pure.

A pool carries in its name a digest of what GKE cannot change in it, so that a changed pool comes up
beside the old one, which is drained afterwards.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from infra.compute.gcp_accelerators import ACCELERATORS
from infra.compute.pools import GpuPool, GpuSharing, gke_pool
from infra.gcp_names import node_pool_name

Provisioning = Literal["standard", "flex_start", "queued"]
LocationPolicy = Literal["BALANCED", "ANY"]
Driver = Literal["DEFAULT", "LATEST", "INSTALLATION_DISABLED"]
SharingStrategy = Literal["TIME_SHARING", "MPS"]

# By the cloud's own rule, machines of flex-start run so long at most.
FLEX_START_SECONDS: Final = 7 * 24 * 60 * 60
_SYSTEM_MACHINE: Final = "e2-standard-4"
_PARTITION_LABEL: Final = "cloud.google.com/gke-gpu-partition-size"
# More than any quota: Autopilot has no number of its own.
_AUTOPILOT_NODES: Final = 1_000


@dataclass(frozen=True, kw_only=True)
class Sharing:
    """Several containers on one accelerator."""

    strategy: SharingStrategy
    clients: int


@dataclass(frozen=True, kw_only=True)
class NodePoolSpec:
    """A pool of nodes; one without an accelerator is the system's."""

    name: str
    machine_type: str
    min_nodes: int
    max_nodes: int
    disk_size_gb: int
    spot: bool = False
    zones: tuple[str, ...] = ()
    accelerator: str | None = None
    accelerators_per_node: int = 0
    reservation: str | None = None
    provisioning: Provisioning = "standard"
    location_policy: LocationPolicy = "BALANCED"
    driver: Driver = "DEFAULT"
    sharing: Sharing | None = None
    partition: str | None = None
    paused: bool = False

    @property
    def physical_name(self) -> str:
        """Name the pool by what would replace it."""
        fixed = [
            self.machine_type,
            self.disk_size_gb,
            self.spot,
            self.accelerator,
            self.accelerators_per_node,
            self.reservation,
            self.provisioning,
            self.driver,
            self.sharing and [self.sharing.strategy, self.sharing.clients],
            self.partition,
        ]
        return node_pool_name(self.name, settings=json.dumps(fixed))

    @property
    def scales(self) -> bool:
        """Tell whether load decides the number of nodes; a paused pool has none."""
        return not self.paused

    @property
    def initial_nodes(self) -> int:
        """Give the nodes of each zone that a new pool starts with."""
        return 0 if self.paused or self.accelerator or not self.min_nodes else 1

    @property
    def surge(self) -> tuple[int, int]:
        """Give how many nodes more and how many fewer there are while a pool is upgraded.

        A node with accelerators more than wanted is often not to be had, and then nothing moves.
        """
        return (0, 1) if self.accelerator else (1, 0)


def system_pool(
    *,
    machine_type: str | None,
    min_nodes: int,
    max_nodes: int,
    disk_size_gb: int,
    spot: bool,
    paused: bool,
) -> NodePoolSpec:
    """Give the pool without accelerators, which a cluster needs before any other."""
    return NodePoolSpec(
        name="system",
        machine_type=machine_type or _SYSTEM_MACHINE,
        min_nodes=min_nodes,
        max_nodes=max_nodes,
        disk_size_gb=disk_size_gb,
        spot=spot,
        paused=paused,
    )


@dataclass(frozen=True, kw_only=True)
class MaintenanceWindow:
    """When GKE may upgrade: `start` is HH:MM in UTC, without days it is every day."""

    start: str
    hours: int
    days: tuple[str, ...] = field(default=())

    @property
    def recurrence(self) -> str:
        """Give the days in iCalendar's words."""
        if not self.days:
            return "FREQ=DAILY"
        return f"FREQ=WEEKLY;BYDAY={','.join(day[:2].upper() for day in self.days)}"

    @property
    def first(self) -> tuple[str, str]:
        """Give begin and end of the first window; any past day says the same."""
        hour, minute = (int(part) for part in self.start.split(":"))
        over, end = divmod(hour + self.hours, 24)
        return (
            f"2026-01-01T{hour:02}:{minute:02}:00Z",
            f"2026-01-{1 + over:02}T{end:02}:{minute:02}:00Z",
        )


def serving_pools(specs: Iterable[NodePoolSpec]) -> tuple[GpuPool, ...]:
    """Give the pools as pods see them; several with one accelerator, shared alike, are one.

    Nodes of a queue are not there for servers.
    """
    seen: dict[str, GpuPool] = {}
    for spec in specs:
        if spec.accelerator is None or spec.provisioning == "queued":
            continue
        pool = _serving_pool(spec.accelerator, spec)
        labels = json.dumps(pool.node_labels, sort_keys=True)
        before = seen.get(labels)
        if before is not None:
            pool = replace(
                pool,
                gpus_per_node=max(pool.gpus_per_node, before.gpus_per_node),
                max_nodes=(pool.max_nodes or 0) + (before.max_nodes or 0),
            )
        seen[labels] = pool
    return tuple(seen.values())


def autopilot_pools(wanted: Mapping[str, int]) -> tuple[GpuPool, ...]:
    """Give what Autopilot has of each accelerator: as much as is asked for, within the quota."""
    return tuple(
        gke_pool(accelerator=accelerator, gpus_per_node=count, max_nodes=_AUTOPILOT_NODES)
        for accelerator, count in wanted.items()
    )


def _serving_pool(accelerator: str, spec: NodePoolSpec) -> GpuPool:
    sharing = spec.sharing
    known = ACCELERATORS.get(accelerator)
    parts = known.partitions.get(spec.partition or "", 1) if known else 1
    pool = gke_pool(
        accelerator=accelerator,
        gpus_per_node=spec.accelerators_per_node * parts,
        max_nodes=spec.max_nodes,
        sharing=GpuSharing(
            clients_per_gpu=sharing.clients,
            strategy="mps" if sharing.strategy == "MPS" else "time-sharing",
        )
        if sharing
        else None,
    )
    if spec.partition is None:
        return pool
    return replace(pool, node_labels={**pool.node_labels, _PARTITION_LABEL: spec.partition})
