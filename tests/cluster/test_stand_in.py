"""The stand-in for the Kubernetes provider, on the real engine and a real API server."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.standing import Stand, a_deployment, a_job, an_object
from tests.engine.harness import Project
from tests.standins.kubernetes.client import ApiError, Client
from tests.standins.provider import NotReadyError, ResourceError
from tools.cluster.control_plane import Cluster

# A dozen commands of the engine in one test take long where others work on the same machine.
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]
MakeProject = Callable[..., Project]

HEAD = """
import pulumi
import pulumi_kubernetes as k8s
from pulumi_kubernetes.apps.v1 import Deployment, DeploymentSpecArgs
from pulumi_kubernetes.core.v1 import *
from pulumi_kubernetes.meta.v1 import LabelSelectorArgs, ObjectMetaArgs

config = pulumi.Config()
namespace = Namespace("ns", metadata=ObjectMetaArgs(name=config.require("namespace")))
name = namespace.metadata.name
"""
PROGRAM = (
    HEAD
    + """
settings = ConfigMap(
    "settings",
    metadata=ObjectMetaArgs(
        namespace=name, name="settings" if config.get_bool("fixed") else None
    ),
    data={"greeting": config.require("greeting")},
)
labels = {"app": "toy"}
deployment = Deployment(
    "toy",
    metadata=ObjectMetaArgs(name="toy", namespace=name),
    spec=DeploymentSpecArgs(
        replicas=config.get_int("replicas") or 2,
        selector=LabelSelectorArgs(match_labels=labels),
        template=PodTemplateSpecArgs(
            metadata=ObjectMetaArgs(labels=labels),
            spec=PodSpecArgs(
                containers=[
                    ContainerArgs(
                        name="toy",
                        image="toy:1",
                        env_from=[
                            EnvFromSourceArgs(
                                config_map_ref=ConfigMapEnvSourceArgs(name=settings.metadata.name)
                            )
                        ],
                        resources=ResourceRequirementsArgs(requests={"cpu": "100m"}),
                    )
                ]
            ),
        ),
    ),
)
pulumi.export("settings", settings.metadata.name)
pulumi.export("ready", deployment.status.ready_replicas)
"""
)


def configuration(namespace: str, **values: object) -> str:
    entries = {"namespace": namespace, "greeting": "hello", **values}
    return "\n".join(f"toy:{name}: {json.dumps(value)}" for name, value in entries.items())


@pytest.mark.slow
@pytest.mark.engine
def test_a_program_is_brought_up_changed_refreshed_and_destroyed(
    cluster_project: MakeProject, api: Client, namespace: str
) -> None:
    project = cluster_project(program=PROGRAM, config=configuration(namespace))
    # With its preview, in which the namespace is not there yet, and nothing in it can be tried.
    project.pulumi("up", "--yes")
    outputs = project.outputs()
    assert outputs["ready"] == 2
    first = outputs["settings"]
    assert first.startswith("settings-")
    assert "4 unchanged" in project.pulumi("refresh", "--yes", "--skip-preview").stdout
    project.expect_no_changes()

    # An automatic name: the new one first, then the roll-out, then the old one goes.
    project.pulumi("config", "set", "greeting", "good day")
    assert "1 replaced" in project.up().stdout
    second = project.outputs()["settings"]
    assert second != first
    assert second in names(api, "ConfigMap", namespace)
    assert first not in names(api, "ConfigMap", namespace)

    api.call(
        "PATCH",
        f"/apis/apps/v1/namespaces/{namespace}/deployments/toy",
        {"spec": {"replicas": 1}, "metadata": {"labels": {"foreign": "label"}}},
        media_type="application/merge-patch+json",
        fieldManager="someone",
    )
    refreshed = project.pulumi("refresh", "--yes", "--skip-preview").stdout
    assert "1 updated" in refreshed
    # The field that we set has changed, and has another owner now; what we did not set is not told.
    drift = project.pulumi("preview", "--diff", expect=1)
    assert "replicas: 1 => 2" in drift.stdout
    assert "foreign" not in drift.stdout
    assert 'conflict with "someone"' in drift.stdout + drift.stderr
    api.call(
        "PATCH",
        f"/apis/apps/v1/namespaces/{namespace}/deployments/toy",
        {"spec": {"replicas": 2}},
        media_type="application/merge-patch+json",
        fieldManager="someone",
    )
    project.up()

    project.destroy()
    assert namespace not in names(api, "Namespace")
    assert project.resources() == []


@pytest.mark.slow
@pytest.mark.engine
def test_a_config_map_of_fixed_name_goes_before_its_successor_and_takes_the_deployment_along(
    cluster_project: MakeProject, api: Client, namespace: str
) -> None:
    project = cluster_project(program=PROGRAM, config=configuration(namespace, fixed=True))

    def uids() -> set[str]:
        paths = f"/apis/apps/v1/namespaces/{namespace}/deployments/toy", config_map
        return {api.call("GET", path)["metadata"]["uid"] for path in paths}

    config_map = f"/api/v1/namespaces/{namespace}/configmaps/settings"
    project.up()
    before = uids()
    project.pulumi("config", "set", "greeting", "good day")
    assert "2 to replace" in project.pulumi("up", "--yes").stdout
    assert api.call("GET", config_map)["data"] == {"greeting": "good day"}
    assert uids().isdisjoint(before)


@pytest.fixture
def stand(cluster: Cluster) -> Stand:
    return Stand(cluster.kubeconfig)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (an_object("Service", spec={"ports": [{"port": 99999}]}), "between 1 and 65535"),
        (an_object("ResourceQuota", spec={"hard": {"cpu": "abc"}}), "must match the regular"),
        (an_object("ConfigMap", dtaa={}), ".dtaa: field not declared in schema"),
        (an_object("Toy", "toy.example/v1"), "Verify that any required CRDs have been created"),
        (an_object("ServiceAccount", metadata={"name": "default"}), "already exists"),
        (an_object("Job", metadata={"annotations": {"pulumi.com/waitFor": "x"}}), "not know"),
    ],
)
def test_a_preview_refuses_what_the_api_server_refuses(
    stand: Stand, body: dict[str, Any], told: str
) -> None:
    with pytest.raises(ResourceError, match=re.escape(told)):
        stand.preview(body)


def test_a_roll_out_that_cannot_end_is_told_with_its_reasons(
    stand: Stand, api: Client, namespace: str
) -> None:
    api.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    with pytest.raises(NotReadyError) as told:
        stand.create(a_deployment(namespace, cpu="100", timeoutSeconds="1"))
    assert "'toy' timed out waiting to be Ready" in told.value.reasons[0]
    assert "Insufficient cpu" in str(told.value)
    # It stays, and the engine keeps it with its state.
    assert told.value.id == f"{namespace}/toy"
    request = stand.request(
        a_deployment(namespace, cpu="100", skipAwait="true"),
        id=told.value.id,
        old_outputs=told.value.outputs,
    )
    outputs = stand.provider.update(request)
    assert outputs["status"]["unavailableReplicas"] == 1

    request = stand.request(a_deployment(namespace, cpu="1"), id=told.value.id, old_outputs=outputs)
    outputs = stand.provider.update(request)
    assert outputs["status"]["readyReplicas"] == 1
    stand.provider.delete(replace(request, old_outputs=outputs))
    assert stand.provider.read(replace(request, old_inputs=request.inputs)) is None


def test_a_load_balancer_is_waited_for_and_a_cluster_address_is_not(
    stand: Stand, api: Client, namespace: str
) -> None:
    api.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    metadata = {"namespace": namespace, "annotations": {"pulumi.com/timeoutSeconds": "1"}}
    spec = {"ports": [{"port": 80}]}
    stand.create(an_object("Service", metadata=metadata | {"name": "inside"}, spec=spec))
    balanced = an_object(
        "Service", metadata=metadata | {"name": "outside"}, spec=spec | {"type": "LoadBalancer"}
    )
    with pytest.raises(NotReadyError, match="was not allocated an IP address"):
        stand.create(balanced)


def test_a_job_is_waited_for_until_it_is_complete(
    stand: Stand, api: Client, namespace: str
) -> None:
    api.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    assert stand.create(a_job(namespace, "toy:1"))["status"]["succeeded"] == 1


def test_a_name_that_was_given_once_is_kept(stand: Stand) -> None:
    nameless = an_object("ConfigMap", metadata={})
    first = stand.request(nameless).inputs
    assert first["metadata"]["name"].startswith("x-")
    assert stand.request(nameless, old_inputs=first).inputs == first
    assert stand.request(nameless).inputs != first


def test_an_unreachable_cluster_is_met_by_an_update_only(tmp_path: Path, cluster: Cluster) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    content = cluster.kubeconfig.read_text()
    kubeconfig.write_text(content.replace(cluster.url, "https://127.0.0.1:1"))
    stand = Stand(kubeconfig)
    assert stand.preview(an_object("ConfigMap"))["metadata"]["name"] == "x"
    with pytest.raises(ResourceError, match="configured Kubernetes cluster is unreachable"):
        stand.create(an_object("ConfigMap"))


def test_the_api_server_itself_is_strict(api: Client, namespace: str) -> None:
    api.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    body: dict[str, Any] = {"metadata": {"name": "x"}, "dtaa": {"a": "b"}}
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    with pytest.raises(ApiError, match='unknown field "dtaa"'):
        api.call("POST", path, body, fieldValidation="Strict")
    # The check above can fail: without strictness the same is taken.
    api.call("POST", path, body, fieldValidation="Ignore")


def names(api: Client, kind: str, namespace: str | None = None) -> list[str]:
    return [each["metadata"]["name"] for each in api.objects("v1", kind, namespace)]
