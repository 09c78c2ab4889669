"""Models on a real control plane, by the real engine: what is made, scheduled, refused, removed.

Its nodes run nothing, so that every pod is ready at once; what real pods do is in
test_serving_pods.py.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.serving_stack import PROGRAM, MakeStack, ServingStack
from tests.engine.harness import Project
from tests.observe.examples import observation
from tests.standins.kubernetes.client import ApiError, Client
from tools.cluster.control_plane import Cluster

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.cluster]

VERSION = "app.kubernetes.io/version"
TRACK = "servestack/track"


@pytest.fixture
def make_stack(
    cluster_project: Callable[..., Project],
    api: Client,
    namespace: str,
    tmp_path: Path,
) -> MakeStack:
    def make(**kubernetes: Any) -> ServingStack:
        bucket = tmp_path / "bucket"
        bucket.mkdir(exist_ok=True)
        return ServingStack(
            project=cluster_project(program=PROGRAM),
            bucket=bucket,
            namespace=namespace,
            api=api,
            context="test",
            kubernetes=kubernetes,
        )

    return make


def test_a_model_is_brought_up_rolled_tried_out_refreshed_and_destroyed(
    make_stack: MakeStack, api: Client, namespace: str
) -> None:
    stack = make_stack()
    stack.publish(1, 2)
    stack.up(heart={"version": 1, "replicas": 2})
    assert [pod["metadata"]["labels"][VERSION] for pod in stack.pods()] == ["1", "1"]
    stack.project.expect_no_changes()

    stack.up(heart={"version": 1, "replicas": 2, "canary": {"version": 2, "share": 50}})
    assert len(stack.pods(**{TRACK: "stable", VERSION: "1"})) == 2
    assert len(stack.pods(**{TRACK: "canary", VERSION: "2"})) == 2
    assert stack.model()["share"] == 50

    stack.up(heart={"version": 2, "replicas": 2})
    assert {pod["metadata"]["labels"][VERSION] for pod in stack.pods()} == {"2"}
    assert stack.names("apps/v1", "Deployment") == {"heart"}
    assert stack.model()["rest"] == f"http://heart.{namespace}.svc.cluster.local:8501"

    stack.project.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")
    stack.project.expect_no_changes()
    stack.project.destroy()
    assert all(found["metadata"]["name"] != namespace for found in api.objects("v1", "Namespace"))
    assert not [
        volume
        for volume in api.objects("v1", "PersistentVolume")
        if namespace in volume["metadata"]["name"]
    ]


def test_pods_with_a_gpu_go_to_the_nodes_that_have_it_whoever_made_them(
    make_stack: MakeStack,
) -> None:
    stack = make_stack()
    for model in ("eyes", "ears", "nose"):
        stack.publish(1, model=model)
    said = stack.up(
        eyes={"version": 1, "gpu": {"type": "nvidia-l4"}},
        ears={"version": 1, "gpu": {"type": "g5.xlarge"}},
        nose={"version": 1},
    )
    nodes = {
        pod["metadata"]["labels"]["app.kubernetes.io/instance"]: pod["spec"]["nodeName"]
        for pod in stack.pods()
    }
    assert nodes["eyes"] == "gke-gpu-0"
    assert nodes["ears"] == "eks-gpu-0"
    assert "no GPU to spare" in said


def test_whatever_the_cluster_lacks_is_refused_at_the_preview_all_at_once(
    make_stack: MakeStack,
) -> None:
    stack = make_stack()
    stack.publish(1)
    stack.publish(1, model="eyes", size_bytes=2 * 1024**3)
    said = stack.refusal(
        heart={
            "version": 1,
            "gpu": {"type": "nvidia-h100"},
            "autoscaling": {"min_replicas": 1, "max_replicas": 3},
            "kubernetes": {"scrape": "pod-monitoring", "priority_class": "none-such"},
        },
        eyes={"version": 1, "resources": {"memory": "1Gi"}},
    )
    for wanted in (
        "heart.gpu.type: nvidia-h100 is not to be had in the cluster (its GPUs are: nvidia-l4",
        "heart.autoscaling: the cluster has no metrics.k8s.io",
        "heart.kubernetes.scrape: the cluster does not know PodMonitoring",
        "heart.kubernetes.priority_class: the cluster has no none-such among its priorityclasses",
        "eyes.resources.memory: 1Gi is too little for version 1",
    ):
        assert f"servestack:models.{wanted}" in said


def test_a_namespace_of_somebody_else_is_left_alone(
    make_stack: MakeStack, api: Client, namespace: str
) -> None:
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    api.call("POST", "/api/v1/namespaces", body)
    stack = make_stack()
    stack.publish(1)
    said = stack.refusal(heart={"version": 1})
    assert "is not this stack's" in said
    shared = make_stack(create_namespace=False)
    shared.up(heart={"version": 1})
    shared.project.destroy()
    assert api.get(body) is not None
    assert shared.names("apps/v1", "Deployment") == set()


def test_a_cluster_that_does_not_answer_is_told(make_stack: MakeStack, tmp_path: Path) -> None:
    away = tmp_path / "away.yaml"
    away.write_text(
        "apiVersion: v1\nkind: Config\n"
        "clusters: [{name: away, cluster: {server: 'http://127.0.0.1:9'}}]\n"
        "users: [{name: away, user: {token: none}}]\n"
        "contexts: [{name: away, context: {cluster: away, user: away}}]\n"
    )
    stack = make_stack(context="away")
    stack.publish(1)
    stack.project.environment = {**stack.project.environment, "KUBECONFIG": str(away)}
    said = stack.refusal(heart={"version": 1})
    assert "The cluster of away at http://127.0.0.1:9 does not answer" in said
    assert "kubectl --context away cluster-info" in said
    assert "Traceback" not in said


def test_a_version_without_a_manifest_is_refused_at_the_preview(make_stack: MakeStack) -> None:
    said = make_stack().refusal(heart={"version": 7})
    assert "servestack:models.heart.version: version 7 of heart is not published" in said


def test_every_kind_of_object_is_taken_with_strict_eyes(
    extended_cluster: Cluster, make_stack: MakeStack, api: Client
) -> None:
    del extended_cluster
    gateway = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "public", "namespace": "default"},
        "spec": {
            "gatewayClassName": "any",
            "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}],
        },
    }
    api.call("POST", "/apis/gateway.networking.k8s.io/v1/namespaces/default/gateways", gateway)
    domain = {
        "name": "public",
        "namespace": "default",
        "domain": "models.example.com",
        "tls": False,
    }
    keda = {
        "max_replicas": 3,
        "prometheus_url": "http://prometheus:9090",
        "query": "up",
        "threshold": "5",
    }
    own = {"scrape": "service-monitor", "headless": True}
    stack = make_stack(gateway=domain)
    stack.publish(1, 2)
    stack.publish(1, model="eyes")
    stack.up(
        heart={
            "version": 1,
            "replicas": 2,
            "canary": {"version": 2, "share": 10},
            "labels": {"stable": 1},
            "batching": {},
            "kubernetes": own,
        },
        eyes={"version": 1, "kubernetes": {"keda": keda}},
    )
    assert stack.names("gateway.networking.k8s.io/v1", "HTTPRoute") == {"heart", "eyes"}
    assert stack.names("gateway.networking.k8s.io/v1", "GRPCRoute") == {"heart", "eyes"}
    assert stack.names("keda.sh/v1alpha1", "ScaledObject") == {"eyes"}
    assert stack.names("monitoring.coreos.com/v1", "ServiceMonitor") == {"heart"}
    assert stack.model()["rest"] == "http://heart.models.example.com"
    assert stack.model()["share"] == 10
    stack.project.expect_no_changes()


def test_the_server_takes_a_dashboard_and_alerts_to_the_letter(
    extended_cluster: Cluster, api: Client
) -> None:
    del extended_cluster
    found = observation("default")
    assert found.keys() == {"ConfigMap", "PrometheusRule"}
    for one in found.values():
        assert api.call("POST", path_of(one), one, **JUDGED_ONLY)["kind"] == one["kind"]
    found["PrometheusRule"]["spec"]["groups"][0]["rules"][0]["alarm"] = "x"
    rules = found["PrometheusRule"]
    with pytest.raises(ApiError, match="alarm"):
        api.call("POST", path_of(rules), rules, **JUDGED_ONLY)


# Nothing stays: the server checks, and forgets.
JUDGED_ONLY = {"dryRun": "All", "fieldValidation": "Strict"}


def path_of(found: dict[str, Any]) -> str:
    version = found["apiVersion"]
    start = f"/apis/{version}" if "/" in version else f"/api/{version}"
    return f"{start}/namespaces/default/{found['kind'].lower()}s"
