"""The real node: pods really run there, and what would go wrong on a cluster goes wrong."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from samples import heart
from tests.cluster.fixtures import EXPORT_IMAGE, kubectl
from tests.cluster.images import toy_image
from tests.cluster.load import LoadOn, Outcome
from tests.cluster.standing import Stand, a_deployment, a_job
from tests.engine.harness import CHECKOUT
from tests.standins.kubernetes.client import Client
from tests.standins.provider import NotReadyError
from tests.stores.clouds import Cloud, running_cloud
from tools.cluster.node import RealNode

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

WAIT_SECONDS = 240.0
NON_ROOT = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}
RESTRICTED = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "fsGroup": 65532,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def until(what: str, find: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + WAIT_SECONDS
    while not (found := find()):
        assert time.monotonic() < deadline, f"{what}: not within {WAIT_SECONDS:.0f} s"
        time.sleep(0.1)
    return found


class Place:
    """A namespace on the node, and what a test does in it."""

    def __init__(self, node: RealNode, api: Client, name: str) -> None:
        self.node = node
        self.api = api
        self.name = name
        api.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})

    def apply(self, kind: str, version: str, body: dict[str, Any]) -> None:
        head = {"apiVersion": version, "kind": kind}
        body = {**head, **body, "metadata": {"namespace": self.name, **body["metadata"]}}
        self.api.call(
            "PATCH",
            self.api.path_of(body),
            body,
            media_type="application/apply-patch+yaml",
            fieldManager="test",
            fieldValidation="Strict",
        )

    def pod(self, name: str, container: dict[str, Any], **spec: Any) -> None:
        container = {"imagePullPolicy": "IfNotPresent", "name": "main", **container}
        body = {"metadata": {"name": name}, "spec": {"containers": [container], **spec}}
        self.apply("Pod", "v1", body)

    def status(self, name: str) -> dict[str, Any]:
        path = f"/api/v1/namespaces/{self.name}/pods/{name}"
        status: dict[str, Any] = self.api.call("GET", path)["status"]
        return status

    def container(self, name: str) -> dict[str, Any]:
        statuses: list[dict[str, Any]] = self.status(name).get("containerStatuses") or [{}]
        return statuses[0]

    def is_ready(self, name: str) -> bool:
        return bool(self.container(name).get("ready"))

    def kubectl(self, *arguments: str) -> str:
        command = kubectl(self.node.cluster, f"--namespace={self.name}", *arguments)
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def service(self, name: str, port: int, labels: dict[str, str]) -> str:
        spec = {"selector": labels, "ports": [{"port": 80, "targetPort": port}]}
        self.apply("Service", "v1", {"metadata": {"name": name}, "spec": spec})
        path = f"/api/v1/namespaces/{self.name}/services/{name}"
        return str(self.api.call("GET", path)["spec"]["clusterIP"])


@pytest.fixture
def place(node: RealNode, node_api: Client, node_namespace: str) -> Place:
    return Place(node, node_api, node_namespace)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cloud, str]]:
    """Give a store that has the sample model `heart`, and its URL."""
    with running_cloud("s3", tmp_path_factory.mktemp("store")) as cloud:
        store = f"s3://{cloud.make_bucket()}/models"
        model = tmp_path_factory.mktemp("models") / "heart"
        environ = {**os.environ, **cloud.environment()}
        for module, *arguments in (
            ("samples", "heart", "--output", str(model)),
            ("model_export.cli", "publish", str(model), "--model=heart", f"--store={store}"),
        ):
            command = [sys.executable, "-m", module, *arguments]
            subprocess.run(command, check=True, env=environ, cwd=CHECKOUT)
        yield cloud, store


@pytest.fixture(scope="module", autouse=True)
def toys(node: RealNode) -> None:
    for version in ("1", "2"):
        node.load_image(toy_image(version))


def test_a_pod_that_takes_too_much_memory_is_killed_for_it(place: Place) -> None:
    limits = {"memory": "48Mi"}
    hog = {"image": "local/toy:1", "args": ["hog"], "resources": {"limits": limits}}
    place.pod("hog", hog, restartPolicy="Never")
    ended = until("hog ends", lambda: place.container("hog").get("state", {}).get("terminated"))
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)


def test_a_pod_is_held_to_its_security_context(place: Place) -> None:
    place.pod(
        "strict",
        {"image": "local/toy:1", "securityContext": NON_ROOT},
        securityContext=RESTRICTED,
    )
    place.pod("root", {"image": "local/toy:1"}, securityContext={"runAsNonRoot": True})
    until("strict is ready", lambda: place.is_ready("strict"))
    script = "id -u; grep CapEff /proc/self/status; touch /usr/bin/x /x 2>&1; true"
    told = place.kubectl("exec", "strict", "--", "sh", "-c", script)
    assert told.splitlines()[0] == "65532"
    assert "CapEff:\t0000000000000000" in told
    assert told.count("Read-only file system") == 2

    waiting = until("root waits", lambda: place.container("root").get("state", {}).get("waiting"))
    until(
        "root is refused",
        lambda: (
            place.container("root")["state"]["waiting"]["reason"] == "CreateContainerConfigError"
        ),
    )
    assert waiting


def test_an_image_that_is_not_there_is_told(place: Place) -> None:
    place.pod("missing", {"image": "local/toy:9", "imagePullPolicy": "Never"})
    until(
        "the image is missed",
        lambda: (
            place.container("missing").get("state", {}).get("waiting", {}).get("reason")
            == "ErrImageNeverPull"
        ),
    )


def roll(place: Place, name: str, *, answered_after: float = 0.05, **container: Any) -> Outcome:
    """Roll a Deployment from version 1 to 2 under load through its Service."""
    labels = {"app": name}

    def deploy(version: str) -> None:
        main = {
            "name": "main",
            "image": f"local/toy:{version}",
            "imagePullPolicy": "IfNotPresent",
            "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
            **container,
        }
        spec = {"containers": [main], "terminationGracePeriodSeconds": 10}
        place.apply(
            "Deployment",
            "apps/v1",
            {
                "metadata": {"name": name},
                "spec": {
                    "replicas": 2,
                    "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
                    "selector": {"matchLabels": labels},
                    "template": {"metadata": {"labels": labels}, "spec": spec},
                },
            },
        )
        place.kubectl("rollout", "status", f"deployment/{name}", "--timeout=120s")

    address = place.service(name, 8080, labels)
    deploy("1")
    url = f"http://{address}/?{answered_after}"
    with LoadOn(place.node.inside(), url, clients=8, answer_seconds=10) as load:
        deploy("2")
        until("the old pods are gone", lambda: len(pods(place, name)) == 2)
    return load.outcome


def pods(place: Place, name: str) -> list[str]:
    found = place.api.objects("v1", "Pod", place.name)
    return [each["metadata"]["name"] for each in found if each["metadata"]["labels"]["app"] == name]


def test_a_roll_out_under_load_loses_nothing_if_a_pod_waits_before_it_ends(place: Place) -> None:
    outcome = roll(place, "patient", lifecycle={"preStop": {"sleep": {"seconds": 4}}})
    assert outcome.failures == {}
    assert set(outcome.answers) == {"1", "2"}


def test_a_roll_out_under_load_loses_requests_if_pods_end_at_once(place: Place) -> None:
    """The check above can fail: what a pod was about to answer is lost with it.

    It takes seconds for each, since a slow kubelet ends a pod some time after nobody new comes to
    it.
    """
    assert roll(place, "hasty", answered_after=3).failures


def test_what_a_pod_says_at_its_end_is_told_of_a_job_at_once_and_of_a_roll_out_in_the_end(
    place: Place,
) -> None:
    stand = Stand(place.node.cluster.kubeconfig)
    fails = ["sh", "-c", "echo no such model > /dev/termination-log; exit 7"]
    with pytest.raises(NotReadyError, match="'job' failed") as told:
        stand.create(a_job(place.name, "tensorflow/serving:2.19.1", command=fails))
    assert "[BackoffLimitExceeded]" in str(told.value)
    assert "container main: [Error] no such model" in str(told.value)

    deployment = a_deployment(place.name, cpu="10m", timeoutSeconds="5")
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    container |= {"image": "tensorflow/serving:2.19.1", "command": fails}
    with pytest.raises(NotReadyError, match="timed out waiting to be Ready") as told:
        stand.create(deployment)
    assert "Minimum number of live Pods was not attained" in str(told.value)
    assert "container toy: [Error] no such model" in str(told.value)


def test_ports_lead_into_the_node_and_out_of_it(place: Place, tmp_path: Path) -> None:
    place.pod("toy", {"image": "local/toy:2"})
    until("toy is ready", lambda: place.is_ready("toy"))
    port = place.node.reach(place.status("toy")["podIP"], 8080)
    assert requests.get(f"http://127.0.0.1:{port}/", timeout=10).text == "2"

    with running_cloud("s3", tmp_path) as cloud:
        outside = place.node.expose(int(cloud.endpoint.rpartition(":")[2]))
        ask = f"import urllib.request as u; print(u.urlopen('http://{outside}/health').status)"
        assert place.kubectl("exec", "toy", "--", *python(), "-c", ask) == "200\n"


def python() -> tuple[str, ...]:
    return tuple(toy_image("1").entrypoint[:3])


def test_a_model_comes_out_of_a_store_and_is_served_under_tight_security(
    place: Place, published: tuple[Cloud, str]
) -> None:
    cloud, store = published
    outside = place.node.expose(int(cloud.endpoint.rpartition(":")[2]))
    variables = cloud.environment(f"http://{outside}")
    volume = {"name": "models", "mountPath": "/models"}
    fetch = {
        "name": "fetch",
        "image": EXPORT_IMAGE.removeprefix("docker.io/"),
        "args": ["fetch", "/models/heart/1", "--model=heart", f"--store={store}"],
        "env": [{"name": name, "value": value} for name, value in variables.items()],
        "securityContext": NON_ROOT,
        "volumeMounts": [volume, {"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 -- the container's
    }
    server = {
        "image": "tensorflow/serving:2.19.1",
        "env": [{"name": "MODEL_NAME", "value": "heart"}],
        "securityContext": NON_ROOT,
        "resources": {"limits": {"memory": "2Gi"}},
        "readinessProbe": {
            "httpGet": {"path": "/v1/models/heart/versions/1/metadata", "port": 8501},
            "periodSeconds": 1,
        },
        "volumeMounts": [{**volume, "readOnly": True}],
    }
    place.pod(
        "heart",
        server,
        initContainers=[fetch],
        securityContext=RESTRICTED,
        volumes=[{"name": "models", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
    )
    until("heart is ready", lambda: place.is_ready("heart"))
    address = place.status("heart")["podIP"]
    columns, _ = heart.patients(2)
    instances = [{name: values[row].item() for name, values in columns.items()} for row in (0, 1)]
    url = f"http://{address}:8501/v1/models/heart:predict"
    body = {"instances": instances}
    with LoadOn(place.node.inside(), url, body=body, clients=2) as load:
        pass
    assert load.outcome.failures == {}
    (answer,) = load.outcome.answers
    assert len(json.loads(answer)["predictions"]) == 2
