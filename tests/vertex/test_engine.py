"""A model on Vertex AI through the real engine: made, changed in each way, refreshed, destroyed."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from infra.serving.vertex.specs import Place
from tests.vertex.specs import ENDPOINT_ID
from tests.vertex.stack import VertexStack

pytestmark = [pytest.mark.slow, pytest.mark.engine]


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
    stack.up(versions={"1": 100})
    assert stack.deployed() == {"1": 100}
    assert stack.registered() == {"1": {"default", "stable", "v1"}}
    stack.project.expect_no_changes()
    stack.up(versions={"1": 90, "2": 10})
    assert stack.deployed() == {"1": 90, "2": 10}
    assert stack.registered() == {"1": {"default", "stable", "v1"}, "2": {"canary", "v2"}}
    stack.up(versions={"2": 100})
    assert stack.deployed() == {"2": 100}
    assert stack.registered() == {"2": {"default", "stable", "v2"}}
    stack.up(max_replicas=5, description="other words")
    assert stack.server.calls[-2:] == ["UpdateModel", "MutateDeployedModel"]
    stack.project.expect_no_changes()
    stack.up(paused=True)
    assert stack.deployed() == {}
    stack.up(paused=False)
    assert stack.deployed() == {"2": 100}
    stack.project.expect_no_changes()
    stack.project.destroy()
    assert stack.is_empty()


def test_a_refresh_sees_what_others_changed_and_the_next_up_puts_it_right(
    stack: VertexStack,
) -> None:
    stack.up(versions={"1": 90, "2": 10})
    with stack.server.locked() as world:
        (endpoint,), (model,) = world.endpoints.values(), world.models.values()
        endpoint.deployed_models[0].dedicated_resources.max_replica_count = 7
        first, second = (entry.id for entry in endpoint.deployed_models)
        world.split(endpoint, {first: 50, second: 50})
        world.move_alias(model, "2", "stable")
    shown = stack.project.pulumi("refresh", "--yes", "--diff").stdout
    assert "max_replicas" in shown
    assert "split" in shown
    assert "stable" in shown
    stack.up()
    assert stack.deployed() == {"1": 90, "2": 10}
    assert "stable" in stack.registered()["1"]
    assert endpoint.deployed_models[0].dedicated_resources.max_replica_count == 2
    stack.project.expect_no_changes()


def test_what_somebody_removed_is_made_again(stack: VertexStack) -> None:
    stack.up(versions={"1": 100})
    with stack.server.locked() as world:
        world.endpoints.clear()
        world.models.clear()
    stack.project.pulumi("refresh", "--yes")
    stack.up()
    assert stack.deployed() == {"1": 100}
    stack.project.expect_no_changes()


def test_a_lost_state_is_taken_up_again(stack: VertexStack) -> None:
    stack.up(versions={"1": 90, "2": 10})
    before = list(stack.server.calls)
    stack.project.pulumi("stack", "rm", "--force", "--yes", "--preserve-config")
    stack.project.pulumi("stack", "init", "local")
    stack.up()
    assert stack.server.calls == before
    stack.project.expect_no_changes()


def test_updates_under_constant_load_lose_no_prediction(stack: VertexStack, place: Place) -> None:
    """A new version, a canary, another machine, each while four clients ask without pause."""
    stack.up(versions={"1": 100}, drain_seconds=2)
    stack.server.world.operations.default_seconds = 0.3
    stack.server.router.propagation_seconds = 1.0
    with constant_load(place) as answers:
        stack.up(versions={"1": 80, "2": 20})
        stack.up(versions={"2": 100})
        stack.up(machine="n1-standard-4")
        stack.up(versions={"3": 100})
    assert set(answers) == {"1", "2", "3"}, answers
    assert all(answers.values())


def test_without_draining_the_same_load_loses_predictions(stack: VertexStack, place: Place) -> None:
    """So that the test above can fail."""
    stack.up(versions={"1": 100}, drain_seconds=0)
    stack.server.router.propagation_seconds = 5.0
    with constant_load(place) as answers:
        stack.up(versions={"2": 100})
    assert any("has ended" in words for words in answers), answers


def test_a_version_that_does_not_start_leaves_the_old_one_serving(stack: VertexStack) -> None:
    stack.up(versions={"1": 100})
    stack.server.world.broken.add("2")
    said = stack.up(versions={"2": 100}, expect=255)
    assert "heart: deploying version 2: Model server exited unexpectedly." in said
    assert "Traceback" not in said
    assert stack.deployed() == {"1": 100}
    stack.up(versions={"1": 100})
    assert stack.registered() == {"1": {"default", "stable", "v1"}}
    stack.project.expect_no_changes()


def test_a_long_operation_is_shown_beside_its_resource(stack: VertexStack) -> None:
    stack.server.world.operations.seconds["DeployModel"] = 2.0
    said = stack.up(versions={"1": 100})
    line = next(line for line in said.splitlines() if "adding nodes to cluster" in line)
    assert "VertexDeployment heart-1-" in line
    assert "deploying version 1: adding nodes to cluster, " in line
    # And forgotten when it is over.
    assert "adding nodes to cluster" not in said.partition("Diagnostics:")[2]


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
