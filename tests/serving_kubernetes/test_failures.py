"""What is read from a pod that does not come up, and what is believed of it."""

from collections.abc import Mapping
from typing import Any

from infra.serving.tf_serving.failures import Trouble, troubles

DEPLOYMENT: Mapping[str, Any] = {"metadata": {"name": "heart"}, "status": {}}


def pod(container: Mapping[str, Any], **status: Any) -> Mapping[str, Any]:
    return {
        "metadata": {"name": "heart-1", "uid": "1"},
        "spec": {"containers": [{"name": "heart", "resources": {"limits": {"memory": "512Mi"}}}]},
        "status": {"containerStatuses": [{"name": "heart", **container}], **status},
    }


def surest(*pods: Mapping[str, Any], events: tuple[Mapping[str, Any], ...] = ()) -> Trouble:
    return next(iter(troubles(pods, events, DEPLOYMENT)))


def ended(message: str, *, reason: str = "Error", restarts: int = 1) -> Mapping[str, Any]:
    last = {"exitCode": 1, "reason": reason, "message": message}
    return {
        "restartCount": restarts,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
        "lastState": {"terminated": last},
    }


def test_a_load_error_is_told_in_the_servers_own_words() -> None:
    log = (
        "2026-11-25 E server.cc:77] Failed to start server. Error: Unknown: 1 servable(s) did not "
        "become available: {{name: heart version: 3} due to error: INVALID_ARGUMENT: no op Foo}"
    )
    trouble = surest(pod(ended(log)))
    assert trouble.reason.startswith("Unknown: 1 servable(s) did not become available")
    assert trouble.believed_after_seconds == 0


def test_a_first_failure_may_pass_and_a_second_is_believed() -> None:
    assert surest(pod(ended("x", restarts=0))).believed_after_seconds == float("inf")
    assert surest(pod(ended("x", restarts=1))).believed_after_seconds == 0


def test_killed_for_memory_is_believed_at_once_and_names_the_limit() -> None:
    trouble = surest(pod(ended("", reason="OOMKilled", restarts=0)))
    assert "512Mi" in trouble.reason
    assert "resources.memory" in trouble.reason
    assert trouble.believed_after_seconds == 0


def test_an_image_that_is_not_there_is_believed_soon_and_a_registry_that_is_away_later() -> None:
    def waiting(message: str) -> Trouble:
        state = {"waiting": {"reason": "ImagePullBackOff", "message": message}}
        return surest(pod({"state": state}))

    missing = waiting('Back-off pulling image "x:1": not found')
    away = waiting("dial tcp: i/o timeout")
    assert missing.believed_after_seconds < away.believed_after_seconds < float("inf")


def test_a_pod_without_a_node_waits_for_one() -> None:
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "message": "Insufficient nvidia.com/gpu",
    }
    trouble = surest(pod({"state": {}}, conditions=[condition]))
    assert trouble.reason == "Insufficient nvidia.com/gpu"
    assert trouble.believed_after_seconds == float("inf")


def test_a_claim_that_is_not_there_is_not_waited_for() -> None:
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "message": 'persistentvolumeclaim "models" not found',
    }
    trouble = surest(pod({"state": {}}, conditions=[condition]))
    assert trouble.believed_after_seconds < 60


def test_a_mount_that_fails_is_told_by_its_event() -> None:
    event = {
        "reason": "FailedMount",
        "message": "hostPath type check failed: /mnt/models is not a directory",
        "involvedObject": {"uid": "1"},
    }
    other = {**event, "involvedObject": {"uid": "2"}}
    creating = {"state": {"waiting": {"reason": "ContainerCreating"}}}
    assert "/mnt/models" in surest(pod(creating), events=(event,)).reason
    assert not list(troubles([pod(creating)], (other,), DEPLOYMENT))


def test_pods_that_may_not_be_made_are_told_by_the_deployment() -> None:
    condition = {
        "type": "ReplicaFailure",
        "status": "True",
        "message": 'pods "heart-" is forbidden: exceeded quota',
    }
    deployment = {"metadata": {"name": "heart"}, "status": {"conditions": [condition]}}
    (trouble,) = troubles([], (), deployment)
    assert "exceeded quota" in trouble.reason


def test_a_healthy_pod_has_no_trouble() -> None:
    assert not list(troubles([pod({"ready": True, "state": {"running": {}}})], (), DEPLOYMENT))
