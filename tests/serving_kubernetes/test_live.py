"""Moving running servers from one version to another, step by step, through their ConfigMap."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from infra.compute.api_server import Answer
from infra.serving.settings import ServingSettings
from infra.serving.tf_serving.live import LiveModels, make_sure, move
from infra.serving.tf_serving.rollout import NotServingError
from tests.serving_kubernetes.api import Clock, FakeApi

CONFIG_MAP = "/api/v1/namespaces/models/configmaps/heart-live"
DEPLOYMENT = "/apis/apps/v1/namespaces/models/deployments/heart"
PODS = "/api/v1/namespaces/models/pods"


def live(versions: tuple[int, ...], labels: Mapping[str, int] | None = None) -> LiveModels:
    return LiveModels(
        namespace="models",
        config_map="heart-live",
        deployment="heart",
        labels={},
        settings=ServingSettings(
            model="heart",
            base_path="/models/heart",
            versions=versions,
            rest_port=8501,
            grpc_port=8500,
            labels=labels or {},
        ),
        step_seconds=300,
    )


@dataclass(kw_only=True)
class Servers:
    """Pods that take up the ConfigMap when they are touched, as strictly as TF Serving does."""

    broken: frozenset[int] = frozenset()
    history: list[tuple[list[int], dict[str, int]]] = field(default_factory=list)
    api: FakeApi = field(init=False)

    def __post_init__(self) -> None:
        pods = [
            {"metadata": {"name": f"heart-{number}", "namespace": "models"}} for number in (1, 2)
        ]
        deployment = {"spec": {"selector": {"matchLabels": {"app": "heart"}}}}
        self.api = FakeApi(
            objects={DEPLOYMENT: deployment, PODS: {"items": pods}}, answers=self.answer
        )

    @property
    def said(self) -> dict[str, Any]:
        annotations = self.api.objects[CONFIG_MAP]["metadata"]["annotations"]
        found: dict[str, Any] = json.loads(annotations["servestack/serves"])
        return found

    def answer(self, path: str) -> Answer:
        said = self.said
        state = (said["versions"], said["labels"])
        if not self.history or self.history[-1] != state:
            loaded = self.history[-1][0] if self.history else said["versions"]
            assert all(version in loaded for version in said["labels"].values()), said
            self.history.append(state)
        shown = said["versions"]
        if "/labels/" in path:
            shown = [said["labels"][path.rpartition("/")[2]]]
        return Answer(
            status=200,
            body=json.dumps(
                {
                    "model_version_status": [
                        {
                            "version": str(version),
                            "state": "END" if version in self.broken else "AVAILABLE",
                            "status": {
                                "error_message": "no op Foo" if version in self.broken else ""
                            },
                        }
                        for version in shown
                    ]
                }
            ).encode(),
        )

    def move(self, wanted: LiveModels) -> None:
        clock = Clock()
        move(self.api.server, wanted, clock=clock, sleep=clock.sleep)


def test_a_label_moves_in_the_steps_that_a_server_takes() -> None:
    servers = Servers()
    make_sure(servers.api.server, live((1,), {"stable": 1}))
    servers.move(live((1,), {"stable": 1}))
    servers.move(live((2,), {"stable": 2}))
    assert servers.history == [
        ([1], {"stable": 1}),
        ([1, 2], {"stable": 1}),
        ([1, 2], {"stable": 2}),
        ([2], {"stable": 2}),
    ]


def test_each_step_touches_every_pod_so_that_its_kubelet_looks_at_once() -> None:
    servers = Servers()
    make_sure(servers.api.server, live((1,)))
    servers.api.requests.clear()
    servers.move(live((2,)))
    touched = [path for verb, path in servers.api.requests if verb == "patch"]
    assert touched == [f"{PODS}/heart-1", f"{PODS}/heart-2"]


def test_a_version_that_does_not_load_is_told_and_what_served_is_put_back() -> None:
    servers = Servers(broken=frozenset({2}))
    make_sure(servers.api.server, live((1,), {"stable": 1}))
    servers.move(live((1,), {"stable": 1}))
    with pytest.raises(NotServingError) as caught:
        servers.move(live((2,), {"stable": 2}))
    assert "version 2 does not load: no op Foo" in str(caught.value)
    assert "What served before still serves" in str(caught.value)
    assert servers.said == {"versions": [1], "labels": {"stable": 1}}


def test_a_run_that_was_killed_half_way_goes_on_from_where_it_stopped() -> None:
    servers = Servers()
    make_sure(servers.api.server, live((1, 2), {"stable": 1}))
    servers.move(live((1, 2), {"stable": 1}))
    servers.move(live((2,), {"stable": 2}))
    assert servers.history == [
        ([1, 2], {"stable": 1}),
        ([1, 2], {"stable": 2}),
        ([2], {"stable": 2}),
    ]


def test_what_pods_have_is_never_changed_by_making_sure_of_it() -> None:
    servers = Servers()
    make_sure(servers.api.server, live((1,)))
    make_sure(servers.api.server, live((2,)))
    assert servers.said["versions"] == [1]


def test_who_may_not_ask_the_pods_is_told_what_to_be_granted() -> None:
    servers = Servers()
    make_sure(servers.api.server, live((1,)))
    refusal = {"reason": "Forbidden", "message": 'cannot get resource "pods/proxy"'}
    servers.api.answers = lambda _: Answer(status=403, body=json.dumps(refusal).encode())
    with pytest.raises(NotServingError, match="pods/proxy"):
        servers.move(live((2,)))
