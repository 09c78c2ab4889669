"""Changes of each kind to a stack that is up, on the real engine: in place, beside, or away."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gcp.harness import GcpStack, make_gcp_stack
from tools.engine.acquire import Engine

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.timeout(1800)]

CLUSTER = "gcp:container/cluster:Cluster"
POOL = "gcp:container/nodePool:NodePool"
FOLDER = "gcp:storage/managedFolder:ManagedFolder"
MODELS = {"heart": {}, "digits": {"gpu": {"type": "nvidia-l4"}}}


@pytest.fixture(scope="module")
def stack(
    engine: Engine, sdk_types: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GcpStack]:
    """One stack for all changes; each test leaves it up."""
    directory = tmp_path_factory.mktemp("changes") / "stack"
    stack = make_gcp_stack(directory, engine, "dev", sdk_types, {})
    stack.up()
    yield stack
    stack.end()


def changed(stack: GcpStack) -> list[tuple[str, str, str]]:
    """Bring the stack to its file; give what was done for it."""
    stack.calls()
    stack.up()
    return stack.calls()


def test_what_can_be_changed_in_place_is(stack: GcpStack) -> None:
    stack.change(labels={"team": "other"}, budget={"monthly": 300}, bucket={"keep_deleted_days": 9})
    done = changed(stack)
    assert {call for call, _, _ in done} == {"update"}
    assert {"Bucket", "Budget", "Cluster", "NodePool"} <= {kind for _, kind, _ in done}


def test_the_size_of_a_pool_changes_in_place_and_its_machine_beside_it(stack: GcpStack) -> None:
    before = stack.cloud.one(POOL, "l4")
    pools = stack.config["cluster"]["gpu_pools"]
    stack.change(cluster={"gpu_pools": {"l4": {**pools["l4"], "max_nodes": 3}}})
    assert changed(stack) == [("update", "NodePool", "l4")]
    assert stack.cloud.one(POOL, "l4").id == before.id

    stack.change(cluster={"gpu_pools": {"l4": {**pools["l4"], "machine_type": "g2-standard-8"}}})
    # The old one serves until the new one is there.
    assert changed(stack) == [("create", "NodePool", "l4"), ("delete", "NodePool", "l4")]
    assert stack.cloud.one(POOL, "l4").id != before.id


def test_a_model_comes_and_goes_with_its_grants_alone(stack: GcpStack) -> None:
    stack.change(models=MODELS | {"extra": {}})
    assert {(call, kind) for call, kind, _ in changed(stack)} == {
        ("create", "ManagedFolder"),
        ("create", "ManagedFolderIamMember"),
    }
    member = stack.cloud.one(
        "gcp:storage/managedFolderIamMember:ManagedFolderIamMember", "extra-reads"
    ).inputs["member"]
    assert member.endswith(".svc.id.goog/subject/ns/servestack-dev/sa/extra")
    assert stack.cloud.one(FOLDER, "extra").inputs["forceDestroy"] is True
    config = stack.config
    config["models"] = MODELS
    stack.configure(config)
    assert {(call, kind) for call, kind, _ in changed(stack)} == {
        ("delete", "ManagedFolder"),
        ("delete", "ManagedFolderIamMember"),
    }


def test_what_was_changed_behind_its_back_is_seen_and_put_right(stack: GcpStack) -> None:
    bucket = stack.cloud.one("gcp:storage/bucket:Bucket")
    stack.cloud.change(bucket, publicAccessPrevention="inherited")
    stack.cloud.remove(stack.cloud.one(POOL, "l4").id)
    told = stack.servestack("status", "--drift", expect=1).stdout
    assert "drift: Bucket models has other values: publicAccessPrevention" in told
    assert "drift: NodePool l4 is gone" in told
    stack.calls()
    stack.up("--refresh")
    assert sorted(stack.calls()) == [("create", "NodePool", "l4"), ("update", "Bucket", "models")]
    mended = stack.cloud.one("gcp:storage/bucket:Bucket")
    assert mended.inputs["publicAccessPrevention"] == "enforced"


def test_a_paused_stack_has_no_node_and_comes_back_as_it_was(stack: GcpStack) -> None:
    before = stack.file.read_bytes()
    told = stack.servestack("pause", "--yes").stdout
    assert "still there: the cluster's control plane, by the hour" in told
    for name in ("system", "l4"):
        pool = stack.cloud.one(POOL, name).inputs
        assert pool["nodeCount"] == 0
        assert "autoscaling" not in pool
    paused = stack.file.read_text()
    assert paused.count("servestack:paused: true") == 1
    assert "is paused" in stack.servestack("status").stderr

    stack.servestack("resume", "--yes")
    assert stack.file.read_bytes() == before
    for name in ("system", "l4"):
        pool = stack.cloud.one(POOL, name).inputs
        assert "nodeCount" not in pool
        assert pool["autoscaling"]["totalMaxNodeCount"] > 0
    stack.expect_no_changes()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_update_killed_while_a_pool_is_made_is_run_again(stack: GcpStack, moment: str) -> None:
    pools = stack.config["cluster"]["gpu_pools"]
    stack.change(
        cluster={"gpu_pools": {**pools, moment: {"accelerator": "nvidia-l4", "spot": True}}}
    )
    stack.calls()
    stack.kill_up_at(POOL, before=moment == "before")
    told = stack.servestack("up", "--yes").stderr
    assert "An earlier update was interrupted" in told
    made = [call for call in stack.calls() if call[0] == "create"]
    # The call that was cut off, and another one only where nothing came of it.
    assert len(made) == (2 if moment == "before" else 1), made
    assert stack.cloud.one(POOL, moment)
    stack.expect_no_changes()
