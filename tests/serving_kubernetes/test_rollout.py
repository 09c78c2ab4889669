"""Waiting for a roll-out: how long, and with which words it ends."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from infra.compute.api_server import Answer, UnreachableError
from infra.serving.tf_serving.rollout import (
    NotServingError,
    Watched,
    is_through,
    wait_for_rollout,
)
from tests.serving_kubernetes.api import Clock, FakeApi

WATCHED = Watched(namespace="models", name="heart", model="heart", timeout_seconds=600)
DEPLOYMENT = "/apis/apps/v1/namespaces/models/deployments/heart"
SETS = "/apis/apps/v1/namespaces/models/replicasets"
PODS = "/api/v1/namespaces/models/pods"
EVENTS = "/api/v1/namespaces/models/events"
REVISION = "deployment.kubernetes.io/revision"


def deployment(*, updated: int, available: int, replicas: int, wanted: int = 2) -> dict[str, Any]:
    return {
        "metadata": {"name": "heart", "generation": 5, "annotations": {REVISION: "2"}},
        "spec": {"replicas": wanted, "selector": {"matchLabels": {"app": "heart"}}},
        "status": {
            "observedGeneration": 5,
            "updatedReplicas": updated,
            "availableReplicas": available,
            "replicas": replicas,
        },
    }


def replica_set(digest: str, revision: str) -> Mapping[str, Any]:
    return {
        "metadata": {
            "labels": {"pod-template-hash": digest},
            "annotations": {REVISION: revision},
        }
    }


def pod(digest: str, container: Mapping[str, Any]) -> Mapping[str, Any]:
    return {
        "metadata": {
            "name": f"heart-{digest}-1",
            "namespace": "models",
            "uid": digest,
            "labels": {"pod-template-hash": digest},
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "status": {"containerStatuses": [{"name": "heart", **container}]},
    }


FAILED = {
    "restartCount": 2,
    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    "lastState": {"terminated": {"exitCode": 1, "message": "Failed to start server. Error: bad"}},
}
RUNNING = {"ready": True, "state": {"running": {}}}


def api(current: Mapping[str, Any], *pods: Mapping[str, Any]) -> FakeApi:
    sets = [replica_set("old", "1"), replica_set("new", "2")]
    return FakeApi(
        objects={
            DEPLOYMENT: current,
            SETS: {"items": sets},
            PODS: {"items": list(pods)},
            EVENTS: {"items": []},
        }
    )


def wait(fake: FakeApi) -> Clock:
    clock = Clock()
    wait_for_rollout(fake.server, WATCHED, clock=clock, sleep=clock.sleep)
    return clock


def test_a_roll_out_is_through_when_only_new_pods_are_left_and_all_are_ready() -> None:
    assert is_through(deployment(updated=2, available=2, replicas=2))
    assert not is_through(deployment(updated=2, available=2, replicas=3))
    assert not is_through(deployment(updated=1, available=2, replicas=2))
    unseen = deployment(updated=2, available=2, replicas=2)
    unseen["metadata"]["generation"] = 6
    assert not is_through(unseen)


def test_it_is_waited_for_until_it_is_through() -> None:
    fake = api(deployment(updated=1, available=2, replicas=3), pod("new", {"state": {}}))
    looks = []

    def script(path: str) -> None:
        if path == DEPLOYMENT:
            looks.append(path)
            if len(looks) == 30:
                fake.objects[DEPLOYMENT] = deployment(updated=2, available=2, replicas=2)

    fake.script = script
    assert wait(fake).now == 29


def test_a_certain_reason_ends_it_at_once_and_says_that_the_old_version_serves() -> None:
    fake = api(
        deployment(updated=1, available=2, replicas=3), pod("new", FAILED), pod("old", RUNNING)
    )
    with pytest.raises(NotServingError) as caught:
        wait(fake)
    assert str(caught.value) == (
        "pod heart-new-1, container heart: bad. What served before still serves."
    )


def test_a_first_release_that_fails_does_not_claim_that_anything_serves() -> None:
    with pytest.raises(NotServingError) as caught:
        wait(api(deployment(updated=2, available=0, replicas=2), pod("new", FAILED)))
    assert "still serves" not in str(caught.value)


def test_what_is_wrong_with_old_pods_is_nobodys_business() -> None:
    fake = api(deployment(updated=1, available=1, replicas=3), pod("old", FAILED))
    with pytest.raises(NotServingError) as caught:
        wait(fake)
    assert "not through after 601 s" in str(caught.value)
    assert "1 of 2 new pods are ready" in str(caught.value)


def test_a_trouble_that_passes_is_not_believed() -> None:
    pulling = {"state": {"waiting": {"reason": "ErrImagePull", "message": "i/o timeout"}}}
    fake = api(deployment(updated=1, available=2, replicas=3), pod("new", pulling))
    looks = []

    def script(path: str) -> None:
        if path == DEPLOYMENT:
            looks.append(path)
            if len(looks) == 60:
                fake.objects[PODS] = {"items": [pod("new", {"state": {}})]}
            if len(looks) == 200:
                fake.objects[DEPLOYMENT] = deployment(updated=2, available=2, replicas=2)

    fake.script = script
    wait(fake)
    fake = api(deployment(updated=1, available=2, replicas=3), pod("new", pulling))
    with pytest.raises(NotServingError, match="its image cannot be had: i/o timeout"):
        wait(fake)


def test_a_server_that_ended_without_a_word_is_told_by_its_log() -> None:
    wordless = {**FAILED, "lastState": {"terminated": {"exitCode": 139}}}
    fake = api(deployment(updated=1, available=0, replicas=1), pod("new", wordless))
    fake.answers = lambda _: Answer(status=200, body=b"loading\nsegmentation fault\n")
    with pytest.raises(NotServingError) as caught:
        wait(fake)
    assert "exit code 139. Its last words:\n  loading\n  segmentation fault" in str(caught.value)


def test_the_deployments_own_deadline_ends_it() -> None:
    stuck = deployment(updated=1, available=2, replicas=3)
    stuck["status"]["conditions"] = [
        {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    ]
    with pytest.raises(NotServingError, match="not through after 0 s"):
        wait(api(stuck, pod("new", {"state": {}})))


def test_an_api_server_that_is_away_for_a_moment_is_waited_for() -> None:
    fake = api(deployment(updated=2, available=2, replicas=2))
    looks = []

    def script(path: str) -> None:
        looks.append(path)
        fake.away = len(looks) < 20

    fake.script = script
    wait(fake)
    fake.script = lambda _: None
    fake.away = True
    with pytest.raises(UnreachableError):
        wait(fake)


def test_a_server_that_stays_up_with_a_version_that_gave_up_is_asked_for_the_reason() -> None:
    starting = {"ready": False, "state": {"running": {}}}
    fake = api(deployment(updated=1, available=2, replicas=3), pod("new", starting))
    status = {
        "version": "3",
        "state": "END",
        "status": {"error_code": "INTERNAL", "error_message": "no op Foo"},
    }
    body = json.dumps({"model_version_status": [status]}).encode()
    fake.answers = lambda _: Answer(status=200, body=body)
    with pytest.raises(NotServingError) as caught:
        wait(fake)
    assert str(caught.value) == (
        "pod heart-new-1: version 3 does not load: no op Foo. What served before still serves."
    )
    asked = f"{PODS}/heart-new-1:8501/proxy/v1/models/heart"
    assert ("GET", asked) in fake.requests


def test_who_may_not_ask_pods_still_gets_the_reason_from_their_end() -> None:
    starting = {"ready": False, "state": {"running": {}}}
    fake = api(deployment(updated=1, available=2, replicas=3), pod("new", {**FAILED, **starting}))
    fake.answers = lambda _: Answer(status=403, body=b'{"reason": "Forbidden"}')
    with pytest.raises(NotServingError, match="container heart: bad"):
        wait(fake)
