"""Reading a stack's history, and choosing what to go back to."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.releases.history import (
    NoTargetError,
    Release,
    choose_target,
    parse_history,
    put_back_message,
)
from infra.releases.model_release import Canary, ModelRelease
from infra.releases.tables import history_document, history_table

V1, V2, V3 = (ModelRelease(version=version) for version in (1, 2, 3))
NONE = ModelRelease()


def record(
    models: Mapping[str, Any] | None = None,
    *,
    kind: str = "update",
    result: str = "succeeded",
    message: str = "",
    secret: bool = False,
    version: int = 0,
) -> dict[str, Any]:
    """Write a record as `pulumi stack history --json` does."""
    config: dict[str, Any] = {"servestack:platform": {"value": "local", "secret": False}}
    if secret:
        config["servestack:models"] = {"secret": True}
    elif models is not None:
        config["servestack:models"] = {
            "value": json.dumps(models),
            "objectValue": models,
            "secret": False,
        }
    finished = result != "in-progress"
    return {
        "version": version,
        "kind": kind,
        "startTime": "2026-11-21T07:25:25.000Z",
        "message": message,
        "environment": {"git.author": "Ann", "git.head": "a8590ef34569fac1", "git.dirty": "true"},
        "config": config,
        "result": result,
        **({"endTime": "2026-11-21T07:25:27.000Z"} if finished else {}),
    }


def serving(**versions: int | str | None) -> dict[str, Any]:
    return {
        model: {} if version is None else {"version": version}
        for model, version in versions.items()
    }


def history(*oldest_first: Mapping[str, Any]) -> tuple[Release, ...]:
    return parse_history(json.dumps(oldest_first[::-1]))


def test_a_record_is_read_as_a_release() -> None:
    models = {"heart": {"version": 1, "canary": {"version": 2, "share": 10}, "warmup": False}}
    (release,) = history(record(models, message="Try 2\n\nlong"))
    assert release.number == 1
    assert release.author == "Ann"
    assert release.commit == "a8590ef34569fac1"
    assert release.started.isoformat() == "2026-11-21T07:25:25+00:00"
    assert release.ended is not None
    assert release.is_good
    assert release.models == {
        "heart": ModelRelease(version=1, canary=Canary(version=2, share=10)),
    }


def test_versions_written_as_text_and_latest_are_read() -> None:
    (release,) = history(record({"a": {"version": "7"}, "b": {"version": "latest"}, "c": {}}))
    assert release.models == {
        "a": ModelRelease(version=7),
        "b": ModelRelease(version="latest"),
        "c": NONE,
    }


def test_models_come_from_the_text_where_no_object_is_told() -> None:
    raw = record(serving(heart=3))
    del raw["config"]["servestack:models"]["objectValue"]
    (release,) = history(raw)
    assert release.models == {"heart": V3}


@pytest.mark.parametrize(
    "entry",
    [
        {"secret": True},
        {"secret": True, "value": "[secret]"},
        {"secret": False, "value": "ERROR_UNABLE_TO_DECRYPT"},
        {"secret": False, "value": '{"heart": {"version": [1]}}'},
    ],
)
def test_models_that_cannot_be_read_are_not_known_rather_than_none(entry: dict[str, Any]) -> None:
    raw = record()
    raw["config"]["servestack:models"] = entry
    assert history(raw)[0].models is None


def test_a_configuration_without_models_has_none() -> None:
    assert history(record())[0].models == {}
    raw = record()
    del raw["config"]
    assert history(raw)[0].models == {}


def test_updates_are_numbered_by_place_unless_the_backend_does() -> None:
    assert [entry.number for entry in history(record(), record(), record())] == [3, 2, 1]
    assert [entry.number for entry in history(record(version=8), record(version=9))] == [9, 8]


def test_an_empty_history_is_no_release() -> None:
    assert parse_history("[]") == ()
    assert parse_history("null") == ()


def test_an_update_that_still_runs_is_not_good() -> None:
    (release,) = history(record(serving(heart=1), result="in-progress"))
    assert release.ended is None
    assert not release.is_good


def test_the_last_good_different_release_is_chosen() -> None:
    releases = history(
        record(serving(heart=1)),
        record(serving(heart=2)),
        record(serving(heart=2)),
        record(serving(heart=3), result="failed"),
        record(serving(heart=9), kind="refresh"),
        record(serving(heart=3)),
    )
    target = choose_target(releases, {"heart": V3})
    assert target.update.number == 3
    assert target.models == {"heart": V2}


@pytest.mark.parametrize(
    "now",
    [
        ModelRelease(version=1, canary=Canary(version=2, share=10)),
        ModelRelease(version=1, canary=Canary(version=2, share=50)),
        V2,
    ],
)
def test_a_way_back_neither_starts_a_trial_nor_goes_on_with_one(now: ModelRelease) -> None:
    trial = {"heart": {"version": 1, "canary": {"version": 2, "share": 10}}}
    target = choose_target(history(record(serving(heart=1)), record(trial)), {"heart": now})
    assert target.models == {"heart": V1}
    named = choose_target(
        history(record(serving(heart=1)), record(trial)), {"heart": V1}, to=2
    ).models
    assert named == {"heart": ModelRelease(version=1, canary=Canary(version=2, share=10))}


def test_after_a_trial_that_was_ended_the_way_back_leads_before_it() -> None:
    trial = {"heart": {"version": 2, "canary": {"version": 3, "share": 10}}}
    releases = history(
        record(serving(heart=1)),
        record(serving(heart=2)),
        record(trial),
        record(serving(heart=2)),
    )
    target = choose_target(releases, {"heart": V2})
    assert (target.update.number, target.models) == (1, {"heart": V1})


def test_what_another_model_was_during_a_trial_is_found_and_the_trial_is_told() -> None:
    trial = {"version": 1, "canary": {"version": 2, "share": 10}}
    releases = history(
        record({"heart": trial, "digits": {"version": 2}}), record(serving(heart=1, digits=3))
    )
    target = choose_target(releases, {"heart": V1, "digits": V3})
    assert target.models == {"heart": V1, "digits": V2}
    assert target.notes == [
        "heart was on trial then (1, canary 2 at 10 %); 1 comes back alone. With the trial: --to 1"
    ]


def test_a_failed_edit_by_hand_goes_back_to_what_served_last() -> None:
    releases = history(
        record(serving(heart=1)),
        record(serving(heart=2)),
        record(serving(heart=3), result="failed"),
    )
    assert choose_target(releases, {"heart": V3}).update.number == 2


def test_an_update_that_was_put_back_is_no_target() -> None:
    releases = history(
        record(serving(heart=1)),
        record(serving(heart=2)),
        record(serving(heart=1), message=put_back_message(2, "version 2 answers otherwise")),
    )
    assert releases[1].withdrawn
    with pytest.raises(NoTargetError, match="no earlier release"):
        choose_target(releases, {"heart": V1})
    with pytest.raises(NoTargetError, match="Update 2 was put back"):
        choose_target(releases, {"heart": V1}, to=2)


def test_no_model_is_ended_unless_the_update_is_named() -> None:
    releases = history(record(serving(heart=None, digits=1)), record(serving(heart=1, digits=2)))
    now = {"heart": V1, "digits": V2}
    chosen = choose_target(releases, now)
    assert chosen.models == {"digits": V1}
    assert chosen.notes == ["heart was not served then; it stays at 1"]
    assert choose_target(releases, now, to=1).models == {"heart": NONE, "digits": V1}


def test_only_the_named_model_goes_back() -> None:
    releases = history(
        record(serving(heart=1, digits=1)),
        record(serving(heart=1, digits=2)),
        record(serving(heart=2, digits=2)),
        record(serving(heart=2, digits=3)),
    )
    now = {"heart": V2, "digits": V3}
    assert choose_target(releases, now, model="heart").models == {"heart": V1}
    assert choose_target(releases, now, model="heart").update.number == 2
    with pytest.raises(NoTargetError, match="no model 'liver'; the stack has: heart, digits"):
        choose_target(releases, now, model="liver")


def test_a_renamed_model_stays_as_it_is_and_is_told() -> None:
    releases = history(record(serving(old=1, digits=1)), record(serving(heart=1, digits=2)))
    target = choose_target(releases, {"heart": V1, "digits": V2})
    assert target.models == {"digits": V1}
    assert target.notes == [
        "heart was not served then; it stays at 1",
        "old is not declared any more; it stays away",
    ]


def test_a_destroyed_and_recreated_stack_can_go_back_before_its_end() -> None:
    releases = history(
        record(serving(heart=1)),
        record(serving(heart=2)),
        record(serving(heart=2), kind="destroy"),
        record(serving(heart=2)),
    )
    assert choose_target(releases, {"heart": V2}).update.number == 1


@pytest.mark.parametrize(
    ("to", "reason"),
    [
        (9, "no update 9; the updates are: 1 to 4"),
        (2, "its result is 'failed'"),
        (3, "was a destroy"),
        (4, "encrypted"),
    ],
)
def test_a_named_update_that_released_nothing_is_refused(to: int, reason: str) -> None:
    releases = history(
        record(serving(heart=1)),
        record(serving(heart=2), result="failed"),
        record(serving(heart=1), kind="destroy"),
        record(secret=True),
    )
    with pytest.raises(NoTargetError, match=reason):
        choose_target(releases, {"heart": V1}, to=to)


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ([], "history is empty"),
        ([record(result="failed")], "none of the 1 updates was a good release"),
        ([record(serving(heart=1))], "none of the 1 good updates differs"),
        ([record(secret=True)], "1 of them cannot be read"),
    ],
)
def test_nothing_to_go_back_to_is_explained(records: list[dict[str, Any]], reason: str) -> None:
    with pytest.raises(NoTargetError, match=reason):
        choose_target(history(*records), {"heart": V1})


model_versions = st.none() | st.integers(1, 3)
records = st.lists(
    st.builds(
        record,
        st.none()
        | st.fixed_dictionaries({}, optional={"a": st.just({}), "b": st.just({})}).flatmap(
            lambda names: st.fixed_dictionaries(
                {
                    name: st.builds(lambda v: {} if v is None else {"version": v}, model_versions)
                    for name in names
                }
            )
        ),
        kind=st.sampled_from(["update", "update", "destroy", "refresh", "preview"]),
        result=st.sampled_from(["succeeded", "succeeded", "failed", "in-progress"]),
        message=st.sampled_from(["", put_back_message(1, "x"), put_back_message(2, "x")]),
        secret=st.booleans(),
    ),
    max_size=6,
)
releases_now = st.fixed_dictionaries(
    {name: st.builds(lambda v: ModelRelease(version=v), model_versions) for name in ("a", "b")}
)


@given(records=records, now=releases_now)
def test_a_free_choice_is_good_different_complete_and_the_latest_such(
    records: Sequence[Mapping[str, Any]], now: Mapping[str, ModelRelease]
) -> None:
    releases = history(*records)

    def differs(entry: Release) -> bool:
        return entry.is_good and any(
            then.version is not None and name in now and then != now[name]
            for name, then in (entry.models or {}).items()
        )

    fitting = [entry.number for entry in releases if differs(entry)]
    try:
        target = choose_target(releases, now)
    except NoTargetError:
        assert not fitting
        return
    assert target.update.number == max(fitting)
    assert target.models.keys() <= now.keys()
    assert all(release.version is not None for release in target.models.values())


@given(records=records)
def test_every_history_can_be_shown(records: Sequence[Mapping[str, Any]]) -> None:
    releases = history(*records)
    assert len(history_table(releases).splitlines()) == len(releases) + 1
    assert len(json.loads(json.dumps(history_document(releases)))) == len(releases)


def test_who_ran_an_update_stands_before_who_wrote_the_commit() -> None:
    ours, others = record(serving(heart=1)), record(serving(heart=1))
    ours["environment"]["exec.agent"] = "servestack bob@desk"
    others["environment"]["exec.agent"] = "something else"
    newest, oldest = history(others, ours)
    assert (newest.ran_by, newest.author) == ("bob@desk", "Ann")
    assert oldest.ran_by is None
    told = [line.split() for line in history_table([newest, oldest]).splitlines()]
    assert [line[3] for line in told[1:]] == ["bob@desk", "Ann"]


def test_why_a_trial_ended_is_told_where_the_title_only_repeats_the_change() -> None:
    message = "heart: not served → 1\n\np95 latency 10 ms against 6 ms"
    releases = history(record(serving(heart=1), message=message))
    assert history_table(releases).splitlines()[1].endswith("p95 latency 10 ms against 6 ms")


def test_a_message_that_only_repeats_the_change_is_left_out() -> None:
    releases = history(record(serving(heart=1), message="heart: not served → 1"))
    assert history_table(releases).splitlines()[1].endswith("succeeded")


def test_the_table_tells_what_each_update_changed() -> None:
    releases = history(
        record(serving(heart=1, digits=None), message="First"),
        record(serving(heart=2, digits=4), message="Both"),
        record(serving(heart=3, digits=4), result="failed"),
        record(serving(heart=2, digits=4), kind="destroy"),
        record(serving(heart=2, digits=4)),
        record(secret=True),
    )
    cells = [line.split("  ") for line in history_table(releases).splitlines()]
    shown = [[cell.strip() for cell in line if cell.strip()] for line in cells]
    assert [line[4] for line in shown[1:]] == [
        "(encrypted)",
        "heart: not served → 2; digits: not served → 4",
        "(destroy)",
        "heart: 2 → 3",
        "heart: 1 → 2; digits: not served → 4",
        "heart: not served → 1",
    ]
    assert shown[0] == ["UPDATE", "WHEN", "WHO", "COMMIT", "MODELS", "RESULT", "MESSAGE"]
    assert shown[5][5:] == ["succeeded", "Both"]
