"""One line of the stack file pauses a stack, and nothing else in the file changes."""

import pytest

from infra.config import parse_stack
from infra.releases.pausing import what_stays
from infra.releases.stack_file import StackFileError, with_paused


def text(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)


BLOCK = ("config:", "  # why", "  servestack:platform: gcp # here", "", "  # models")
LIST = ("config:", "  servestack:models: {heart: {}}", "  other:list:", "    - 1")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            text(*BLOCK, "  servestack:models: {}"),
            text(*BLOCK[:3], "  servestack:paused: true", *BLOCK[3:], "  servestack:models: {}"),
        ),
        (
            text("config: {'servestack:platform': local}"),
            text("config: {'servestack:platform': local, servestack:paused: true}"),
        ),
        (
            text(*LIST, "  servestack:platform: local"),
            text(*LIST, "  servestack:platform: local", "  servestack:paused: true"),
        ),
    ],
    ids=["block", "flow", "behind a list"],
)
def test_a_stack_is_paused_by_one_line_and_resumed_without_it(before: str, after: str) -> None:
    paused = with_paused(before.encode(), paused=True, name="Pulumi.dev.yaml")
    assert paused.decode() == after
    assert with_paused(paused, paused=True, name="Pulumi.dev.yaml") == paused
    assert with_paused(paused, paused=False, name="Pulumi.dev.yaml").decode() == before
    assert with_paused(before.encode(), paused=False, name="Pulumi.dev.yaml").decode() == before


def test_a_stack_that_said_it_is_not_paused_is_paused_in_place() -> None:
    before = text("config:", "  servestack:paused: false # yet", "  servestack:platform: gcp")
    paused = with_paused(before.encode(), paused=True, name="Pulumi.dev.yaml")
    assert paused.decode() == before.replace("false", "true")


def test_a_file_that_cannot_be_paused_is_told_with_the_line_to_write() -> None:
    tied = text("config: &a {servestack:platform: gcp}", "more: *a")
    with pytest.raises(StackFileError) as caught:
        with_paused(tied.encode(), paused=True, name="Pulumi.dev.yaml")
    assert str(caught.value).startswith("Pulumi.dev.yaml cannot be edited")
    assert str(caught.value).endswith("servestack:paused: true")


@pytest.mark.parametrize(
    ("stack", "costs"),
    [
        ({"platform": "local"}, ["versions"]),
        ({"platform": "gcp"}, ["the bucket"]),
        ({"platform": "gcp", "cluster": {"existing": "shared"}}, ["the bucket"]),
        ({"platform": "gcp", "cluster": {}}, ["the bucket", "control plane", "way out"]),
        (
            {
                "platform": "gcp",
                "cluster": {},
                "gcp": {"network": "shared", "subnetwork": "shared"},
            },
            ["the bucket", "control plane"],
        ),
        ({"platform": "aws", "cluster": {}}, ["the bucket", "control plane"]),
    ],
    ids=str,
)
def test_what_a_paused_stack_goes_on_costing_is_told(
    stack: dict[str, object], costs: list[str]
) -> None:
    places = {
        "gcp": {"gcp": {"project": "example-ml", "region": "europe-west4"}},
        "aws": {"aws": {"region": "eu-central-1", "account": "123456789012"}},
    }
    place = places.get(str(stack["platform"]), {})
    raw = {**place, **stack}
    if "gcp" in stack and isinstance(stack["gcp"], dict):
        raw["gcp"] = {**place["gcp"], **stack["gcp"]}
    told = list(what_stays(parse_stack(raw, source="Pulumi.test.yaml")))
    assert len(told) == len(costs)
    assert all(cost in line for cost, line in zip(costs, told, strict=True))
