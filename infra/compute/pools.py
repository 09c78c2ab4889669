"""GPU node pools as a pod sees them: how it comes to one, and how much there is. Pure data.

Owns the labels and taints by which each cloud marks its GPU nodes. Who makes a pool is not known
here; a cluster that exists has its pools found by `infra.compute.questions`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

NVIDIA_GPU: Final = "nvidia.com/gpu"
GKE_ACCELERATOR: Final = "cloud.google.com/gke-accelerator"
GKE_SHARING_STRATEGY: Final = "cloud.google.com/gke-gpu-sharing-strategy"
GKE_CLIENTS_PER_GPU: Final = "cloud.google.com/gke-max-shared-clients-per-gpu"
INSTANCE_TYPE: Final = "node.kubernetes.io/instance-type"
GPU_PRODUCT: Final = "nvidia.com/gpu.product"


@dataclass(frozen=True, kw_only=True)
class Toleration:
    """A taint that a pod bears; without a value, whatever its value is."""

    key: str
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = "NoSchedule"


# GKE puts this taint on GPU nodes by itself, and whoever taints them on EKS uses the same key.
GPU_TOLERATION: Final = Toleration(key=NVIDIA_GPU)


@dataclass(frozen=True, kw_only=True)
class GpuSharing:
    """One GPU handed out to several pods; each counts as one `nvidia.com/gpu` then."""

    clients_per_gpu: int
    strategy: Literal["time-sharing", "mps"] = "time-sharing"


@dataclass(frozen=True, kw_only=True)
class GpuPool:
    """Nodes of one kind of GPU; `max_nodes` is None where nobody knows how far it may grow."""

    accelerator: str
    gpus_per_node: int
    max_nodes: int | None
    node_labels: Mapping[str, str]
    tolerations: tuple[Toleration, ...] = (GPU_TOLERATION,)
    sharing: GpuSharing | None = None

    @property
    def schedulable_per_node(self) -> int:
        """Count what one node offers to pods."""
        return self.gpus_per_node * (self.sharing.clients_per_gpu if self.sharing else 1)

    @property
    def schedulable(self) -> int | None:
        """Count what the whole pool may offer once it has grown; None where nobody knows."""
        return None if self.max_nodes is None else self.schedulable_per_node * self.max_nodes


def gke_pool(
    *,
    accelerator: str,
    gpus_per_node: int,
    max_nodes: int | None,
    sharing: GpuSharing | None = None,
) -> GpuPool:
    """Describe a node pool of GKE; `accelerator` as the API names it, such as nvidia-l4."""
    labels = {GKE_ACCELERATOR: accelerator}
    if sharing is not None:
        labels[GKE_SHARING_STRATEGY] = sharing.strategy
        labels[GKE_CLIENTS_PER_GPU] = str(sharing.clients_per_gpu)
    return GpuPool(
        accelerator=accelerator,
        gpus_per_node=gpus_per_node,
        max_nodes=max_nodes,
        node_labels=labels,
        sharing=sharing,
    )


def eks_pool(
    *,
    instance_type: str,
    gpus_per_node: int,
    max_nodes: int | None,
    sharing: GpuSharing | None = None,
) -> GpuPool:
    """Describe a node group of EKS: an instance type stands for its GPU."""
    return GpuPool(
        accelerator=instance_type,
        gpus_per_node=gpus_per_node,
        max_nodes=max_nodes,
        node_labels={INSTANCE_TYPE: instance_type},
        sharing=sharing,
    )


@dataclass(frozen=True, kw_only=True)
class GpuDemand:
    """What all replicas of one model ask of a pool at their most."""

    accelerator: str
    gpus_per_replica: int
    replicas: int


@dataclass(frozen=True, kw_only=True)
class PoolShortage:
    """More is asked than the pool can ever offer."""

    asked: int
    offered: int


def shortage(pool: GpuPool, demands: Iterable[GpuDemand]) -> PoolShortage | None:
    """Tell when not even the grown pool holds all replicas."""
    asked = _asked(pool, demands)
    offered = pool.schedulable
    return (
        None if offered is None or asked <= offered else PoolShortage(asked=asked, offered=offered)
    )


def can_surge(pool: GpuPool, demands: Iterable[GpuDemand], *, gpus_per_replica: int) -> bool:
    """Tell whether one replica more than all demands together still finds its GPUs.

    Without that room a new pod waits for the GPU that the old one holds, for ever.
    """
    offered = pool.schedulable
    return offered is not None and _asked(pool, demands) + gpus_per_replica <= offered


def fits_a_node(pool: GpuPool, *, gpus_per_replica: int) -> bool:
    """Tell whether one node has as many GPUs as one replica wants."""
    return gpus_per_replica <= pool.schedulable_per_node


def _asked(pool: GpuPool, demands: Iterable[GpuDemand]) -> int:
    return sum(
        demand.gpus_per_replica * demand.replicas
        for demand in demands
        if demand.accelerator == pool.accelerator
    )


@dataclass(frozen=True, kw_only=True)
class GpuPools:
    """All pools of a stack, looked up by the name that a model's `gpu.type` gives."""

    pools: tuple[GpuPool, ...] = field(default=())

    def of(self, accelerator: str) -> GpuPool | None:
        """Find the pool of an accelerator."""
        return next((pool for pool in self.pools if pool.accelerator == accelerator), None)
