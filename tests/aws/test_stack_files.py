"""Each committed stack file of AWS on the real engine, through its whole life.

The cloud is moto, which AWS's own client speaks to; the first run of each call may be made to fail.
"""

import json
from collections import Counter

import pytest

from tests.aws.harness import AwsStack
from tests.aws.inventory import DIRECTORY, STACKS, document_of
from tests.standins.aws import EACH_ONCE

STACK_CLASSES = ("pulumi:pulumi:", "servestack:")


def kinds(stack: AwsStack) -> Counter[str]:
    types = [resource["type"] for resource in stack.resources()]
    return Counter(type_ for type_ in types if not type_.startswith(STACK_CLASSES))


@pytest.mark.slow
@pytest.mark.parametrize("stack", STACKS)
def test_the_committed_inventory_is_current(stack: str) -> None:
    assert (DIRECTORY / f"{stack}.json").read_text() == document_of(stack), (
        "run: uv run python -m tests.aws.inventory"
    )


@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.timeout(1200)
def test_a_stack_file_comes_up_stays_as_it_is_changes_and_goes(stack: AwsStack) -> None:
    counts = json.loads((DIRECTORY / "aws-dev.json").read_text())["counts"]
    stack.pulumi("preview")
    assert not stack.calls(), "a preview changes nothing"
    assert not stack.aws("s3").list_buckets()["Buckets"]

    # Each is tried twice, and no more than that: what was made is never made again.
    stack.faults({EACH_ONCE: "create"})
    assert until_done(stack, "up") > 3
    made = [(type_, name) for call, type_, name in stack.calls() if call == "create"]
    in_aws = [one for one in Counter(made).items() if one[1] > 2]
    assert in_aws == []
    assert kinds(stack) == counts
    stack.faults({})
    stack.expect_no_changes()
    stack.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")
    (cluster,) = stack.aws("eks").list_clusters()["clusters"]
    assert len(stack.aws("eks").list_nodegroups(clusterName=cluster)["nodegroups"]) == 2

    stack.configure({**stack.config, "paused": True})
    stack.up()
    groups = stack.aws("eks").list_nodegroups(clusterName=cluster)["nodegroups"]
    for group in groups:
        found = stack.aws("eks").describe_nodegroup(clusterName=cluster, nodegroupName=group)
        assert found["nodegroup"]["scalingConfig"]["minSize"] == 0
    stack.expect_no_changes()

    stack.destroy()
    assert stack.resources() == []
    assert not stack.aws("s3").list_buckets()["Buckets"]
    assert not stack.aws("eks").list_clusters()["clusters"]
    assert not stack.aws("iam").list_roles()["Roles"]
    mine = [{"Name": "cidr", "Values": ["10.42.0.0/16"]}]
    assert not stack.aws("ec2").describe_vpcs(Filters=mine)["Vpcs"]


def until_done(stack: AwsStack, command: str) -> int:
    """Run a command until it succeeds; each run gets further than the one before."""
    for run in range(1, 20):
        done = stack.pulumi(command, "--yes", "--skip-preview", "--continue-on-error", expect=None)
        if done.returncode == 0:
            return run
        told = done.stdout + done.stderr
        assert "failed once" in told, told
    raise AssertionError("it never ends")
