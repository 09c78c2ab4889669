"""What a group of EKS's nodes is, decided before anything is declared. Pure.

A group carries in its name a digest of what EKS cannot change in it, so that a changed group comes
up beside the old one, which is drained afterwards.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from infra.aws_names import node_pool_name
from infra.compute.pools import NVIDIA_GPU, GpuPool, GpuSharing

# The autoscaler of clusters on AWS knows by this label that a node has accelerators.
ACCELERATOR_LABEL: Final = "k8s.amazonaws.com/accelerator"
# How many containers take turns on one accelerator of a node.
SHARING_LABEL: Final = "servestack/gpu-clients"
_SYSTEM_MACHINE: Final = "m6i.xlarge"
_TEMPLATE: Final = "k8s.io/cluster-autoscaler/node-template"


@dataclass(frozen=True, kw_only=True)
class NodePoolSpec:
    """A group of nodes; one without an accelerator is the system's."""

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
    clients_per_gpu: int | None = None
    paused: bool = False

    @property
    def physical_name(self) -> str:
        """Name the group by what would replace it."""
        fixed = [
            self.machine_type,
            self.disk_size_gb,
            self.spot,
            self.zones,
            self.accelerator,
            self.reservation,
        ]
        return node_pool_name(self.name, settings=json.dumps(fixed))

    @property
    def least_nodes(self) -> int:
        """Give the floor: a paused group has none, but EKS wants room for one."""
        return 0 if self.paused else self.min_nodes

    @property
    def labels(self) -> Mapping[str, str]:
        """Give the labels of its nodes: EKS sets none that says what accelerator there is."""
        if self.accelerator is None:
            return {}
        labels = {ACCELERATOR_LABEL: self.accelerator}
        if self.clients_per_gpu is not None:
            labels[SHARING_LABEL] = str(self.clients_per_gpu)
        return labels

    @property
    def scaling_tags(self) -> Iterator[tuple[str, str]]:
        """Tell the autoscaler what a node would be like while there is none to look at."""
        for label, value in self.labels.items():
            yield f"{_TEMPLATE}/label/{label}", value
        if self.accelerator is not None:
            offered = self.accelerators_per_node * (self.clients_per_gpu or 1)
            yield f"{_TEMPLATE}/taint/{NVIDIA_GPU}", "present:NoSchedule"
            yield f"{_TEMPLATE}/resources/{NVIDIA_GPU}", str(offered)
        yield f"{_TEMPLATE}/resources/ephemeral-storage", f"{self.disk_size_gb}Gi"


def system_pool(
    *,
    machine_type: str | None,
    min_nodes: int,
    max_nodes: int,
    disk_size_gb: int,
    spot: bool,
    paused: bool,
) -> NodePoolSpec:
    """Say what the nodes without accelerators are."""
    return NodePoolSpec(
        name="system",
        machine_type=machine_type or _SYSTEM_MACHINE,
        min_nodes=min_nodes,
        max_nodes=max_nodes,
        disk_size_gb=disk_size_gb,
        spot=spot,
        paused=paused,
    )


def serving_pools(pools: Iterable[NodePoolSpec]) -> tuple[GpuPool, ...]:
    """Give what the nodes offer to models."""
    return tuple(
        GpuPool(
            accelerator=pool.accelerator,
            gpus_per_node=pool.accelerators_per_node,
            max_nodes=pool.max_nodes,
            node_labels=pool.labels,
            sharing=GpuSharing(clients_per_gpu=pool.clients_per_gpu)
            if pool.clients_per_gpu
            else None,
        )
        for pool in pools
        if pool.accelerator is not None
    )
