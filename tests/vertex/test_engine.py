"""A model on Vertex AI through the real engine: made, changed in each way, refreshed, destroyed."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from infra.serving.vertex.specs import Place
from tests.vertex.specs import ENDPOINT_ID
from tests.vertex.stack import PATIENCE_SECONDS, VertexStack

if TYPE_CHECKING:
    from tests.vertex.server.server import VertexServer

# On a busy machine each of the engine's runs takes half a minute.
pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.timeout(900)]


@contextmanager
def constant_load(place: Place, clients: int = 4) -> Iterator[Counter[str]]:
    """Ask without pause; count answers by version, and failures by their words."""
    from infra.serving.vertex.library import v1  # noqa: PLC0415 slow

    client: Any = v1.PredictionServiceClient(client_options={"api_endpoint": place.host})
    body = {"data": json.dumps({"instances": [0.0]}).encode(), "content_type": "application/json"}
    answers: Counter[str] = Counter()
    done = threading.Event()

    def ask() -> None:
        while not done.wait(0.005):
            try:
                answer = client.raw_predict(
                    request={"endpoint": place.endpoint(ENDPOINT_ID), "http_body": body},
                    timeout=30,
                    retry=None,
                )
                answers[str(json.loads(answer.data)["predictions"][0]["version"])] += 1
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what we count
                answers[repr(error)] += 1

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        done.set()
        for thread in threads:
            thread.join()
        client.transport.close()


def test_a_models_whole_life(stack: VertexStack) -> None:
    """Made, changed in each way, looked after, lost and found, destroyed."""
    stack.want(versions={"1": 100})
    stack.server.world.operations.held.add("DeployModel")
    progress_is_shown(stack.interrupted_in("DeployModel", "up"), "adding nodes to cluster, ")
    with released_when_asked(stack.server):
        progress_is_shown(stack.up(), "following projects/")
    assert stack.server.calls.count("DeployModel") == 1
    assert stack.deployed() == {"1": 100}
    assert stack.registered() == {"1": {"default", "stable", "v1"}}

    stack.server.world.broken.add("3")
    said = stack.up(versions={"3": 100}, expect=1)
    assert "heart: deploying version 3: Model server exited" in said
    assert "Traceback" not in said
    assert stack.deployed() == {"1": 100}

    # What is left of the release that failed goes with the next.
    stack.up(versions={"1": 90, "2": 10})
    assert stack.deployed() == {"1": 90, "2": 10}
    assert stack.registered() == {"1": {"default", "stable", "v1"}, "2": {"canary", "v2"}}
    stack.project.expect_no_changes()

    others_change_it(stack)
    shown = stack.project.pulumi("refresh", "--yes", "--diff").stdout
    assert all(name in shown for name in ("max_replicas", "split", "stable"))
    # Put right, and changed in place at the same time.
    stack.server.calls.clear()
    stack.up(max_replicas=5, description="other words")
    assert stack.deployed() == {"1": 90, "2": 10}
    assert "stable" in stack.registered()["1"]
    assert stack.server.calls.count("MutateDeployedModel") == 2
    assert "DeployModel" not in stack.server.calls

    # Spoken to by another host it is the same endpoint, and serves on.
    stack.server.calls.clear()
    stack.up(api_host=stack.server.address.replace("localhost", "127.0.0.1"))
    assert stack.deployed() == {"1": 90, "2": 10}
    assert not stack.server.calls

    stack.server.calls.clear()
    stack.project.pulumi("stack", "rm", "--force", "--yes", "--preserve-config")
    stack.project.pulumi("stack", "init", "local")
    stack.up()
    assert not stack.server.calls

    stack.up(versions={"2": 100}, paused=True)
    assert stack.deployed() == {}
    assert stack.registered() == {"2": {"default", "stable", "v2"}}
    stack.project.destroy()
    assert stack.is_empty()


@contextmanager
def released_when_asked(server: "VertexServer") -> Iterator[None]:
    """Let the operations that are held go on when somebody has heard that they are under way."""
    stop = server.stop("ListOperations", "done")

    def release() -> None:
        assert stop.reached.wait(PATIENCE_SECONDS)
        server.world.operations.held.clear()
        stop.released.set()

    thread = threading.Thread(target=release)
    thread.start()
    yield
    thread.join()


def progress_is_shown(said: str, words: str) -> None:
    """Find beside the resource what is waited for, and nothing of it afterwards."""
    line = next(line for line in said.splitlines() if words in line)
    assert "VertexDeployment heart-1-" in line
    assert f"deploying version 1: {words}" in line
    assert words not in said.partition("Diagnostics:")[2]


def others_change_it(stack: VertexStack) -> None:
    with stack.server.locked() as world:
        (endpoint,), (model,) = world.endpoints.values(), world.models.values()
        endpoint.deployed_models[0].dedicated_resources.max_replica_count = 7
        first, second = (entry.id for entry in endpoint.deployed_models)
        world.split(endpoint, {first: 50, second: 50})
        # The registry counts what it was given, so the release that failed has a number, too.
        world.move_alias(model, max(model.versions, key=int), "stable")


def test_updates_under_constant_load_lose_no_prediction(stack: VertexStack, place: Place) -> None:
    """A canary, then all of the new version on another machine, while four clients ask."""
    stack.up(versions={"1": 100}, drain_seconds=2)
    stack.server.world.operations.default_seconds = 0.3
    router, name = stack.server.router, place.endpoint(ENDPOINT_ID)
    router.propagation_seconds = 0.5
    # Where the first release is not known yet nobody is served: that is no update.
    wait_until(lambda: router.is_settled(name))
    with constant_load(place) as answers:
        stack.up(versions={"1": 80, "2": 20})
        stack.up(versions={"2": 100}, machine="n1-standard-4")
    assert [len(split) for split in router.splits(name)] == [1, 2, 1]
    assert set(answers) == {"1", "2"}, answers
    assert min(answers.values()) > 10, answers


def wait_until(holds: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_preview_asks_nobody_and_loads_no_client(
    stack: VertexStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.want(versions={"1": 100})
    environment = {**stack.project.environment, "PYTHONPROFILEIMPORTTIME": "1"}
    monkeypatch.setattr(stack.project, "environment", environment)
    done = stack.project.pulumi("preview")
    assert "infra.serving.vertex.component" in done.stdout + done.stderr
    assert "google.cloud.aiplatform" not in done.stdout + done.stderr
    assert not stack.server.calls
