"""Each committed stack file of Google Cloud on the real engine, through its whole life.

The cloud is a stand-in that holds the API's rules (`tests.standins.gcp`); the first run of each of
its calls may be made to fail.
"""

import json
from collections import Counter

import pytest

from tests.gcp.harness import GcpStack, MakeGcpStack
from tests.gcp.inventory import DIRECTORY, STACKS, document_of

STACK_CLASSES = ("pulumi:pulumi:", "servestack:")


def kinds(stack: GcpStack) -> Counter[str]:
    types = [resource["type"] for resource in stack.resources()]
    return Counter(type_ for type_ in types if not type_.startswith(STACK_CLASSES))


@pytest.mark.parametrize("stack", STACKS)
def test_the_committed_inventory_is_current(stack: str) -> None:
    assert (DIRECTORY / f"{stack}.json").read_text() == document_of(stack), (
        "run: uv run python -m tests.gcp.inventory"
    )


@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", STACKS)
def test_a_stack_file_comes_up_stays_as_it_is_and_goes(name: str, make_stack: MakeGcpStack) -> None:
    stack = make_stack(name)
    counts = json.loads((DIRECTORY / f"{name}.json").read_text())["counts"]

    planned = stack.pulumi("preview")
    assert f"+ {len_of(planned.stdout)} to create" in planned.stdout
    assert not list(stack.cloud.things())

    stack.up()
    assert kinds(stack) == counts
    stack.expect_no_changes()
    stack.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")
    assert all(call == "create" for call, _, _ in stack.calls())

    if name == "prod":
        assert "deletion_protection" in stack.told("destroy", "--yes", "--skip-preview")
        stack.change(cluster={"deletion_protection": False})
        stack.up()
    stack.destroy()
    left = {thing.type for thing in stack.cloud.things()}
    assert left == {"gcp:projects/service:Service"}
    assert stack.resources() == []


def len_of(told: str) -> int:
    """Give how many resources a preview would make."""
    line = next(line for line in told.splitlines() if line.strip().endswith("to create"))
    return int(line.split()[1])


@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.timeout(1800)
def test_a_failure_at_any_resource_is_run_again_and_leaves_nothing_behind(
    make_stack: MakeGcpStack,
) -> None:
    stack = make_stack("prod")
    stack.change(cluster={"deletion_protection": False})
    stack.cloud.fail_each_once("create")
    runs = until_done(stack, "up")
    made = [(type_, name) for call, type_, name in stack.calls() if call == "create"]
    # Each is tried twice, and no more than that: what was made is never made again.
    assert set(Counter(made).values()) == {2}
    assert runs > 3
    stack.expect_no_changes()

    stack.change(labels={"team": "other"})
    stack.cloud.fail_each_once("update")
    assert until_done(stack, "up") > 1
    stack.expect_no_changes()

    stack.cloud.fail_each_once("delete")
    assert until_done(stack, "destroy") > 1
    assert {thing.type for thing in stack.cloud.things()} == {"gcp:projects/service:Service"}


def until_done(stack: GcpStack, command: str) -> int:
    """Run a command until it succeeds; each run gets further than the one before."""
    for run in range(1, 20):
        done = stack.pulumi(command, "--yes", "--skip-preview", "--continue-on-error", expect=None)
        if done.returncode == 0:
            return run
        told = done.stdout + done.stderr
        assert "failed once" in told, told
        # The engine's own executor may add a traceback here; `servestack up` leaves that out.
    raise AssertionError("it never ends")
