from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from infra.serving.settings import ServingSettings
from infra.serving.transitions import plan


def settings(versions: tuple[int, ...], labels: dict[str, int] | None = None) -> ServingSettings:
    return ServingSettings(
        model="heart",
        base_path="",
        versions=versions,
        rest_port=0,
        grpc_port=0,
        labels=labels or {},
    )


def test_a_plain_change_of_version_is_one_step() -> None:
    assert plan(settings((1,)), settings((2,))) == [settings((2,))]


def test_a_label_moves_only_after_its_new_version_is_loaded_and_before_the_old_one_goes() -> None:
    steps = plan(settings((1,), {"stable": 1}), settings((2,), {"stable": 2}))
    assert steps == [
        settings((1, 2), {"stable": 1}),
        settings((1, 2), {"stable": 2}),
        settings((2,), {"stable": 2}),
    ]


def test_a_first_start_loads_before_it_labels() -> None:
    assert plan(None, settings((1,), {"stable": 1})) == [
        settings((1,)),
        settings((1,), {"stable": 1}),
    ]


def test_nothing_to_change_still_says_what_shall_be() -> None:
    same = settings((1,), {"stable": 1})
    assert plan(same, same) == [same]


@st.composite
def served(draw: st.DrawFn) -> ServingSettings:
    versions = tuple(sorted(draw(st.sets(st.integers(1, 5), min_size=1, max_size=2))))
    labels = draw(st.dictionaries(st.sampled_from(["stable", "canary"]), st.sampled_from(versions)))
    return settings(versions, labels)


@given(old=st.none() | served(), new=served())
def test_no_step_labels_a_version_that_the_step_before_has_not_loaded(
    old: ServingSettings | None, new: ServingSettings
) -> None:
    loaded = set(old.versions) if old else set()
    labels = dict(old.labels) if old else {}
    steps = plan(old, new)
    for step in steps:
        moved = {label for label, version in step.labels.items() if labels.get(label) != version}
        assert {step.labels[label] for label in moved} <= loaded
        assert set(step.labels.values()) <= set(step.versions)
        loaded, labels = set(step.versions), dict(step.labels)
    assert steps[-1] == new


@given(old=served(), new=served())
def test_between_old_and_new_there_is_always_one_that_was_loaded_before(
    old: ServingSettings, new: ServingSettings
) -> None:
    before = old
    for step in plan(old, new)[:-1]:
        assert set(before.versions) & set(step.versions)
        before = step


def test_traffic_shares_wait_for_their_versions_when_labels_move_too() -> None:
    new = replace(settings((1, 2), {"stable": 2}), traffic={1: 90, 2: 10})
    first, *_, last = plan(settings((1,), {"stable": 1}), new)
    assert first.traffic == {}
    assert last == new
