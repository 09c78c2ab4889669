"""What a cluster's settings must be to each other and to the models, on any cloud. Pure."""

from collections.abc import Iterator

from infra.config.cloud_values import Endpoint, GpuSharing, Provisioning
from infra.config.model import ModelConfig, StackConfig
from infra.config.problems import Finding
from infra.config.sections.cluster import ClusterConfig, GpuPoolConfig, MaintenanceConfig
from infra.config.values import Platform, Target

_CLOUDS = frozenset({Platform.GCP, Platform.AWS})
# What belongs to the cluster itself, so that one which is there already keeps its own.
_OWNERS = (
    "version",
    "release_channel",
    "authorized_networks",
    "maintenance",
    "deletion_protection",
    "system_pool",
)
# What a cloud that runs the nodes itself decides.
_NODES = ("gpu_pools", "system_pool", "image_streaming", "zones", "regional")
# Google wants to find so many hours in any 32 days, and a window shorter than a day has them
# only on so many of its days.
_WINDOW_HOURS_NEEDED = 48
_WINDOW_DAYS = 32


def cluster_findings(stack: StackConfig) -> Iterator[Finding]:
    """Give every rule that the cluster breaks, or the models that are to run in it."""
    if stack.platform not in _CLOUDS:
        return
    served = {
        name: model for name, model in stack.models.items() if model.target is Target.KUBERNETES
    }
    if stack.cluster is None:
        if served:
            yield Finding(
                at=("cluster",),
                rule=f"is missing, and Kubernetes is to serve {', '.join(served)}",
                remedy="Write: cluster: {}",
            )
        return
    yield from _cluster(stack.cluster)
    yield from _reached(stack.platform, stack.cluster)
    for name, pool in stack.cluster.gpu_pools.items():
        yield from _gpu_pool(("cluster", "gpu_pools", name), pool)
    for name, model in served.items():
        yield from _model(("models", name, "gpu"), model, stack.cluster)


def _cluster(cluster: ClusterConfig) -> Iterator[Finding]:
    given = cluster.model_fields_set
    for key in _OWNERS if cluster.existing else ():
        if key in given:
            yield Finding(
                at=("cluster", key),
                rule=f"it has no effect: {cluster.existing} is there already and stays as it is",
                remedy="Remove it, or remove the line `existing` and a cluster is made",
            )
    for key in _NODES if cluster.autopilot else ():
        if key in given:
            yield Finding(
                at=("cluster", key),
                rule="it has no effect: with autopilot the cloud runs the nodes",
                remedy="Remove it, or write: autopilot: false",
            )
    if not cluster.regional and not cluster.zones:
        yield Finding(
            at=("cluster", "zones"),
            rule="is missing; the control plane runs in the first of them with regional: false",
            remedy="Write for example: zones: [europe-west4-a]",
        )
    pool = cluster.system_pool
    if pool.min_nodes > pool.max_nodes:
        yield _over(("cluster", "system_pool", "min_nodes"), pool.min_nodes, pool.max_nodes)
    if cluster.maintenance is not None:
        yield from _maintenance(cluster.maintenance)


def _reached(platform: Platform, cluster: ClusterConfig) -> Iterator[Finding]:
    if not cluster.authorized_networks:
        return
    at = ("cluster", "authorized_networks")
    if cluster.endpoint is Endpoint.DNS:
        yield Finding(
            at=at,
            rule="it has no effect: with endpoint: dns there is no address to reach",
            remedy="Remove it, or write: endpoint: public, or: endpoint: private",
        )
    elif cluster.endpoint is Endpoint.PRIVATE and platform is Platform.AWS:
        yield Finding(
            at=at,
            rule="it has no effect: on AWS the security groups say who reaches a private endpoint",
            remedy="Remove it, or write: endpoint: public",
        )


def _maintenance(window: MaintenanceConfig) -> Iterator[Finding]:
    days = len(set(window.days)) or 7
    if window.hours * (_WINDOW_DAYS * days // 7) < _WINDOW_HOURS_NEEDED:
        yield Finding(
            at=("cluster", "maintenance", "hours"),
            rule=f"{window.hours} hours on {days} of 7 days are fewer than "
            f"{_WINDOW_HOURS_NEEDED} hours in {_WINDOW_DAYS} days, which an upgrade needs",
            remedy="Write more hours, or more days",
        )


def _gpu_pool(at: tuple[str, ...], pool: GpuPoolConfig) -> Iterator[Finding]:
    if pool.min_nodes > pool.max_nodes:
        yield _over((*at, "min_nodes"), pool.min_nodes, pool.max_nodes)
    if pool.spot and pool.reservation:
        yield Finding(
            at=(*at, "reservation"),
            rule="a spot machine is never taken from a reservation",
            remedy="Remove it, or write: spot: false",
        )
    if pool.provisioning is not Provisioning.STANDARD:
        for key in ("spot", "reservation", "min_nodes"):
            if getattr(pool, key):
                yield Finding(
                    at=(*at, key),
                    rule=f"provisioning: {pool.provisioning} waits for machines of its own, and "
                    "keeps none",
                    remedy="Remove it, or write: provisioning: standard",
                )
    if pool.partition and pool.sharing and pool.sharing.strategy is GpuSharing.MPS:
        yield Finding(
            at=(*at, "sharing", "strategy"),
            rule="mps does not work on a part of an accelerator",
            remedy="Write: strategy: time_slicing",
        )


def _model(at: tuple[str, ...], model: ModelConfig, cluster: ClusterConfig) -> Iterator[Finding]:
    if model.gpu is None or cluster.autopilot:
        return
    pools = {
        name: pool for name, pool in cluster.gpu_pools.items() if pool.accelerator == model.gpu.type
    }
    if not pools:
        known = sorted({pool.accelerator for pool in cluster.gpu_pools.values()})
        has = f"the pools have {', '.join(known)}" if known else "there are none"
        yield Finding(
            at=(*at, "type"),
            rule=f"no pool of servestack:cluster.gpu_pools has {model.gpu.type}; {has}",
            remedy="Name one of theirs, or write for example: "
            f"cluster: {{gpu_pools: {{gpu: {{accelerator: {model.gpu.type}}}}}}}",
        )
        return
    most = max(accelerators_of(pool) for pool in pools.values())
    if model.gpu.count > most:
        yield Finding(
            at=(*at, "count"),
            rule=f"a node has at most {most} of {model.gpu.type} for one replica "
            f"(pool {', '.join(pools)})",
            remedy=f"Write at most: count: {most}, or give the pool more accelerators_per_node",
        )
    queued = [name for name in pools if pools[name].provisioning is Provisioning.QUEUED]
    if len(queued) == len(pools):
        yield Finding(
            at=(*at, "type"),
            rule=f"pool {', '.join(queued)} gives its nodes to queued jobs only, not to servers",
            remedy="Write for the pool: provisioning: flex_start or standard",
        )


def accelerators_of(pool: GpuPoolConfig) -> int:
    """Give how many accelerators one container of a node can have: a shared one alone."""
    shared = pool.sharing is not None or pool.partition is not None
    return 1 if shared else pool.accelerators_per_node


def _over(at: tuple[str, ...], least: int, most: int) -> Finding:
    return Finding(
        at=at,
        rule=f"{least} is more than max_nodes: {most}",
        remedy=f"Write at most: min_nodes: {most}",
    )
