"""Killed at every step of create, update and delete: who comes next goes on and doubles nothing.

On the real engine the process is killed with its operation running, or with its answer on the way.
Without the engine every change dies in both ways, by itself.
"""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from infra.serving.vertex.api import VertexApi
from infra.serving.vertex.deployments import ensure_deployment, remove_deployment
from infra.serving.vertex.endpoints import (
    ensure_endpoint,
    ensure_traffic,
    remove_endpoint,
    stop_traffic,
)
from infra.serving.vertex.progress import EngineGoneError
from infra.serving.vertex.registry import (
    ensure_aliases,
    ensure_version,
    remove_aliases,
    remove_version,
)
from infra.serving.vertex.specs import Place
from tests.vertex.specs import (
    aliases_spec,
    deployment_spec,
    endpoint_spec,
    traffic_spec,
    version_spec,
)
from tests.vertex.stack import VertexStack

if TYPE_CHECKING:
    from tests.vertex.server.server import VertexServer

pytestmark = pytest.mark.slow

# What each part of a stack's life changes, in its order; what stands together has no order.
CREATE = (
    ("UploadModel", "CreateEndpoint"),
    ("DeployModel",),
    ("UpdateEndpoint",),
    ("MergeVersionAliases",),
)
UPDATE = (
    ("UploadModel",),
    ("DeployModel",),
    ("UpdateEndpoint",),
    ("MergeVersionAliases",),
    ("UndeployModel",),
    ("DeleteModelVersion",),
)
DELETE = (
    ("MergeVersionAliases",),
    ("UpdateEndpoint",),
    ("UndeployModel",),
    ("DeleteEndpoint", "DeleteModel"),
)
# These have no long operation; the answer itself is on its way.
SHORT = frozenset({"UpdateEndpoint", "MergeVersionAliases"})


# On the engine: each step is killed once, and the run after it gets as far as the next step.


@pytest.mark.engine
@pytest.mark.timeout(1200)
def test_an_engine_killed_at_each_step_is_gone_on_from(stack: VertexStack) -> None:
    server = stack.server
    stack.want(versions={"1": 100}, drain_seconds=0)
    for step in CREATE:
        kill_at(stack, step, "up")
    stack.up()
    assert stack.deployed() == {"1": 100}
    assert stack.registered() == {"1": {"default", "stable", "v1"}}
    assert sorted(server.calls) == sorted(chain(*CREATE))
    server.calls.clear()
    stack.want(versions={"2": 100})
    for step in UPDATE:
        kill_at(stack, step, "up")
    stack.up()
    assert stack.deployed() == {"2": 100}
    assert stack.registered() == {"2": {"default", "stable", "v2"}}
    # Two versions' aliases change, the new one's first.
    assert sorted(server.calls) == sorted([*chain(*UPDATE), "MergeVersionAliases"])
    stack.project.expect_no_changes()
    server.calls.clear()
    for step in DELETE:
        kill_at(stack, step, "destroy")
    stack.project.destroy()
    assert stack.is_empty()
    assert sorted(server.calls) == sorted(chain(*DELETE))


def kill_at(stack: VertexStack, steps: tuple[str, ...], command: str) -> None:
    """Kill the engine while operations run, or before it hears that a step is done."""
    if SHORT.isdisjoint(steps):
        stack.server.world.operations.held.update(steps)
        stack.killed_at(None, command, held=steps)
        stack.server.world.operations.held.clear()
    else:
        stop = stack.server.stop(steps[0], "done")
        stack.killed_at(stop, command)
        stop.released.set()


# Without the engine: every step dies in each way, and all is done once more from the beginning.


class DeadError(BaseException):
    """What a process feels that is killed: nothing of ours may catch it."""


Step = Callable[[VertexApi, Place], object]


def quietly(_text: str) -> None:
    """Have nobody to tell."""


CREATING: Sequence[Step] = (
    lambda api, place: ensure_version(api, version_spec(place), quietly),
    lambda api, place: ensure_endpoint(api, endpoint_spec(place), quietly),
    lambda api, place: ensure_deployment(api, deployment_spec(place), quietly),
    lambda api, place: ensure_traffic(api, traffic_spec(place, v1=100), quietly),
    lambda api, place: ensure_aliases(
        api, aliases_spec(place, default=1, v1=1), frozenset(), quietly
    ),
)
UPDATING: Sequence[Step] = (
    lambda api, place: ensure_version(api, version_spec(place, 2), quietly),
    lambda api, place: ensure_deployment(api, deployment_spec(place, 2), quietly),
    lambda api, place: ensure_traffic(api, traffic_spec(place, v2=100), quietly),
    lambda api, place: ensure_aliases(
        api, aliases_spec(place, default=2, v2=2), frozenset({"v1"}), quietly
    ),
    lambda api, place: remove_deployment(api, deployment_spec(place), quietly),
    lambda api, place: remove_version(api, version_spec(place), quietly),
)
DELETING: Sequence[Step] = (
    lambda api, place: remove_aliases(api, aliases_spec(place, default=2, v2=2), quietly),
    lambda api, place: stop_traffic(api, traffic_spec(place, v2=100), quietly),
    lambda api, place: remove_deployment(api, deployment_spec(place, 2), quietly),
    lambda api, place: remove_endpoint(api, endpoint_spec(place), quietly),
    lambda api, place: remove_version(api, version_spec(place, 2), quietly),
)
LIVES = {"create": CREATING, "update": (*CREATING, *UPDATING)}
LIVES["delete"] = (*LIVES["update"], *DELETING)


def live(api: VertexApi, place: Place, steps: Sequence[Step]) -> None:
    for step in steps:
        step(api, place)


@pytest.mark.parametrize("lost", ["the request", "the answer"])
@pytest.mark.parametrize("part", ["create", "update", "delete"])
def test_every_step_may_be_the_last_of_a_process(
    part: str, lost: str, vertex: "VertexServer", place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = LIVES[part]
    start = len(steps) - len({"create": CREATING, "update": UPDATING, "delete": DELETING}[part])
    api = VertexApi(place)
    live(api, place, steps)
    expected, calls = snapshot(vertex), len(vertex.calls)
    vertex.reset()
    live(api, place, steps[:start])
    before = len(vertex.calls)
    vertex.reset()
    change = VertexApi._change
    for fatal in range(calls - before):
        live(api, place, steps[:start])
        asked = 0

        def dying(self: VertexApi, *args: object, _fatal: int = fatal, **options: object) -> object:
            nonlocal asked
            asked += 1
            if asked - 1 == _fatal and lost == "the request":
                raise DeadError
            answer = change(self, *args, **options)  # type: ignore[arg-type] # passed on as it came
            if asked - 1 == _fatal:
                raise DeadError
            return answer

        monkeypatch.setattr(VertexApi, "_change", dying)
        with pytest.raises(DeadError):
            live(api, place, steps[start:])
        monkeypatch.setattr(VertexApi, "_change", change)
        live(api, place, steps[start:])
        assert snapshot(vertex) == expected, f"died at change {fatal}"
        assert len(vertex.calls) == calls, f"died at change {fatal}: {vertex.calls}"
        vertex.reset()


def snapshot(server: "VertexServer") -> object:
    with server.locked() as world:
        return (
            {
                name: [
                    (message.labels["servestack-version"], sorted(message.version_aliases))
                    for message in model.versions.values()
                ]
                for name, model in world.models.items()
            },
            {
                name: (
                    [entry.id for entry in endpoint.deployed_models],
                    dict(endpoint.traffic_split),
                )
                for name, endpoint in world.endpoints.items()
            },
        )


def test_a_process_whose_engine_is_gone_changes_nothing_more(
    vertex: "VertexServer", place: Place
) -> None:
    """It waits for somebody else's operation, and must not act when that ends."""
    api = VertexApi(place)
    ensure_endpoint(api, endpoint_spec(place), quietly)
    ensure_version(api, version_spec(place), quietly)
    vertex.world.operations.held.add("DeployModel")
    for _ in range(2):  # one that began it, and one that waits for it
        with pytest.raises(EngineGoneError):
            ensure_deployment(api, deployment_spec(place), gone)
    vertex.world.operations.held.clear()
    before = list(vertex.calls)
    assert before.count("DeployModel") == 1
    ensure_deployment(api, deployment_spec(place), quietly)
    assert vertex.calls == before


def gone(_text: str) -> None:
    raise EngineGoneError
