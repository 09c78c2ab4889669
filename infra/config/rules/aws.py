"""What AWS asks of a stack. Pure.

What cannot be known without asking it is not judged here: quota, credentials, names that others
have taken. What a table of this project does not know is given by `unchecked`, never guessed.
"""

from collections.abc import Iterator
from typing import Final

from infra.compute.aws_accelerators import (
    ACCELERATORS,
    accelerators_in,
    counts_of,
    machine_with,
    may_have_accelerators,
)
from infra.config.model import StackConfig
from infra.config.problems import Finding
from infra.config.sections.cluster import ClusterConfig, GpuPoolConfig
from infra.config.values import Platform, Target

# What EKS asks of a control plane's subnets.
_LEAST_ZONES: Final = 2
_MOST_EMAILS: Final = 10
# Names that S3 keeps for itself.
_KEPT_STARTS: Final = ("xn--", "sthree-", "amzn-s3-demo-")
_KEPT_ENDS: Final = ("-s3alias", "--ol-s3", "--x-s3", "--table-s3")
# What belongs to the cluster that is made, or to its network.
_MADE: Final = ("vpc", "subnets", "vpc_range", "nat", "secrets_key")
_NETWORK: Final = ("vpc_range", "nat")


def aws_findings(stack: StackConfig) -> Iterator[Finding]:
    """Give every rule of AWS that the stack breaks."""
    if stack.platform is not Platform.AWS:
        return
    yield from _bucket(stack)
    yield from _identity(stack)
    yield from _budget(stack)
    yield from _network(stack)
    if stack.cluster is not None:
        yield from _cluster(stack.cluster, stack.aws.region)


def unchecked(stack: StackConfig) -> Iterator[str]:
    """Say what of the stack is not in this project's tables, so that Amazon alone can judge it."""
    for name, pool in stack.cluster.gpu_pools.items() if stack.cluster else ():
        key = f"servestack:cluster.gpu_pools.{name}"
        if pool.machine_type and accelerators_in(pool.machine_type) is None:
            yield f"{key}.machine_type: {pool.machine_type} is not known here, so it is not checked"
    in_cluster = any(model.target is Target.KUBERNETES for model in stack.models.values())
    if stack.observe.alerts is not None and in_cluster:
        yield (
            "servestack:observe.alerts: whether the cluster has the Prometheus operator "
            "(https://prometheus-operator.dev) is not checked; without it the update fails"
        )


def _bucket(stack: StackConfig) -> Iterator[Finding]:
    name = stack.bucket.name or ""
    if name.startswith(_KEPT_STARTS) or name.endswith(_KEPT_ENDS):
        yield Finding(
            at=("bucket", "name"),
            rule=f"S3 keeps names like {name} for itself",
            remedy="Write another name",
        )
    key = stack.bucket.kms_key
    if key and not key.startswith("arn:"):
        yield Finding(
            at=("bucket", "kms_key"),
            rule="a key of AWS is named by its ARN",
            remedy="Write: arn:aws:kms:REGION:ACCOUNT:key/ID",
        )
    elif key and stack.aws.region and key.split(":")[3] != stack.aws.region:
        yield Finding(
            at=("bucket", "kms_key"),
            rule=f"the key is in {key.split(':')[3]} and the bucket in {stack.aws.region}; they "
            "must be together",
            remedy="Write a key of the bucket's region",
        )
    elif key and ":alias/" in key:
        yield Finding(
            at=("bucket", "kms_key"),
            rule="a role is granted the use of a key, not of an alias",
            remedy="Write: arn:aws:kms:REGION:ACCOUNT:key/ID (aws kms describe-key)",
        )


def _identity(stack: StackConfig) -> Iterator[Finding]:
    if "github_provider" in stack.aws.model_fields_set and (
        stack.identity.ci is None or stack.identity.ci.github is None
    ):
        yield Finding(
            at=("aws", "github_provider"),
            rule="it has no effect: no workflow of GitHub is let in",
            remedy="Remove it, or name a repository: servestack:identity.ci.github",
        )
    if stack.cluster is None:
        for key in ("pod_identity", "cluster_admins"):
            if key in stack.aws.model_fields_set:
                yield Finding(
                    at=("aws", key),
                    rule="it has no effect: the stack has no cluster",
                    remedy="Remove it",
                )
    for index, principal in enumerate(stack.identity.publishers):
        if not principal.startswith("arn:") or ":iam::" not in principal:
            yield Finding(
                at=("identity", "publishers", str(index)),
                rule=f"{principal} is not the ARN of a role or user",
                remedy="Write for example: arn:aws:iam::123456789012:role/ml-team",
            )


def _budget(stack: StackConfig) -> Iterator[Finding]:
    budget = stack.budget
    if budget is None:
        return
    if not budget.emails and not budget.topic:
        yield Finding(
            at=("budget", "emails"),
            rule="is missing; AWS tells nobody by itself",
            remedy="Write for example: emails: [ml-team@example.com], or: topic: true",
        )
    if len(budget.emails) > _MOST_EMAILS:
        yield Finding(
            at=("budget", "emails"),
            rule=f"{len(budget.emails)} are more than the {_MOST_EMAILS} that a budget can tell",
            remedy="Write the address of a group",
        )


def _network(stack: StackConfig) -> Iterator[Finding]:
    place, given = stack.aws, stack.aws.model_fields_set
    if stack.cluster is None or stack.cluster.existing:
        for key in _MADE:
            if key in given:
                yield Finding(
                    at=("aws", key),
                    rule="it has no effect: no cluster is made here",
                    remedy="Remove it",
                )
        return
    if (place.vpc is None) != (not place.subnets):
        missing = "vpc" if place.vpc is None else "subnets"
        example = "vpc-0a1b2c3d" if missing == "vpc" else "[subnet-0a1b2c3d, subnet-4e5f6a7b]"
        yield Finding(
            at=("aws", missing),
            rule="is missing; a VPC and its subnets are named together",
            remedy=f"Write for example: {missing}: {example}",
        )
    for key in _NETWORK if place.vpc else ():
        if key in given:
            yield Finding(
                at=("aws", key),
                rule=f"it has no effect: {place.vpc} is there already",
                remedy="Remove it",
            )
    if place.subnets and len(set(place.subnets)) < _LEAST_ZONES:
        yield Finding(
            at=("aws", "subnets"),
            rule=f"EKS wants subnets in {_LEAST_ZONES} zones at least",
            remedy="Name another one, in another zone",
        )
    zones = stack.cluster.zones
    if zones and place.vpc:
        yield Finding(
            at=("cluster", "zones"),
            rule="it has no effect: the zones are those of servestack:aws.subnets",
            remedy="Remove it",
        )
    elif zones and len(set(zones)) < _LEAST_ZONES:
        yield Finding(
            at=("cluster", "zones"),
            rule=f"EKS wants {_LEAST_ZONES} zones at least",
            remedy=f"Write for example: zones: [{place.region}a, {place.region}b]",
        )


def _cluster(cluster: ClusterConfig, region: str | None) -> Iterator[Finding]:
    yield from _zones(("cluster", "zones"), cluster.zones, region)
    machine = cluster.system_pool.machine_type
    if machine and accelerators_in(machine):
        yield Finding(
            at=("cluster", "system_pool", "machine_type"),
            rule=f"{machine} has accelerators, and the cluster's own pods need none",
            remedy="Write a machine without, for example: m6i.xlarge",
        )
    for name, pool in cluster.gpu_pools.items():
        at = ("cluster", "gpu_pools", name)
        yield from _zones((*at, "zones"), pool.zones, region)
        yield from _machine(at, pool)
        if pool.reservation and not pool.reservation.startswith("cr-"):
            yield Finding(
                at=(*at, "reservation"),
                rule="a capacity reservation of AWS is named by its id",
                remedy="Write for example: reservation: cr-0123456789abcdef0",
            )


def _zones(at: tuple[str, ...], zones: tuple[str, ...], region: str | None) -> Iterator[Finding]:
    for index, zone in enumerate(zones):
        if region and not (zone.startswith(region) and len(zone) == len(region) + 1):
            yield Finding(
                at=(*at, str(index)),
                rule=f"{zone} is not in the region {region}",
                remedy=f"Write for example: {region}a",
            )


def _machine(at: tuple[str, ...], pool: GpuPoolConfig) -> Iterator[Finding]:
    count, known = pool.accelerators_per_node, counts_of(pool.accelerator)
    if pool.machine_type is None:
        if not known:
            yield Finding(
                at=(*at, "machine_type"),
                rule=f"is missing, and {pool.accelerator} is not one of {', '.join(ACCELERATORS)}",
                remedy="Name the machine too, if the accelerator is right",
            )
        elif machine_with(pool.accelerator, count) is None:
            allowed = ", ".join(map(str, known))
            yield Finding(
                at=(*at, "accelerators_per_node"),
                rule=f"no machine has {count} of {pool.accelerator}; there are machines with "
                f"{allowed}",
                remedy=f"Write for example: accelerators_per_node: {known[0]}",
            )
        return
    found = accelerators_in(pool.machine_type)
    if found is None and may_have_accelerators(pool.machine_type):
        return
    if found != (pool.accelerator, count):
        has = f"{found[1]} of {found[0]}" if found else "no accelerator"
        fitting = machine_with(pool.accelerator, count)
        yield Finding(
            at=(*at, "machine_type"),
            rule=f"{pool.machine_type} has {has}, not {count} of {pool.accelerator}",
            remedy=f"Remove the line, or write: machine_type: {fitting}"
            if fitting
            else "Name another machine, or another accelerator",
        )
