"""What a new version in the bucket leads to, by the policy of its model."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.config import StackConfig, parse_stack
from infra.releases.history import parse_history
from infra.releases.model_release import Canary, ModelRelease
from infra.releases.watching import Arrival, arrival, watched
from tests.releases.test_history import record


def config(model: dict[str, Any], on_publish: str = "release") -> StackConfig:
    rollout = {"on_publish": on_publish, "steps": [5, 50]}
    return parse_stack(
        {"platform": "local", "rollout": rollout, "models": {"heart": model}}, source="x"
    )


def found(
    newest: int | None, model: dict[str, Any], *history: Any, on_publish: str = "release"
) -> Arrival | None:
    releases = parse_history(json.dumps(history[::-1]))
    return arrival("heart", newest, config(model, on_publish), releases)


def test_a_new_version_is_released_and_labels_of_the_old_one_move_along() -> None:
    new = found(3, {"version": 2, "labels": {"stable": 2}}, record({"heart": {"version": 2}}))
    assert new is not None
    assert new.after == ModelRelease(version=3, labels={"stable": 3})
    assert new.before == ModelRelease(version=2, labels={"stable": 2})


def test_a_new_version_is_put_on_trial_at_the_first_step() -> None:
    new = found(3, {"version": 2}, on_publish="canary")
    assert new is not None
    assert new.after == ModelRelease(version=2, canary=Canary(version=3, share=5))


def test_the_first_version_of_a_model_serves_at_once() -> None:
    new = found(1, {}, on_publish="canary")
    assert new is not None
    assert new.after == ModelRelease(version=1)


@pytest.mark.parametrize(
    ("newest", "model", "history"),
    [
        (None, {}, []),
        (2, {"version": 2}, []),
        (2, {"version": 3}, []),
        (4, {"version": 2, "canary": {"version": 3, "share": 10}}, []),
        (3, {"version": 2}, [record({"heart": {"version": 3}})]),
        (3, {"version": 2}, [record({"heart": {"version": 3}}, result="failed")]),
        (
            3,
            {"version": 2},
            [record({"heart": {"version": 2, "canary": {"version": 3, "share": 5}}})],
        ),
    ],
    ids=["none", "the same", "older", "a trial", "rolled back", "failed", "aborted"],
)
def test_what_is_not_new_or_was_taken_up_once_is_left_alone(
    newest: int | None, model: dict[str, Any], history: list[Any]
) -> None:
    assert found(newest, model, *history) is None


def test_only_models_whose_policy_asks_are_watched() -> None:
    stack = parse_stack(
        {
            "platform": "local",
            "models": {"a": {"rollout": {"on_publish": "release"}}, "b": {}, "c": {"version": 1}},
        },
        source="x",
    )
    assert watched(stack) == ["a"]


@given(
    published=st.lists(st.integers(1, 8), max_size=8),
    policy=st.sampled_from(["release", "canary"]),
)
def test_no_version_is_ever_taken_up_twice(published: list[int], policy: str) -> None:
    model: dict[str, Any] = {}
    history: list[Any] = []
    taken: list[int] = []
    highest = 0
    for version in published:
        highest = max(highest, version)
        new = found(highest, model, *history, on_publish=policy)
        if new is None:
            continue
        taken.append(new.version)
        # Whoever judges it, takes it back at once.
        after: dict[str, Any] = {"version": new.after.version}
        if new.after.canary:
            after["canary"] = {"version": new.after.canary.version, "share": 5}
        history += [record({"heart": after}), record({"heart": model})]
        if not model:
            model = {"version": new.after.version}
    assert len(taken) == len(set(taken))
