"""From an empty project to a served model: real bucket content, and a real API server as GKE's.

The cluster that the stack makes has the address of the tests' own, and the program that fetches a
credential for GKE gives its token. So what the stack tells Kubernetes is checked by Kubernetes.
"""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from model_export.publish import publish
from model_export.store import open_store
from tests.gcp.harness import GcpStack, make_gcp_stack
from tests.standins.kubernetes.client import Client
from tests.stores.clouds import Cloud, running_cloud
from tests.stores.conftest import make_model as make_model  # noqa: PLC0414 - a fixture
from tests.tools.executables import executable
from tools.cluster.control_plane import Cluster
from tools.engine.acquire import Engine

pytestmark = [
    pytest.mark.slow,
    pytest.mark.engine,
    pytest.mark.cluster,
    pytest.mark.timeout(1800),
]

CONFIG = {
    "platform": "gcp",
    "gcp": {"project": "example-ml-dev", "region": "europe-west4"},
    "cluster": {},
}
CREDENTIAL = """#!/bin/sh
echo '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",'
echo ' "status": {"token": "TOKEN"}}'
"""


@pytest.fixture
def content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    directory = tmp_path / "content"
    directory.mkdir()
    with running_cloud("gs", directory) as cloud:
        for name, value in cloud.environment().items():
            monkeypatch.setenv(name, value)
        yield cloud


@pytest.fixture
def stack(
    engine: Engine, sdk_types: Path, tmp_path: Path, content: Cloud, cluster: Cluster
) -> Iterator[GcpStack]:
    stack = make_gcp_stack(
        tmp_path / "stack",
        engine,
        "dev",
        sdk_types,
        content.environment(),
        plugins={"gcp": "gcp", "kubernetes": "kubernetes"},
    )
    kubeconfig = YAML(typ="safe").load(cluster.kubeconfig)
    there, user = kubeconfig["clusters"][0]["cluster"], kubeconfig["users"][0]["user"]
    stack.cloud.answer(
        "gcp:container/cluster:Cluster",
        endpoint=there["server"].removeprefix("https://"),
        masterAuth={"clusterCaCertificate": ca_data(there)},
    )
    executable(
        stack.directory / "plugins" / "gke-gcloud-auth-plugin",
        CREDENTIAL.replace("TOKEN", user["token"]),
    )
    yield stack
    stack.end()


def ca_data(cluster: dict[str, str]) -> str:
    if "certificate-authority-data" in cluster:
        return cluster["certificate-authority-data"]
    return base64.b64encode(Path(cluster["certificate-authority"]).read_bytes()).decode()


def configure(stack: GcpStack, **heart: object) -> None:
    stack.configure(CONFIG | {"models": {"heart": heart}})


def test_what_is_published_serves_from_gke_and_what_is_not_is_refused(
    stack: GcpStack, make_model: Callable[..., Path], api: Client
) -> None:
    configure(stack)
    stack.up()
    bucket = stack.servestack("bucket").stdout.strip()
    publish(make_model(), model="heart", store=open_store(bucket), version=1)

    configure(stack, version=2)
    told = stack.told("preview")
    assert "Pulumi.dev.yaml: servestack:models.heart.version: " in told
    assert "model-export publish" in told

    configure(stack, version=1)
    stack.up()
    deployment = api.call("GET", "/apis/apps/v1/namespaces/servestack-dev/deployments/heart")
    assert deployment["status"]["readyReplicas"] == 1
    assert deployment["spec"]["template"]["spec"]["serviceAccountName"] == "heart"
    maps = api.call("GET", "/api/v1/namespaces/servestack-dev/configmaps")["items"]
    files = [found["data"].get("models.config", "") for found in maps if "data" in found]
    assert any(f'base_path: "{bucket}/heart"' in text for text in files)
    stack.expect_no_changes()

    stack.servestack("pause", "--yes")
    assert api.call("GET", "/apis/apps/v1/namespaces/servestack-dev/deployments")["items"] == []
    assert "containing objects" in stack.told("destroy", "--yes", "--skip-preview")
    assert open_store(bucket).versions("heart") == (1,)
    config = stack.config
    stack.configure({**config, "bucket": {"force_destroy": True}})
    stack.up()
    stack.destroy()
