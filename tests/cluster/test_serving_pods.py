"""Models in real pods, by the real engine, asked through their Service without a pause.

The server in the pods is this project's own, which takes TF Serving's flags; kubelet, containers,
Services and everything between are real.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.cluster.load import LoadOn
from tests.cluster.serving_stack import PROGRAM, ServingStack
from tests.engine.harness import Project
from tests.standins.kubernetes.client import Client
from tests.stores.clouds import Cloud, running_cloud
from tools.cluster.node import RealNode
from tools.servers.running import ACCESS_KEY, SECRET_KEY

pytestmark = [
    pytest.mark.slow,
    pytest.mark.engine,
    pytest.mark.cluster,
    pytest.mark.timeout(900),
]

# So many pods find room on two cores, those that go included.
RESOURCES = {"cpu": "250m", "memory": "1Gi"}
# On a busy machine it takes seconds until everybody has heard that a pod goes.
QUICK = {"drain_seconds": 8}
BODY = {"instances": [0.0]}
TRACK = "servestack/track"


@pytest.fixture
def stack(
    node_project: Callable[..., Project],
    node_api: Client,
    node_namespace: str,
    tmp_path: Path,
) -> Iterator[ServingStack]:
    bucket = tmp_path / "bucket"
    bucket.mkdir(mode=0o755)
    project = node_project(program=PROGRAM)
    project.timeout_seconds = 600
    yield ServingStack(
        project=project,
        bucket=bucket,
        namespace=node_namespace,
        api=node_api,
        context="test",
        kubernetes={},
    )
    # One test destroys its stack; for the others it is enough that their namespace goes.
    project.up_ran = False


def heart(version: int, **more: Any) -> dict[str, Any]:
    return {
        "version": version,
        "replicas": 2,
        "resources": RESOURCES,
        "kubernetes": QUICK,
        **more,
    }


def address(stack: ServingStack, service: str = "heart") -> str:
    path = f"/api/v1/namespaces/{stack.namespace}/services/{service}"
    return f"http://{stack.api.call('GET', path)['spec']['clusterIP']}:8501"


@contextmanager
def asked(
    node: RealNode, stack: ServingStack, path: str = "", **answers: bool
) -> Iterator[dict[int, int]]:
    """Ask by 16 clients while the block runs; then none may have failed.

    Gives how often each version answered; whoever `answers` says must have, or must not.
    """
    url = f"{address(stack)}/v1/models/heart{path}:predict"
    found: dict[int, int] = {}
    with LoadOn(node.inside(), url, body=BODY, pause_seconds=0.4) as load:
        yield found
    assert load.outcome.failures == {}
    assert load.outcome.answered >= 16
    for text, count in load.outcome.answers.items():
        version = int(float(text.partition("[")[2].partition("]")[0]))
        found[version] = found.get(version, 0) + count
    for name, wanted in answers.items():
        assert (int(name.removeprefix("v")) in found) == wanted, found


@contextmanager
def called(node: RealNode, stack: ServingStack) -> Iterator[None]:
    """Call by gRPC, over connections that are kept, while the block runs; none may have failed."""
    from tensorflow_serving.apis import predict_pb2  # noqa: PLC0415 - it brings TensorFlow

    request = predict_pb2.PredictRequest()
    request.model_spec.name = "heart"
    tensor = request.inputs["x"]
    tensor.dtype = 1  # float32
    tensor.tensor_shape.dim.add().size = 1
    tensor.float_val.append(0.0)
    place = address(stack).removeprefix("http://").replace("8501", "8500")
    url = f"grpc://{place}/tensorflow.serving.PredictionService/Predict"
    body = request.SerializeToString()
    with LoadOn(node.inside(), url, body=body, clients=4, pause_seconds=0.4) as load:
        yield
    assert load.outcome.failures == {}
    # The two versions' answers: no client stayed with the first pod that it found.
    assert len(load.outcome.answers) == 2


def test_releases_canaries_failures_and_the_way_back_lose_no_request(
    stack: ServingStack, node: RealNode, tmp_path: Path
) -> None:
    stack.publish_answering(str(stack.bucket), tmp_path / "models", 1, 2)
    stack.publish(3)  # nothing that a server could load
    stack.up(heart=heart(1))

    with called(node, stack), asked(node, stack, v1=True, v2=True):
        stack.up(heart=heart(1, canary={"version": 2, "share": 10}))
        assert stack.model()["share"] == 33.3
        stack.up(heart=heart(1, canary={"version": 2, "share": 50}))
        assert stack.model()["share"] == 50
        stack.up(heart=heart(2))
    stack.until_only("heart")
    with asked(node, stack, v1=False, v2=True, v3=False):
        said = stack.up(heart=heart(2, canary={"version": 3, "share": 33}), expect=None)
        assert "heart version 3 does not come up" in said, said
        assert "version 3 does not load: " in said
        stack.up(heart=heart(2))
        stack.until_only("heart")
        said = stack.up(heart=heart(3), expect=None)
        assert "heart version 3 does not come up" in said, said
        assert "saved_model.pb" in said
        assert "What served before still serves." in said
    with asked(node, stack, v1=True, v2=True, v3=False):
        stack.up(heart=heart(1))
        stack.up(heart=heart(1, replicas=1))
    stack.project.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")
    stack.project.expect_no_changes()
    stack.project.destroy()
    assert all(
        stack.namespace not in found["metadata"]["name"]
        for kind in ("Namespace", "PersistentVolume")
        for found in stack.api.objects("v1", kind)
    )


def test_a_running_server_changes_its_version_and_its_label_and_stays(
    stack: ServingStack, node: RealNode, tmp_path: Path
) -> None:
    def hot(version: int) -> dict[str, Any]:
        return heart(version, strategy="hot", replicas=1, labels={"stable": version})

    stack.publish_answering(str(stack.bucket), tmp_path / "models", 1, 2)
    stack.publish(3)
    stack.up(heart=hot(1))
    (before,) = stack.pods()

    with asked(node, stack, "/labels/stable", v1=True, v2=True):
        stack.up(heart=hot(2))
    with asked(node, stack, "/labels/stable", v1=False, v2=True, v3=False):
        said = stack.up(heart=hot(3), expect=None)
        assert "version 3 does not load" in said, said
        assert "What served before still serves." in said
    (after,) = stack.pods()
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    stack.up(heart=hot(2))
    stack.project.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")


def test_a_server_that_follows_its_bucket_takes_up_what_is_published(
    stack: ServingStack, node: RealNode, tmp_path: Path
) -> None:
    store, models = str(stack.bucket), tmp_path / "models"
    stack.publish_answering(store, models, 1)
    latest = {"replicas": 1, "resources": RESOURCES, "kubernetes": QUICK, "poll_seconds": 1}
    stack.up(heart={"version": "latest", **latest})
    port = node.reach(address(stack).split("/")[2].partition(":")[0], 8501)
    url = f"http://127.0.0.1:{port}/v1/models/heart:predict"
    with asked(node, stack, v1=True):
        stack.publish_answering(store, models, 2)
        deadline = time.monotonic() + 120
        while requests.post(url, json=BODY, timeout=20).json() != {"predictions": [2.0]}:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    stack.project.expect_no_changes()


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[Cloud]:
    with running_cloud("s3", tmp_path) as cloud:
        yield cloud


def test_a_version_in_an_s3_compatible_store_is_fetched_compared_and_served(
    stack: ServingStack,
    node: RealNode,
    s3: Cloud,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment = {**s3.environment(), "AWS_ENDPOINT_URL_S3": s3.endpoint}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    stack.project.environment = {**stack.project.environment, **environment}
    url = f"s3://{s3.make_bucket()}/models"
    stack.bucket_config = {"url": url}
    at = node.expose(int(s3.endpoint.rpartition(":")[2]))
    stack.kubernetes = {
        "create_namespace": False,
        "bucket": {"endpoint": f"http://{at}", "region": "us-east-1", "secret": "keys"},
    }
    namespaces = "/api/v1/namespaces"
    stack.api.call("POST", namespaces, {"metadata": {"name": stack.namespace}})
    keys = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    secret = {"metadata": {"name": "keys"}, "stringData": keys}
    stack.api.call("POST", f"{namespaces}/{stack.namespace}/secrets", secret)
    stack.publish_answering(url, tmp_path / "models", 1, mib=4)
    stack.up(heart=heart(1, replicas=1))
    with asked(node, stack, v1=True):
        stack.project.expect_no_changes()
    state = stack.project.pulumi("stack", "export").stdout
    assert SECRET_KEY not in state


def test_a_model_that_is_too_large_for_its_memory_is_told_so(
    stack: ServingStack, tmp_path: Path
) -> None:
    stack.publish_answering(str(stack.bucket), tmp_path / "models", 1, hungry_mib=700)
    small = {"cpu": "1", "memory": "600Mi"}
    said = stack.up(heart=heart(1, replicas=1, resources=small), expect=None)
    assert "it was killed for taking more memory than it may. It may take 600Mi" in said, said
    assert "resources.memory" in said
