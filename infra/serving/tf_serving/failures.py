"""Why a new pod does not come up, read from what the API server says of it. Pure.

A reason is certain when waiting longer cannot mend it; then a roll-out ends at once instead of at
its time-out. What may pass by itself, such as a node that is still to come, is only remembered.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Object = Mapping[str, Any]

_NEVER_PULLED: Final = frozenset({"InvalidImageName", "ErrImageNeverPull"})
_NOT_PULLED: Final = frozenset({"ErrImagePull", "ImagePullBackOff"})
_NOT_CREATED: Final = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
)
# What registries say of an image that will not be there at the next try either.
_NO_SUCH_IMAGE: Final = re.compile(
    r"not found|manifest unknown|does not exist|denied|unauthorized|invalid reference",
    re.IGNORECASE,
)
_NO_CLAIM: Final = re.compile(r'persistentvolumeclaim "[^"]+" not found')
_MESSAGE_CHARACTERS: Final = 1200
# The log's own prefix says when and where; the reason is what is behind it.
_TF_SERVING_ERROR: Final = re.compile(r"Failed to start server\. Error: (?P<reason>.*)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """One reason, where it is seen, and how long it must last to be believed; 0: at once."""

    where: str
    reason: str
    believed_after_seconds: float
    # The container ended without leaving a reason behind.
    is_wordless: bool = False

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


def troubles(
    pods: Iterable[Object], events: Sequence[Object], deployment: Object
) -> Iterator[Trouble]:
    """Give every reason that the new pods and their Deployment show, the surest first."""
    found = [*_deployment_troubles(deployment)]
    for pod in pods:
        found += _pod_troubles(pod, events)
    yield from sorted(found, key=lambda trouble: trouble.believed_after_seconds)


def _deployment_troubles(deployment: Object) -> Iterator[Trouble]:
    for condition in deployment.get("status", {}).get("conditions", []):
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            # A quota, a missing service account, a policy of the cluster.
            yield Trouble(
                where=f"Deployment {deployment['metadata']['name']}",
                reason=_cut(condition.get("message", condition.get("reason", ""))),
                believed_after_seconds=20,
            )


def _pod_troubles(pod: Object, events: Sequence[Object]) -> Iterator[Trouble]:
    name, status = pod["metadata"]["name"], pod.get("status", {})
    limits = {
        container["name"]: container.get("resources", {}).get("limits", {}).get("memory", "")
        for container in pod.get("spec", {}).get("containers", [])
    }
    for kind in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(kind, []):
            where = f"pod {name}, container {container['name']}"
            limit = limits.get(container["name"], "")
            yield from _container_troubles(where, container, limit)
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            message = _cut(condition.get("message", "it is not scheduled"))
            sure = _NO_CLAIM.search(message) is not None
            yield Trouble(
                where=f"pod {name}",
                reason=message,
                believed_after_seconds=20 if sure else _NOT_SURE_SECONDS,
            )
    if not status.get("containerStatuses") or _is_waiting_for_mounts(status):
        yield from _mount_troubles(pod, events)


# Longer than any roll-out: told when time is up, never the reason to end it.
_NOT_SURE_SECONDS: Final = float("inf")
_MOUNT_SECONDS: Final = 60.0


def _is_waiting_for_mounts(status: Object) -> bool:
    return any(
        container.get("state", {}).get("waiting", {}).get("reason")
        in {"ContainerCreating", "PodInitializing"}
        for container in status.get("containerStatuses", [])
    )


def _mount_troubles(pod: Object, events: Sequence[Object]) -> Iterator[Trouble]:
    for event in events:
        about = event.get("involvedObject", {})
        if about.get("uid") == pod["metadata"].get("uid") and event.get("reason") in {
            "FailedMount",
            "FailedAttachVolume",
            "FailedCreatePodSandBox",
        }:
            yield Trouble(
                where=f"pod {pod['metadata']['name']}",
                reason=_cut(event.get("message", "")),
                believed_after_seconds=_MOUNT_SECONDS,
            )


def _container_troubles(where: str, container: Object, limit: str) -> Iterator[Trouble]:
    state = container.get("state", {})
    waiting = state.get("waiting") or {}
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    if reason in _NEVER_PULLED:
        yield Trouble(where=where, reason=_cut(message or reason), believed_after_seconds=0)
    elif reason in _NOT_PULLED:
        sure = _NO_SUCH_IMAGE.search(message) is not None
        yield Trouble(
            where=where,
            reason=f"its image cannot be had: {_cut(message or reason)}",
            believed_after_seconds=5 if sure else 120,
        )
    elif reason in _NOT_CREATED:
        yield Trouble(where=where, reason=_cut(message or reason), believed_after_seconds=20)
    ended = state.get("terminated") or container.get("lastState", {}).get("terminated")
    if not ended or container.get("ready") or ended.get("exitCode", 0) == 0:
        return
    # Killed for memory, the next try is the same; else one more try may have had better luck.
    out_of_memory = ended.get("reason") == "OOMKilled"
    again = container.get("restartCount", 0) > 0
    yield Trouble(
        where=where,
        reason=_ended(ended, limit),
        believed_after_seconds=0 if out_of_memory or again else _NOT_SURE_SECONDS,
        is_wordless=not out_of_memory and not (ended.get("message") or "").strip(),
    )


def _ended(ended: Object, limit: str) -> str:
    message = (ended.get("message") or "").strip()
    if ended.get("reason") == "OOMKilled":
        had = f" It may take {limit}." if limit else ""
        return (
            f"it was killed for taking more memory than it may.{had} Give the model more: "
            "resources.memory"
        )
    match = _TF_SERVING_ERROR.search(message)
    if match:
        return _cut(match["reason"])
    said = f": {_cut(message)}" if message else ""
    return f"it ended with exit code {ended.get('exitCode')}{said}"


def _cut(text: str) -> str:
    plain = text.strip()
    return plain if len(plain) <= _MESSAGE_CHARACTERS else f"…{plain[-_MESSAGE_CHARACTERS:]}"
