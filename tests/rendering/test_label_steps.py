"""The planner of label moves against a server that is as strict as TF Serving."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.serving.labels import LabelledVersions, label_steps


class StrictServer:
    """Takes a configuration only if every label names what was loaded before; then loads, drops."""

    def __init__(self, serves: LabelledVersions) -> None:
        self.serves = serves

    def apply(self, wanted: LabelledVersions) -> None:
        for label, version in wanted.labels.items():
            assert version in self.serves.versions, f"{label} names {version}, which is not loaded"
        self.serves = wanted


@st.composite
def labelled(draw: st.DrawFn) -> LabelledVersions:
    versions = draw(st.frozensets(st.integers(1, 6), min_size=1, max_size=3))
    names = st.sampled_from(["stable", "canary", "previous"])
    labels = draw(st.dictionaries(names, st.sampled_from(sorted(versions))))
    return LabelledVersions(versions=versions, labels=labels)


@given(now=labelled(), wanted=labelled())
def test_a_strict_server_takes_every_step_and_ends_with_what_is_wanted(
    now: LabelledVersions, wanted: LabelledVersions
) -> None:
    server = StrictServer(now)
    for step in label_steps(now, wanted):
        server.apply(step)
    assert server.serves == wanted


@given(now=labelled(), wanted=labelled())
def test_a_label_that_stays_is_never_away_and_names_the_old_version_or_the_new(
    now: LabelledVersions, wanted: LabelledVersions
) -> None:
    for step in label_steps(now, wanted):
        for label in now.labels.keys() & wanted.labels.keys():
            assert step.labels[label] in {now.labels[label], wanted.labels[label]}


@given(now=labelled(), wanted=labelled())
def test_no_step_repeats_the_one_before(now: LabelledVersions, wanted: LabelledVersions) -> None:
    steps = label_steps(now, wanted)
    if now != wanted:
        for before, after in zip((now, *steps), steps, strict=False):
            assert before != after


@given(now=labelled(), wanted=labelled())
def test_a_planner_killed_after_any_step_gets_there_from_where_it_stopped(
    now: LabelledVersions, wanted: LabelledVersions
) -> None:
    for stopped in label_steps(now, wanted):
        server = StrictServer(stopped)
        for step in label_steps(stopped, wanted):
            server.apply(step)
        assert server.serves == wanted


def test_one_file_for_a_new_version_and_its_label_is_what_the_strict_server_refuses() -> None:
    server = StrictServer(LabelledVersions(versions=frozenset({42}), labels={"stable": 42}))
    with pytest.raises(AssertionError, match="stable names 43"):
        server.apply(LabelledVersions(versions=frozenset({43}), labels={"stable": 43}))
