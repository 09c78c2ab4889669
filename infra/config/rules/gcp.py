"""What Google Cloud asks of a stack. Pure.

What cannot be known without asking it is not judged here: quota, credentials, names that others
have taken. What a table of this project does not know is given by `unchecked`, never guessed.
"""

from collections.abc import Iterator

from infra.compute.gcp_accelerator_zones import AS_OF, chosen_zones, regions_with, zones_with
from infra.compute.gcp_accelerators import ACCELERATORS, NOT_ON_DEMAND, Accelerator
from infra.config.cloud_values import Provisioning
from infra.config.model import StackConfig
from infra.config.problems import Finding
from infra.config.sections.cluster import ClusterConfig, GpuPoolConfig
from infra.config.values import Platform, Target

_SOFT_DELETE_DAYS = (7, 90)
_PRINCIPALS = ("user:", "group:", "serviceAccount:", "principal://", "principalSet://")
# Where two regions of a bucket may be together: by the first words of their names.
_CONTINENTS = {"asia": "ASIA", "europe": "EU", "us": "US"}


def gcp_findings(stack: StackConfig) -> Iterator[Finding]:
    """Give every rule of Google Cloud that the stack breaks."""
    if stack.platform is not Platform.GCP:
        return
    yield from _bucket(stack)
    yield from _network(stack)
    for index, principal in enumerate(stack.identity.publishers):
        if not principal.startswith(_PRINCIPALS):
            yield Finding(
                at=("identity", "publishers", str(index)),
                rule=f"{principal} is not a member as Google Cloud names them: "
                f"{', '.join(_PRINCIPALS)}",
                remedy="Write for example: group:ml-team@example.com",
            )
    if stack.cluster is not None:
        yield from _cluster(stack.cluster, stack.gcp.region)
        if stack.cluster.autopilot:
            yield from _autopilot(stack)


def unchecked(stack: StackConfig) -> Iterator[str]:
    """Say what of the stack is not in this project's tables, so that Google alone can judge it."""
    for name, pool in stack.cluster.gpu_pools.items() if stack.cluster else ():
        key = f"servestack:cluster.gpu_pools.{name}"
        accelerator = ACCELERATORS.get(pool.accelerator)
        if accelerator is None:
            yield (
                f"{key}.accelerator: {pool.accelerator} is not known here, so neither its machine "
                "nor its zones are checked"
            )
        elif pool.machine_type and accelerator.fits(pool.machine_type, 1) is None:
            yield f"{key}.machine_type: {pool.machine_type} is not known here, so it is not checked"
        known = zones_with(pool.accelerator, str(stack.gcp.region))
        if accelerator is not None and known is None:
            yield f"{key}.zones: it is not known here which zones have {pool.accelerator}"
        others = [zone for zone in pool.zones if known is not None and zone not in known]
        if others:
            yield (
                f"{key}.zones: {', '.join(others)} did not have {pool.accelerator} in {AS_OF}, "
                "as far as is known here"
            )


def continent_of(region: str) -> str | None:
    """Give the multi-region that a region's name puts it into, as far as that is known."""
    return _CONTINENTS.get(region.partition("-")[0])


def _bucket(stack: StackConfig) -> Iterator[Finding]:
    bucket = stack.bucket
    if bucket.name and (bucket.name.startswith("goog") or "google" in bucket.name):
        yield Finding(
            at=("bucket", "name"),
            rule="a bucket's name neither starts with goog nor contains google",
            remedy="Write another name",
        )
    least, most = _SOFT_DELETE_DAYS
    kept = bucket.keep_deleted_days
    if bucket.hierarchical_namespace and kept and not least <= kept <= most:
        yield Finding(
            at=("bucket", "keep_deleted_days"),
            rule=f"with hierarchical_namespace it is 0 or {least} to {most} days",
            remedy=f"Write for example: keep_deleted_days: {min(max(kept, least), most)}",
        )
    if bucket.kms_key and not bucket.kms_key.startswith("projects/"):
        yield Finding(
            at=("bucket", "kms_key"),
            rule="a key of Google Cloud starts with projects/",
            remedy="Write: projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/KEY",
        )
    elif bucket.kms_key and stack.gcp.region:
        wanted = (bucket.location or stack.gcp.region).lower()
        found = bucket.kms_key.split("/")[3]
        regions = wanted.split("+")
        if len(regions) > 1:
            wanted = str(continent_of(regions[0])).lower()
        # The multi-region EU of buckets is called europe by keys.
        if found != {"eu": "europe"}.get(wanted, wanted):
            yield Finding(
                at=("bucket", "kms_key"),
                rule=f"the key is in {found} and the bucket in {wanted}; they must be together",
                remedy="Write a key of the bucket's location",
            )
    regions = (bucket.location or "").split("+")
    if len(regions) > 1:
        continents = {continent_of(region) for region in regions}
        if len(continents) > 1 or None in continents or regions[0] == regions[1]:
            yield Finding(
                at=("bucket", "location"),
                rule="two regions of a bucket are different ones, both in asia, europe or us",
                remedy="Write for example: location: europe-west1+europe-west4",
            )


def _network(stack: StackConfig) -> Iterator[Finding]:
    place = stack.gcp
    if (place.network is None) != (place.subnetwork is None):
        missing = "network" if place.network is None else "subnetwork"
        yield Finding(
            at=("gcp", missing),
            rule="is missing; network and subnetwork are named together",
            remedy=f"Write for example: {missing}: shared",
        )
    for key in ("network", "subnetwork"):
        unused = stack.cluster is None or stack.cluster.existing
        if getattr(place, key) is not None and unused:
            yield Finding(
                at=("gcp", key),
                rule="it has no effect: no cluster is made here",
                remedy="Remove the line",
            )


def _cluster(cluster: ClusterConfig, region: str | None) -> Iterator[Finding]:
    at = ("cluster",)
    yield from _zones((*at, "zones"), cluster.zones, region)
    for name, pool in cluster.gpu_pools.items():
        place = (*at, "gpu_pools", name)
        yield from _zones((*place, "zones"), pool.zones, region)
        yield from _accelerator(place, pool)
        if region:
            yield from _place(place, pool, cluster, region)


def _place(
    at: tuple[str, ...], pool: GpuPoolConfig, cluster: ClusterConfig, region: str
) -> Iterator[Finding]:
    """Say where a pool's accelerator is, if not here. Who names zones for the pool is believed."""
    known = zones_with(pool.accelerator, region)
    if known is None or pool.zones:
        return
    if not known:
        yield _elsewhere((*at, "accelerator"), pool.accelerator, region)
    elif not chosen_zones(pool.accelerator, region, named=(), of_cluster=cluster.zones):
        yield Finding(
            at=(*at, "zones"),
            rule=f"is missing; of the cluster's zones none has {pool.accelerator}",
            remedy=f"Write for example: zones: [{known[0]}]",
        )


def _elsewhere(at: tuple[str, ...], accelerator: str, region: str) -> Finding:
    return Finding(
        at=at,
        rule=f"{region} has no {accelerator} (in {AS_OF}); "
        f"these have it: {', '.join(regions_with(accelerator))}",
        remedy="Name another accelerator or region; if Google has it here by now, name its zones: "
        f"zones: [{region}-a]",
    )


def _autopilot(stack: StackConfig) -> Iterator[Finding]:
    """Check what pods ask of Autopilot, which has no pools that could be checked."""
    for name, model in stack.models.items():
        if model.gpu is None or model.target is not Target.KUBERNETES:
            continue
        at = ("models", name, "gpu")
        known = ACCELERATORS.get(model.gpu.type)
        if known is not None and model.gpu.count not in known.counts:
            yield _no_machine((*at, "count"), model.gpu.type, model.gpu.count, known)
        if stack.gcp.region and zones_with(model.gpu.type, stack.gcp.region) == ():
            yield _elsewhere((*at, "type"), model.gpu.type, stack.gcp.region)


def _no_machine(at: tuple[str, ...], accelerator: str, count: int, known: Accelerator) -> Finding:
    allowed = ", ".join(str(number) for number in known.counts)
    return Finding(
        at=at,
        rule=f"no machine has {count} of {accelerator}; there are machines with {allowed}",
        remedy=f"Write for example: {at[-1]}: {known.counts[0]}",
    )


def _zones(at: tuple[str, ...], zones: tuple[str, ...], region: str | None) -> Iterator[Finding]:
    for index, zone in enumerate(zones):
        if region and not zone.startswith(f"{region}-"):
            yield Finding(
                at=(*at, str(index)),
                rule=f"{zone} is not in the region {region}",
                remedy=f"Write for example: {region}-a",
            )


def _accelerator(at: tuple[str, ...], pool: GpuPoolConfig) -> Iterator[Finding]:
    accelerator = ACCELERATORS.get(pool.accelerator)
    if accelerator is None:
        if pool.machine_type is None:
            yield Finding(
                at=(*at, "machine_type"),
                rule=f"is missing, and {pool.accelerator} is not one of {', '.join(ACCELERATORS)}",
                remedy="Name the machine too, if the accelerator is right",
            )
        return
    count = pool.accelerators_per_node
    if count not in accelerator.counts:
        yield _no_machine((*at, "accelerators_per_node"), pool.accelerator, count, accelerator)
    elif pool.machine_type and accelerator.fits(pool.machine_type, count) is False:
        yield Finding(
            at=(*at, "machine_type"),
            rule=f"{pool.machine_type} has not {count} of {pool.accelerator}",
            remedy=f"Remove the line, or write {accelerator.machines_for(count)}",
        )
    machine = pool.machine_type or accelerator.machine_for(count)
    if machine in NOT_ON_DEMAND and not (
        pool.spot or pool.provisioning is not Provisioning.STANDARD
    ):
        yield Finding(
            at=(*at, "machine_type"),
            rule=f"{machine} is sold as spot or by flex-start only",
            remedy="Write: spot: true, or: provisioning: flex_start",
        )
    if pool.partition and pool.partition not in accelerator.partitions:
        cut = ", ".join(accelerator.partitions)
        yield Finding(
            at=(*at, "partition"),
            rule=f"{pool.accelerator} is not cut into {pool.partition}; it is cut into "
            f"{cut or 'no parts'}",
            remedy=f"Write for example: partition: {next(iter(accelerator.partitions))}"
            if cut
            else "Remove the line",
        )
