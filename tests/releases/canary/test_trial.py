"""Where a trial stands: from configuration and history alone."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.config import parse_stack
from infra.releases.canary.trial import Trial, trials
from infra.releases.history import parse_history
from infra.releases.model_release import Canary, ModelRelease, ended
from tests.releases.test_history import record

MODEL = {"version": 1, "canary": {"version": 2, "share": 10}, "labels": {"stable": 1, "new": 2}}


def trial(*records: Any, **rollout: Any) -> Trial:
    stack = parse_stack(
        {
            "platform": "local",
            "rollout": {"steps": [10, 50], **rollout},
            "models": {"heart": MODEL},
        },
        source="x",
    )
    return trials(stack, parse_history(json.dumps(records[::-1])))["heart"]


def at(minute: int, one: dict[str, Any]) -> dict[str, Any]:
    times = {
        "startTime": f"2026-11-21T07:{minute:02}:00.000Z",
        "endTime": f"2026-11-21T07:{minute:02}:30.000Z",
    }
    return one | times


def test_a_step_lasts_since_the_end_of_the_update_that_deployed_it() -> None:
    share_5 = {**MODEL, "canary": {"version": 2, "share": 5}}
    found = trial(
        at(1, record({"heart": share_5})),
        at(2, record({"heart": MODEL})),
        at(3, record({"heart": MODEL}, message="something else changed")),
        at(4, record({"heart": MODEL}, result="failed")),
    )
    assert found.since == datetime(2026, 11, 21, 7, 2, 30, tzinfo=UTC)
    assert found.elapsed(found.since + timedelta(seconds=90)) == timedelta(seconds=90)


def test_a_trial_that_is_only_written_has_not_begun() -> None:
    assert trial(at(1, record({"heart": {"version": 1}}))).since is None
    assert trial().since is None
    assert trial(at(1, record({"heart": MODEL}, result="failed"))).since is None


def test_a_clock_that_went_back_makes_the_step_begin_anew() -> None:
    found = trial(at(5, record({"heart": MODEL})))
    assert found.elapsed(datetime(2026, 11, 21, 7, 0, tzinfo=UTC)) == timedelta()


@pytest.mark.parametrize(
    ("steps", "following"), [([10, 50], 50), ([10], None), ([5, 20, 40], 20), ([1], None)], ids=str
)
def test_the_next_step_is_the_first_larger_share(steps: list[int], following: int | None) -> None:
    assert trial(steps=steps).next_share == following


def test_a_step_is_named_by_its_place() -> None:
    assert trial().step == "10 % (1 of 3)"
    assert trial(steps=[20]).step == "10 %"


def test_a_larger_share_changes_nothing_else() -> None:
    after = trial().advanced(50)
    assert after.canary == Canary(version=2, share=50)
    assert (after.version, after.labels) == (1, {"stable": 1, "new": 2})


def test_promoted_or_aborted_every_label_names_what_serves() -> None:
    found = trial()
    assert found.advanced(100) == ModelRelease(version=2, labels={"stable": 2, "new": 2})
    assert found.aborted() == ModelRelease(version=1, labels={"stable": 1, "new": 1})


@given(
    labels=st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(1, 9)),
    survivor=st.integers(1, 9),
)
def test_no_label_ever_names_what_is_gone(labels: dict[str, int], survivor: int) -> None:
    after = ended(ModelRelease(version=1, labels=labels), survivor=survivor)
    assert after.labels.keys() == labels.keys()
    assert set(after.pinned_versions) == {survivor}


def test_models_without_a_canary_are_not_on_trial() -> None:
    stack = parse_stack(
        {"platform": "local", "models": {"a": {"version": 1}, "b": {}, "c": {"version": "latest"}}},
        source="x",
    )
    assert trials(stack, ()) == {}
