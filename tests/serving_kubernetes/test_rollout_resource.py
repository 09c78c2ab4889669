"""When a roll-out is waited for again, by what the engine kept of the last one."""

from typing import Any

import pytest

from infra.serving.tf_serving.resource import RolloutProvider

# As the engine gives it back: every number is a float.
KEPT: dict[str, Any] = {
    "model": "heart",
    "version": "2",
    "namespace": "models",
    "deployment": "heart",
    "digest": "abc",
    "timeout_seconds": 600.0,
    "live": None,
    "kubeconfig": "clusters: []",
    "context": None,
    "__provider": "what the SDK adds",
}


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ({}, "nothing"),
        ({"timeout_seconds": 600}, "nothing"),
        ({"__provider": "of another SDK"}, "nothing"),
        ({"digest": "def"}, "update"),
        ({"context": "kind-kind"}, "update"),
        ({"namespace": "others"}, "replacement"),
        ({"deployment": "heart-canary"}, "replacement"),
    ],
    ids=str,
)
def test_a_roll_out_is_waited_for_again_where_something_of_it_changed(
    change: dict[str, Any], seen: str
) -> None:
    found = RolloutProvider().diff("models/heart", KEPT, {**KEPT, **change})
    changed = "replacement" if found.replaces else "update"
    assert (changed if found.changes else "nothing") == seen


def test_what_an_earlier_program_did_not_write_yet_is_no_change() -> None:
    earlier = {key: value for key, value in KEPT.items() if key != "live"}
    assert RolloutProvider().diff("models/heart", earlier, KEPT).changes is False
