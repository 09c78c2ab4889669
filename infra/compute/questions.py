"""What a preview asks of a cluster that exists: is it there, and has it what the models need.

The provider says nothing of a cluster that does not answer, or of a kind that it does not know,
until the update. Each question costs one request, and all are asked at the same time.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from infra.compute.api_server import ApiServer, ClusterError, Object
from infra.compute.pools import (
    GKE_ACCELERATOR,
    GPU_PRODUCT,
    INSTANCE_TYPE,
    NVIDIA_GPU,
    GpuPool,
)

_AT_ONCE: Final = 8


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of object that not every cluster knows, and what brings it."""

    group: str
    version: str
    kind: str
    brought_by: str

    @property
    def path(self) -> str:
        """Give where the API server lists the kinds of its group and version."""
        return f"/apis/{self.group}/{self.version}"


GATEWAY_KINDS: Final = tuple(
    Kind(
        group="gateway.networking.k8s.io",
        version="v1",
        kind=kind,
        brought_by="the Gateway API (https://gateway-api.sigs.k8s.io)",
    )
    for kind in ("Gateway", "HTTPRoute", "GRPCRoute")
)
KEDA_KIND: Final = Kind(
    group="keda.sh", version="v1alpha1", kind="ScaledObject", brought_by="KEDA (https://keda.sh)"
)
POD_MONITORING_KIND: Final = Kind(
    group="monitoring.googleapis.com",
    version="v1",
    kind="PodMonitoring",
    brought_by="Google's managed Prometheus",
)
SERVICE_MONITOR_KIND: Final = Kind(
    group="monitoring.coreos.com",
    version="v1",
    kind="ServiceMonitor",
    brought_by="the Prometheus operator (https://prometheus-operator.dev)",
)
PROMETHEUS_RULE_KIND: Final = Kind(
    group="monitoring.coreos.com",
    version="v1",
    kind="PrometheusRule",
    brought_by="the Prometheus operator (https://prometheus-operator.dev)",
)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the stack needs of the cluster, each with the key that asks for it."""

    namespace: str
    kinds: Mapping[str, Sequence[Kind]]
    objects: Mapping[str, str]
    metrics: Mapping[str, str]
    nodes: bool


@dataclass(frozen=True, kw_only=True)
class Found:
    """What the cluster answered: of objects those that are missing, by their key."""

    minor: int
    namespace: Object | None
    missing_kinds: Mapping[str, Sequence[Kind]]
    missing_objects: frozenset[str]
    missing_metrics: frozenset[str]
    nodes: tuple[Object, ...]


def ask(server: ApiServer, wanted: Wanted) -> Found:
    """Ask everything at once; a cluster that does not answer is told by the first question."""
    paths = {kind.path for kinds in wanted.kinds.values() for kind in kinds}
    with ThreadPoolExecutor(_AT_ONCE) as asking:
        version = asking.submit(server.get, "/version")
        namespace = asking.submit(server.metadata, f"/api/v1/namespaces/{wanted.namespace}")
        lists = {path: asking.submit(server.get, path, missing_is_fine=True) for path in paths}
        objects = {
            key: asking.submit(server.metadata, path) for key, path in wanted.objects.items()
        }
        metrics = {
            key: asking.submit(server.get, f"/apis/{group}", missing_is_fine=True)
            for key, group in wanted.metrics.items()
        }
        nodes = asking.submit(_nodes, server) if wanted.nodes else None
        known = {
            (path, str(resource["kind"]))
            for path, answer in lists.items()
            for resource in (answer.result() or {}).get("resources", [])
        }
        return Found(
            minor=_minor(version.result()),
            namespace=namespace.result(),
            missing_kinds={
                key: missing
                for key, kinds in wanted.kinds.items()
                if (missing := [kind for kind in kinds if (kind.path, kind.kind) not in known])
            },
            missing_objects=frozenset(key for key, at in objects.items() if at.result() is None),
            missing_metrics=frozenset(key for key, at in metrics.items() if at.result() is None),
            nodes=nodes.result() if nodes else (),
        )


def _minor(version: Object | None) -> int:
    """Read the minor version; clouds put a plus behind it."""
    digits = "".join(filter(str.isdigit, str((version or {}).get("minor", ""))))
    return int(digits or 0)


def _nodes(server: ApiServer) -> tuple[Object, ...]:
    try:
        found = server.get("/api/v1/nodes")
    except ClusterError as error:
        raise ClusterError(
            f"{error}. The nodes say which GPUs there are; where you may not see them, write them "
            "below servestack:kubernetes.gpu_pools"
        ) from error
    return tuple((found or {}).get("items", ()))


def found_pools(nodes: Sequence[Object]) -> tuple[GpuPool, ...]:
    """Find the GPU nodes by the labels that GKE, EKS and NVIDIA's operator put on them.

    A pool is as large as its nodes are now: nobody knows here how far it may grow.
    """
    pools: dict[tuple[str, str], list[Object]] = {}
    for node in nodes:
        if _gpus(node) < 1 or _is_closed(node):
            continue
        for key, name in _marks(node):
            pools.setdefault((key, name), []).append(node)
    return tuple(
        GpuPool(
            accelerator=name.lower(),
            gpus_per_node=min(_gpus(node) for node in members),
            max_nodes=len(members),
            node_labels={key: name},
        )
        for (key, name), members in sorted(pools.items())
    )


def _marks(node: Object) -> Iterator[tuple[str, str]]:
    labels = node["metadata"].get("labels", {})
    # On GKE the accelerator says more than the machine; elsewhere both names are known.
    for key in (GKE_ACCELERATOR, GPU_PRODUCT, INSTANCE_TYPE):
        if key in labels:
            yield key, labels[key]
            if key == GKE_ACCELERATOR:
                return


def _gpus(node: Object) -> int:
    return int(node.get("status", {}).get("allocatable", {}).get(NVIDIA_GPU, 0))


def _is_closed(node: Object) -> bool:
    """Tell whether a taint keeps out what only wants a GPU: such nodes are somebody's own."""
    return any(
        taint["effect"] != "PreferNoSchedule"
        and taint["key"] != NVIDIA_GPU
        and not taint["key"].startswith("node.kubernetes.io/")
        for taint in node.get("spec", {}).get("taints", [])
    )
