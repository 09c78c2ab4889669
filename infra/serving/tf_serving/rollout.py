"""Waiting for a roll-out as an operator would: until all new pods serve, or the reason is certain.

Owns no object but looks at a Deployment and its pods. The engine's own wait would end at its
time-out only, and without the server's words.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from infra.compute.api_server import ApiServer, ClusterError, Object, UnreachableError
from infra.serving.tf_serving.failures import Trouble, troubles
from infra.serving.tf_serving.pod_status import ForbiddenError, version_states

_POLL_SECONDS: Final = 1.0
# An API server that is upgraded is away for a moment.
_SILENCE_SECONDS: Final = 60.0
_REVISION: Final = "deployment.kubernetes.io/revision"
_TEMPLATE_HASH: Final = "pod-template-hash"
_LOG_LINES: Final = 20
# What is seen once may be an earlier try's.
_SETTLE_SECONDS: Final = 3.0


class NotServingError(Exception):
    """The new pods do not come up; the message is the reason."""


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A Deployment, and how long it may take to be through."""

    namespace: str
    name: str
    model: str
    timeout_seconds: float


@dataclass(kw_only=True)
class _Memory:
    """Since when each trouble has been seen, so that a passing one is not believed."""

    since: dict[str, float] = field(default_factory=dict)

    def believed(self, now: float, seen: Iterable[Trouble]) -> Trouble | None:
        current = {str(trouble): trouble for trouble in seen}
        self.since = {key: self.since.get(key, now) for key in current}
        for key, trouble in current.items():
            if now - self.since[key] >= trouble.believed_after_seconds:
                return trouble
        return None


def wait_for_rollout(
    server: ApiServer,
    watched: Watched,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return when only new pods are left and all of them are ready; raise with the reason else."""
    began = answered = clock()
    memory = _Memory()
    last: list[Trouble] = []
    while True:
        now = clock()
        try:
            deployment = _deployment(server, watched)
            if is_through(deployment):
                return
            pods = _new_pods(server, watched, deployment)
            events = _events(server, watched)
            refused = list(_load_errors(server, watched, pods))
            answered = now
        except UnreachableError:
            if now - answered > _SILENCE_SECONDS:
                raise
            sleep(_POLL_SECONDS)
            continue
        seen = [*refused, *troubles(pods, events, deployment)]
        last = seen or last
        sure = memory.believed(now, seen)
        if sure is not None:
            raise NotServingError(_told(server, watched, deployment, sure, pods))
        if is_stuck(deployment) or now - began > watched.timeout_seconds:
            known = last[0] if last else _unready(deployment, watched)
            raise NotServingError(
                f"not through after {now - began:.0f} s. "
                + _told(server, watched, deployment, known, pods)
            )
        sleep(_POLL_SECONDS)


def is_through(deployment: Object) -> bool:
    """Tell whether every pod is new and ready, and none of the old is left."""
    status, wanted = deployment.get("status", {}), deployment["spec"].get("replicas", 1)
    return bool(
        status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
        and status.get("updatedReplicas", 0) >= wanted
        and status.get("availableReplicas", 0) >= wanted
        and status.get("replicas", 0) <= status.get("updatedReplicas", 0)
    )


def is_stuck(deployment: Object) -> bool:
    """Tell whether no new pod has become ready for as long as the Deployment allows."""
    status = deployment.get("status", {})
    return status.get("observedGeneration", 0) >= deployment["metadata"]["generation"] and any(
        condition["type"] == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded"
        for condition in status.get("conditions", [])
    )


def selector_of(deployment: Object) -> str:
    """Write a Deployment's selector as a query."""
    labels = deployment["spec"]["selector"]["matchLabels"]
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def _deployment(server: ApiServer, watched: Watched) -> Object:
    path = f"/apis/apps/v1/namespaces/{watched.namespace}/deployments/{watched.name}"
    found = server.get(path)
    if found is None:
        raise ClusterError(f"Deployment {watched.name} is gone from {watched.namespace}")
    return found


def _new_pods(server: ApiServer, watched: Watched, deployment: Object) -> Sequence[Object]:
    """Give the pods of the Deployment's newest revision, oldest first."""
    namespace, query = watched.namespace, selector_of(deployment)
    sets = _items(
        server.get(f"/apis/apps/v1/namespaces/{namespace}/replicasets", labelSelector=query)
    )
    revision = deployment["metadata"].get("annotations", {}).get(_REVISION)
    newest = {
        one["metadata"]["labels"].get(_TEMPLATE_HASH)
        for one in sets
        if one["metadata"].get("annotations", {}).get(_REVISION) == revision
    }
    pods = _items(server.get(f"/api/v1/namespaces/{namespace}/pods", labelSelector=query))
    return sorted(
        (
            pod
            for pod in pods
            if pod["metadata"]["labels"].get(_TEMPLATE_HASH) in newest
            and "deletionTimestamp" not in pod["metadata"]
        ),
        key=lambda pod: str(pod["metadata"]["creationTimestamp"]),
    )


def _events(server: ApiServer, watched: Watched) -> Sequence[Object]:
    path = f"/api/v1/namespaces/{watched.namespace}/events"
    return _items(server.get(path, fieldSelector="type=Warning,involvedObject.kind=Pod"))


def _load_errors(server: ApiServer, watched: Watched, pods: Sequence[Object]) -> Iterator[Trouble]:
    """Ask pods that run and are not ready: a server may stay up with a version that gave up."""
    for pod in pods:
        containers = pod.get("status", {}).get("containerStatuses", [])
        if not any(
            "running" in one.get("state", {}) and not one.get("ready") for one in containers
        ):
            continue
        try:
            states = version_states(server, pod, watched.model) or {}
        except ForbiddenError:
            return  # then the pod's end has to tell
        for version, state in sorted(states.items()):
            if state.failed:
                yield Trouble(
                    where=f"pod {pod['metadata']['name']}",
                    reason=f"version {version} does not load: {state.error}",
                    believed_after_seconds=_SETTLE_SECONDS,
                )


def _items(found: Object | None) -> Sequence[Object]:
    items: Sequence[Object] = (found or {}).get("items") or []
    return items


def _unready(deployment: Object, watched: Watched) -> Trouble:
    status, wanted = deployment.get("status", {}), deployment["spec"].get("replicas", 1)
    ready = min(status.get("availableReplicas", 0), status.get("updatedReplicas", 0))
    return Trouble(
        where=f"Deployment {watched.name}",
        reason=f"{ready} of {wanted} new pods are ready",
        believed_after_seconds=0,
    )


def _told(
    server: ApiServer,
    watched: Watched,
    deployment: Object,
    trouble: Trouble,
    pods: Sequence[Object],
) -> str:
    status = deployment.get("status", {})
    old = status.get("replicas", 0) - status.get("updatedReplicas", 0)
    still = " What served before still serves." if old > 0 else ""
    # The server's own message says it all; without one, its log may.
    words = _last_words(server, watched, pods) if trouble.is_wordless else ""
    return f"{str(trouble).rstrip('.')}.{still}{words}"


def _last_words(server: ApiServer, watched: Watched, pods: Sequence[Object]) -> str:
    """Give the end of a failing container's log, of its last run where it was started again."""
    for pod in pods:
        for container in pod.get("status", {}).get("containerStatuses", []):
            ended = container.get("lastState", {}).get("terminated")
            if container.get("ready") or not (ended or container["state"].get("terminated")):
                continue
            name = pod["metadata"]["name"]
            answer = server.request(
                "GET",
                f"/api/v1/namespaces/{watched.namespace}/pods/{name}/log",
                query={
                    "container": container["name"],
                    "tailLines": str(_LOG_LINES),
                    "previous": "true" if ended else "false",
                },
                headers={"Accept": "*/*"},
            )
            if answer.status < 300 and answer.body.strip():  # noqa: PLR2004 - any success
                lines = answer.body.decode(errors="replace").strip().splitlines()
                return " Its last words:" + "".join(f"\n  {line}" for line in lines)
    return ""
