"""When an object is ready, and why it is not; as the real provider waits.

A Deployment is waited for until its roll-out is through, a LoadBalancer and an Ingress until they
have an address, a Job until it is complete. A ClusterIP Service, a HorizontalPodAutoscaler and
everything else is ready at once. Pods that cannot start fail a roll-out at its time-out only.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from tests.standins.kubernetes.client import Client, Object

POLL_SECONDS: Final = 0.2
DEFAULT_SECONDS: Final = 600.0
_REVISION: Final = "deployment.kubernetes.io/revision"


class NotReady(Exception):  # noqa: N818 -- a state, whose reasons are asked for
    """An object that did not become ready, and the reasons that it gives."""

    def __init__(self, headline: str, reasons: list[str]) -> None:
        super().__init__(headline)
        self.reasons = reasons


def wait_until_ready(
    client: Client, body: Object, *, seconds: float, cancelled: threading.Event
) -> None:
    """Wait for what was applied; what is not waited for is ready."""
    find_faults = _FAULTS.get(body["kind"])
    if find_faults is None:
        return
    name = body["metadata"]["name"]
    deadline = time.monotonic() + (seconds or DEFAULT_SECONDS)
    while faults := find_faults(client, body):
        if cancelled.wait(POLL_SECONDS):
            raise NotReady(f'Resource operation was cancelled for "{name}"', faults)
        if time.monotonic() > deadline:
            raise NotReady(f"'{name}' timed out waiting to be Ready", faults)


def wait_until_gone(
    client: Client, body: Object, *, seconds: float, cancelled: threading.Event
) -> None:
    """Wait until an object that is being deleted is there no more."""
    deadline = time.monotonic() + (seconds or DEFAULT_SECONDS)
    uid = body["metadata"].get("uid")
    while (found := client.get(body)) and found["metadata"]["uid"] == (
        uid or found["metadata"]["uid"]
    ):
        if cancelled.wait(POLL_SECONDS) or time.monotonic() > deadline:
            finalizers = found["metadata"].get("finalizers", [])
            raise NotReady("timed out waiting to be deleted", [f"finalizers: {finalizers}"])


def _deployment(client: Client, body: Object) -> list[str]:
    live = client.get(body)
    if live is None:
        return ["it is gone"]
    status, generation = live.get("status", {}), live["metadata"]["generation"]
    if status.get("observedGeneration") != generation:
        return ["the Deployment controller has not seen it"]
    conditions = {each["type"]: each for each in status.get("conditions", [])}
    available = _holds(conditions.get("Available"))
    progressing = conditions.get("Progressing", {})
    through = _holds(progressing) and progressing.get("reason") == "NewReplicaSetAvailable"
    current = _current_replica_set(client, live)
    wanted = live["spec"].get("replicas", 1)
    updated = (
        current is not None
        and current.get("status", {}).get("readyReplicas", 0) >= current["spec"]["replicas"]
        and status.get("updatedReplicas", 0) >= wanted
    )
    if available and through and updated:
        return []
    return [
        *_messages(conditions.values()),
        *([] if available else ["Minimum number of live Pods was not attained"]),
        *(
            ["Minimum number of Pods to consider the application live was not attained"]
            if available and not updated
            else []
        ),
        *_pod_faults(client, current),
    ] or ["the roll-out is not through"]


def _current_replica_set(client: Client, deployment: Object) -> Object | None:
    revision = deployment["metadata"].get("annotations", {}).get(_REVISION)
    for each in client.objects("apps/v1", "ReplicaSet", deployment["metadata"]["namespace"]):
        owned = _is_owned(each, deployment)
        if owned and each["metadata"].get("annotations", {}).get(_REVISION) == revision:
            return each
    return None


def _pod_faults(client: Client, owner: Object | None) -> Iterator[str]:
    """Say of each pod of an owner what keeps it from being ready."""
    if owner is None:
        return
    for pod in client.objects("v1", "Pod", owner["metadata"]["namespace"]):
        if _is_owned(pod, owner):
            where = f"[Pod {pod['metadata']['namespace']}/{pod['metadata']['name']}]: "
            for fault in _faults_of_pod(pod):
                yield where + fault


def _faults_of_pod(pod: Object) -> Iterator[str]:
    status = pod.get("status", {})
    for condition in status.get("conditions", []):
        if not _holds(condition) and condition.get("message"):
            yield condition["message"]
    for each in (*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])):
        state = each.get("state", {})
        last = each.get("lastState", {}).get("terminated", {})
        for found in (state.get("waiting", {}), state.get("terminated", {}), last):
            if found.get("reason") not in (None, "Completed", "PodInitializing"):
                said = found.get("message") or f"exit code {found.get('exitCode')}"
                yield f"container {each['name']}: [{found['reason']}] {said}"


def _job(client: Client, body: Object) -> list[str]:
    live = client.get(body) or {}
    conditions = {each["type"]: each for each in live.get("status", {}).get("conditions", [])}
    if _holds(conditions.get("Failed")):
        # A Job that has failed never completes.
        raise NotReady(
            f"'{body['metadata']['name']}' failed",
            [*_messages(conditions.values()), *_pod_faults(client, live)],
        )
    if _holds(conditions.get("Complete")):
        return []
    return ["the Job is not complete", *_pod_faults(client, live or None)]


def _service(client: Client, body: Object) -> list[str]:
    if body.get("spec", {}).get("type") != "LoadBalancer":
        return []
    return _ingress(client, body)


def _ingress(client: Client, body: Object) -> list[str]:
    live = client.get(body) or {}
    if live.get("status", {}).get("loadBalancer", {}).get("ingress"):
        return []
    return [
        f"{body['kind']} was not allocated an IP address; does your cloud provider support this?"
    ]


def _claim(client: Client, body: Object) -> list[str]:
    live = client.get(body) or {}
    phase = live.get("status", {}).get("phase")
    if phase == "Bound" or _waits_for_consumer(client, live):
        return []
    return [f"PersistentVolumeClaim is {phase}"]


def _waits_for_consumer(client: Client, claim: Object) -> bool:
    if (name := claim.get("spec", {}).get("storageClassName")) is None:
        return False
    found = client.get(
        {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name}}
    )
    return found is not None and found.get("volumeBindingMode") == "WaitForFirstConsumer"


def _pod(client: Client, body: Object) -> list[str]:
    live = client.get(body) or {}
    conditions = {each["type"]: each for each in live.get("status", {}).get("conditions", [])}
    if _holds(conditions.get("Ready")) or live.get("status", {}).get("phase") == "Succeeded":
        return []
    return [*_faults_of_pod(live)] or ["the Pod is not ready"]


def _is_owned(body: Object, owner: Object) -> bool:
    return any(
        each["uid"] == owner["metadata"]["uid"]
        for each in body["metadata"].get("ownerReferences", [])
    )


def _holds(condition: Mapping[str, Any] | None) -> bool:
    return condition is not None and condition.get("status") == "True"


def _messages(conditions: Any) -> Iterator[str]:
    for each in conditions:
        if each["type"] in ("Progressing", "Available", "Failed") and (
            not _holds(each) or each["type"] == "Failed"
        ):
            yield f"[{each.get('reason')}] {each.get('message')}"


_FAULTS: Final[Mapping[str, Callable[[Client, Object], list[str]]]] = {
    "Deployment": _deployment,
    "Ingress": _ingress,
    "Job": _job,
    "PersistentVolumeClaim": _claim,
    "Pod": _pod,
    "Service": _service,
}
