"""Rules about nodes and pods. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from infra.policy.subject import UNKNOWN, Resource, Surroundings

_PODS: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(
        (
            "kubernetes:apps/v1:Deployment",
            "kubernetes:apps/v1:StatefulSet",
            "kubernetes:apps/v1:DaemonSet",
            "kubernetes:batch/v1:Job",
        ),
        ("spec", "template", "spec"),
    ),
    "kubernetes:batch/v1:CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
    "kubernetes:core/v1:Pod": ("spec",),
}
# A job has an end, and nobody sends it traffic.
_JOBS: Final = frozenset({"kubernetes:batch/v1:Job", "kubernetes:batch/v1:CronJob"})
_MOVING_TAGS: Final = frozenset({"", "latest", "latest-gpu", "nightly", "nightly-gpu", "main"})
_TAG: Final = re.compile(r"[^/:@]+(?::[0-9]+)?(?:/[^:@]+)?(?::([^@]+))?(@sha256:[0-9a-f]{64})?")


def gpu_pool_maximum(resource: Resource, _: Surroundings) -> Iterator[str]:
    """Find pools with GPUs that may grow without an end."""
    match resource.type:
        case "gcp:container/nodePool:NodePool":
            if not resource.at("nodeConfig", "guestAccelerators"):
                return
            if resource.at("autoscaling") is None and resource.at("nodeCount") is not None:
                return
            scaling = resource.at("autoscaling")
            if scaling != UNKNOWN and not (
                isinstance(scaling, Mapping)
                and (scaling.get("maxNodeCount") or scaling.get("totalMaxNodeCount") is not None)
            ):
                yield "The GPU pool has no maximum of nodes"
        case "aws:eks/nodeGroup:NodeGroup":
            if resource.at("scalingConfig", "maxSize") is None:
                yield "The node group has no maximum of nodes"
        case _:
            pass


def pod_limits(resource: Resource, _: Surroundings) -> Iterator[str]:
    """Find containers that do not say what they need."""
    for container in _containers(resource):
        given = container.get("resources") or {}
        if given == UNKNOWN:
            continue
        requests, limits = given.get("requests") or {}, given.get("limits") or {}
        missing = [f"requests.{key}" for key in ("cpu", "memory") if not requests.get(key)]
        missing += [] if limits.get("memory") else ["limits.memory"]
        if missing:
            yield f"Container {container.get('name')} has no {', '.join(missing)}"


def pod_probes(resource: Resource, _: Surroundings) -> Iterator[str]:
    """Find servers that nobody asks whether they are well."""
    if resource.type in _JOBS or _is_node_agent(resource):
        return
    for container in _containers(resource, start=False):
        missing = [key for key in ("readinessProbe", "livenessProbe") if not container.get(key)]
        if missing:
            yield f"Container {container.get('name')} has no {' and no '.join(missing)}"


def pod_non_root(resource: Resource, _: Surroundings) -> Iterator[str]:
    """Find containers that are, or could become, root.

    An agent of a node may be: it speaks to the kubelet by a socket that is root's. More than that
    it may not.
    """
    pod = _pod(resource)
    everywhere = pod.get("securityContext") or {}
    for container in _containers(resource):
        own = container.get("securityContext") or {}
        if UNKNOWN in (own, everywhere):
            continue
        problems = []
        not_root = own.get("runAsNonRoot", everywhere.get("runAsNonRoot"))
        if not_root not in {True, UNKNOWN} and not _is_node_agent(resource):
            problems.append("may run as root")
        if own.get("allowPrivilegeEscalation") not in {False, UNKNOWN}:
            problems.append("may gain privileges")
        if own.get("privileged") is True:
            problems.append("is privileged")
        if problems:
            yield f"Container {container.get('name')} {' and '.join(problems)}"


def pinned_image(resource: Resource, _: Surroundings) -> Iterator[str]:
    """Find images whose content may change under their name."""
    for container in _containers(resource):
        image = container.get("image")
        if isinstance(image, str) and image != UNKNOWN and _moves(image):
            yield f"Container {container.get('name')} runs {image}, which is not pinned"
    if resource.type == "pulumi-python:dynamic/servestack:LocalServer":
        image = resource.at("image")
        if resource.at("kind") == "docker" and isinstance(image, str) and _moves(image):
            yield f"The server runs {image}, which is not pinned"


def _is_node_agent(resource: Resource) -> bool:
    return (
        resource.type == "kubernetes:apps/v1:DaemonSet"
        and resource.at("metadata", "namespace") == "kube-system"
    )


def _moves(image: str) -> bool:
    found = _TAG.fullmatch(image)
    if found is None:
        return True
    tag, digest = found.groups()
    return digest is None and (tag or "") in _MOVING_TAGS


def _pod(resource: Resource) -> Mapping[str, Any]:
    path = _PODS.get(resource.type)
    pod = resource.at(*path) if path else None
    return pod if isinstance(pod, Mapping) else {}


def _containers(resource: Resource, *, start: bool = True) -> Iterator[Mapping[str, Any]]:
    pod = _pod(resource)
    for key in ("containers", "initContainers") if start else ("containers",):
        entries = pod.get(key)
        for container in entries if isinstance(entries, list) else ():
            if isinstance(container, Mapping):
                yield container
