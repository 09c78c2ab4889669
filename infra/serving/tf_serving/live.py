"""What running `hot` servers serve: a ConfigMap that changes under them, step by step.

A kubelet takes up to a minute and more to bring a changed ConfigMap to a pod, but looks at once at
a pod that was changed itself; so each step touches the pods. A step is done when every pod says
over its own status that it serves just that.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from infra.compute.api_server import ApiServer, Object
from infra.serving.rendering import MODELS_FILE, render
from infra.serving.settings import ServingSettings
from infra.serving.tf_serving.pod_status import ForbiddenError, VersionState, version_states
from infra.serving.tf_serving.rollout import NotServingError, selector_of
from infra.serving.tf_serving.servers import CONFIG_DIRECTORY
from infra.serving.transitions import plan

_SERVES: Final = "servestack/serves"
_TOUCHED: Final = "servestack/models-file"
_POLL_SECONDS: Final = 1.0
_TOUCH_SECONDS: Final = 20.0
# A failure that is seen at once may be an earlier try's.
_SETTLE_SECONDS: Final = 15.0


@dataclass(frozen=True, kw_only=True)
class LiveModels:
    """The ConfigMap, what it shall say in the end, and how long one step may take."""

    namespace: str
    config_map: str
    deployment: str
    labels: Mapping[str, str]
    settings: ServingSettings
    step_seconds: float

    @property
    def path(self) -> str:
        """Give the ConfigMap's path."""
        return f"/api/v1/namespaces/{self.namespace}/configmaps/{self.config_map}"


def make_sure(server: ApiServer, live: LiveModels) -> None:
    """Put the ConfigMap there if it is not, so that pods can start; never change what they have."""
    if _read(server, live) is None:
        _write(server, live, live.settings)


def move(
    server: ApiServer,
    live: LiveModels,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Bring the running servers to what they shall serve; on a failure put back what they had."""
    before = _read(server, live)
    for step in plan(before, live.settings):
        _write(server, live, step)
        try:
            _wait(server, live, step, clock, sleep)
        except NotServingError as error:
            if before is not None and before != live.settings:
                _write(server, live, before)
                _touch(server, live, before)
                raise NotServingError(f"{error} What served before still serves.") from None
            raise


def remove(server: ApiServer, namespace: str, config_map: str) -> None:
    """Take the ConfigMap away; one that is gone is fine."""
    server.delete(f"/api/v1/namespaces/{namespace}/configmaps/{config_map}")


def is_there(server: ApiServer, live: LiveModels) -> bool:
    """Tell whether the ConfigMap stands."""
    return server.get(live.path, missing_is_fine=True) is not None


def _read(server: ApiServer, live: LiveModels) -> ServingSettings | None:
    """Find what the ConfigMap says, from whoever wrote it last, a killed run included."""
    found = server.get(live.path, missing_is_fine=True)
    text = (found or {}).get("metadata", {}).get("annotations", {}).get(_SERVES)
    if text is None:
        return None
    said = json.loads(text)
    return replace(live.settings, versions=tuple(said["versions"]), labels=said["labels"])


def _write(server: ApiServer, live: LiveModels, settings: ServingSettings) -> None:
    said = {"versions": sorted(settings.versions), "labels": dict(sorted(settings.labels.items()))}
    server.apply(
        live.path,
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": live.config_map,
                "namespace": live.namespace,
                "labels": dict(live.labels),
                "annotations": {_SERVES: json.dumps(said)},
            },
            "data": {MODELS_FILE: _models_file(settings)},
        },
    )


def _models_file(settings: ServingSettings) -> str:
    return render(settings, config_dir=CONFIG_DIRECTORY).files[MODELS_FILE]


def _touch(server: ApiServer, live: LiveModels, settings: ServingSettings) -> None:
    """Make each kubelet look at its pods now."""
    digest = hashlib.sha256(_models_file(settings).encode()).hexdigest()[:16]
    # Another value each time: a kubelet that looked too early has to look again.
    mark = {"metadata": {"annotations": {_TOUCHED: f"{digest}-{time.time_ns()}"}}}
    for pod in _pods(server, live):
        server.patch(f"{_pod_path(live, pod)}", mark)


def _wait(
    server: ApiServer,
    live: LiveModels,
    step: ServingSettings,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> None:
    began = clock()
    touched = began - _TOUCH_SECONDS
    behind: list[str] = []
    while True:
        now = clock()
        if now - touched >= _TOUCH_SECONDS:
            _touch(server, live, step)
            touched = now
        pods = _pods(server, live)
        behind = [said for pod in pods if (said := _behind(server, live, step, pod, now - began))]
        if pods and not behind:
            return
        if now - began > live.step_seconds:
            seen = "; ".join(behind) or "there is no pod"
            raise NotServingError(f"not through after {live.step_seconds:.0f} s: {seen}.")
        sleep(_POLL_SECONDS)


def _behind(
    server: ApiServer,
    live: LiveModels,
    step: ServingSettings,
    pod: Object,
    waited_seconds: float,
) -> str:
    """Say what of a step a pod does not serve yet; raise where it never will."""
    name = pod["metadata"]["name"]
    states = _states(server, live, pod)
    if states is None:
        return f"pod {name} does not answer"
    for version in step.versions:
        if (state := states.get(version)) and state.failed and waited_seconds > _SETTLE_SECONDS:
            raise NotServingError(f"pod {name}: version {version} does not load: {state.error}.")
    available = {version for version, one in states.items() if one.state == "AVAILABLE"}
    if available != set(step.versions):
        return f"pod {name} serves {sorted(available)}, not {sorted(step.versions)}"
    for label, version in step.labels.items():
        if version not in (_states(server, live, pod, label) or {}):
            return f"pod {name} does not know label {label} for version {version}"
    return ""


def _states(
    server: ApiServer, live: LiveModels, pod: Object, label: str | None = None
) -> Mapping[int, VersionState] | None:
    try:
        return version_states(server, pod, live.settings.model, label=label)
    except ForbiddenError as error:
        raise NotServingError(
            f"You may not ask the pods of {live.namespace} what they serve, which `hot` needs "
            f"({error}). Have yourself granted get on pods/proxy, or write: strategy: pod"
        ) from None


def _pods(server: ApiServer, live: LiveModels) -> Sequence[Object]:
    """Give the Deployment's pods that serve: those that go keep what they have."""
    path = f"/apis/apps/v1/namespaces/{live.namespace}/deployments/{live.deployment}"
    deployment = server.get(path)
    if deployment is None:
        return ()
    found: Any = server.get(
        f"/api/v1/namespaces/{live.namespace}/pods", labelSelector=selector_of(deployment)
    )
    return [pod for pod in found["items"] if "deletionTimestamp" not in pod["metadata"]]


def _pod_path(live: LiveModels, pod: Object) -> str:
    return f"/api/v1/namespaces/{live.namespace}/pods/{pod['metadata']['name']}"
