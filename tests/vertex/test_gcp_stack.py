"""A whole stack of Google Cloud whose model Vertex AI serves, on the real engine.

What the cloud's own plug-in makes is made by its stand-in; the versions are read from a real server
of objects; Vertex AI is the server that speaks its protocol.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.gcp_names import bucket_name
from model_export.client import connect
from model_export.publish import publish
from model_export.store import open_store
from tests.gcp.harness import GcpStack, make_gcp_stack
from tests.small_models import make_saved_model
from tests.stores.clouds import running_cloud
from tools.engine.acquire import Engine

if TYPE_CHECKING:
    from tests.vertex.server.server import VertexServer

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.timeout(900)]

PROJECT = "example-ml"


def publish_versions(directory: Path, *versions: int) -> None:
    """Publish models that say which TensorFlow made them; nobody loads them here."""
    store = open_store(f"gs://{bucket_name(project=PROJECT, stack='dev')}")
    for version in versions:
        saved = make_saved_model(directory / str(version), dtype=version)
        publish(saved, model="heart", store=store, version=version)


@pytest.fixture
def stack(
    engine: Engine,
    vertex: "VertexServer",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[GcpStack]:
    (tmp_path / "gs").mkdir()
    with running_cloud("gs", tmp_path / "gs") as cloud:
        for name, value in cloud.environment().items():
            monkeypatch.setenv(name, value)
        # Google's own variables; the stand-in's cloud reads none of them.
        environ = {**cloud.environment(), **vertex.credentials.environment}
        made = make_gcp_stack(tmp_path / "stack", engine, "dev", tmp_path / "types.json", environ)
        # As a user does: the bucket first, then versions in it.
        serve(made, vertex)
        made.up()
        publish_versions(tmp_path / "models", 1, 2)
        yield made
        made.end()


def serve(stack: GcpStack, server: "VertexServer", **model: Any) -> None:
    stack.configure(
        {
            "platform": "gcp",
            "gcp": {"project": PROJECT, "region": "europe-west4", "vertex_host": server.address},
            "bucket": {"force_destroy": True},
            "labels": {"team": "vision"},
            "models": {"heart": {"target": "vertex", **model}},
        }
    )


def test_a_stack_serves_a_published_version_and_a_canary_and_goes(
    stack: GcpStack, vertex: "VertexServer"
) -> None:
    serve(stack, vertex, version=1)
    preview = stack.pulumi("preview").stdout
    assert "VertexDeployment heart-1-" in preview
    assert not vertex.calls
    stack.up()
    stack.expect_no_changes()
    output = stack.outputs()["models"]["heart"]
    with connect(output["endpoint"]) as client:
        assert client.predict([{"x": 1.0}]).rows() == (1,)
    model = next(iter(vertex.world.models.values())).versions["1"]
    assert model.labels["team"] == "vision"
    assert "TensorFlow 2." in model.version_description
    repository = stack.cloud.one("gcp:artifactregistry/repository:Repository").inputs
    image = model.container_spec.image_uri
    assert image.startswith(f"europe-west4-docker.pkg.dev/{PROJECT}/{repository['repositoryId']}/")
    account = stack.cloud.one("gcp:serviceaccount/account:Account").outputs["email"]
    deployed = next(iter(vertex.world.endpoints.values())).deployed_models[0]
    assert deployed.service_account == account == output["service_account"]

    serve(stack, vertex, version=1, canary={"version": 2, "share": 10}, vertex={"drain_seconds": 0})
    stack.up()
    serve(stack, vertex, version=2, vertex={"drain_seconds": 0})
    stack.up()
    endpoint = next(iter(vertex.world.endpoints.values()))
    assert list(endpoint.traffic_split.values()) == [100]
    assert len(endpoint.deployed_models) == 1
    stack.expect_no_changes()
    assert_no_secret(stack, vertex)

    stack.destroy()
    assert not vertex.world.endpoints
    assert not vertex.world.models


def assert_no_secret(stack: GcpStack, server: "VertexServer") -> None:
    state = stack.pulumi("stack", "export").stdout
    account = json.loads(
        Path(server.credentials.environment["GOOGLE_APPLICATION_CREDENTIALS"]).read_text()
    )
    key = "".join(account["private_key"].splitlines()[1:3])
    assert key not in state.replace("\\n", "")
    assert "Bearer" not in state


def test_mistakes_are_told_once_without_a_traceback(
    stack: GcpStack, vertex: "VertexServer"
) -> None:
    serve(stack, vertex, version=7)
    assert "servestack:models.heart.version: " in stack.told("preview")
    serve(
        stack, vertex, version=1, vertex={"container": "prebuilt", "machine_type": "n1-highcpu-1"}
    )
    said = stack.told("preview")
    assert "vertex.container: version 1 was made by TensorFlow" in said
    assert not vertex.calls
    serve(stack, vertex, version=1)
    from tests.vertex.server import api_error  # noqa: PLC0415 loads Google's client

    vertex.fail("DeployModel", api_error.quota("CustomModelServingCPUs is exceeded."))
    said = stack.told("up", "--yes", "--skip-preview")
    assert "the quota of project example-ml in europe-west4 does not allow it" in said
    assert "below servestack:models.heart" in said
    stack.up()
    # Whoever is somebody else, or nobody, is told so.
    monkey = dict(stack.environment)
    stack.environment = {**monkey, "GOOGLE_APPLICATION_CREDENTIALS": os.devnull}
    assert "application-default login" in stack.told("refresh", "--yes", "--skip-preview")
    stack.environment = monkey
