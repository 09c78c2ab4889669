"""The gate: what canary and stable show side by side, and what follows from it."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.config.sections.rollout import CustomGateConfig, GateConfig, RolloutConfig
from infra.releases.canary.decision import Abort, Advance, Wait, decide
from infra.releases.canary.gate import Comparison, Measured, Outcome, Verdict, judge, waiting
from infra.releases.canary.trial import Trial
from infra.releases.model_release import Canary, ModelRelease

GATE = GateConfig(min_requests=100, max_error_points=1.0, max_latency_ratio=1.5)
WELL = Measured(requests=1_000, errors=5, latency_ms=10.0)
BEGAN = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)


def verdict(
    canary: Measured, stable: Measured = WELL, gate: GateConfig = GATE, covered: float = 300
) -> Verdict:
    measured = Comparison(canary=canary, stable=stable, covered_seconds=covered)
    return judge(measured, gate, needed_seconds=300)


@pytest.mark.parametrize(
    ("canary", "outcome", "said"),
    [
        (WELL, Outcome.GOOD, "errors 0.50 % against 0.50 %"),
        (replace(WELL, errors=15), Outcome.GOOD, "errors 1.50 %"),
        (replace(WELL, errors=16), Outcome.BAD, "more than 1 points above"),
        (replace(WELL, latency_ms=15.0), Outcome.GOOD, "15 ms against 10 ms"),
        (replace(WELL, latency_ms=15.1), Outcome.BAD, "more than 1.5 times"),
        (replace(WELL, latency_ms=None), Outcome.WAIT, "latency was not measured"),
        (replace(WELL, latency_ms=math.nan), Outcome.WAIT, "latency was not measured"),
        (replace(WELL, requests=99), Outcome.WAIT, "the canary had 99 of 100 requests"),
        (replace(WELL, requests=0, errors=0), Outcome.WAIT, "the canary had 0 of 100"),
        (replace(WELL, requests=math.nan), Outcome.WAIT, "the canary had nan"),
        (replace(WELL, errors=math.nan), Outcome.WAIT, "errors were not measured"),
        (replace(WELL, errors=900, latency_ms=None), Outcome.BAD, "errors 90.00 %"),
    ],
    ids=str,
)
def test_a_canary_is_judged_beside_the_stable_version(
    canary: Measured, outcome: Outcome, said: str
) -> None:
    found = verdict(canary)
    assert found.outcome is outcome
    assert said in str(found)


def test_a_stable_version_without_requests_says_nothing_about_a_canary() -> None:
    found = verdict(WELL, replace(WELL, requests=3))
    assert str(found) == "wait: the stable had 3 of 100 requests"


def test_what_is_bad_is_bad_before_the_window_is_full_and_good_only_after() -> None:
    assert verdict(replace(WELL, errors=500), covered=10).outcome is Outcome.BAD
    assert str(verdict(WELL, covered=299)) == "wait: measured over 299 of 300 s"


@pytest.mark.parametrize(
    ("rule", "canary", "outcome"),
    [
        ({"max_ratio": 1.1}, 1.1, Outcome.GOOD),
        ({"max_ratio": 1.1}, 1.2, Outcome.BAD),
        ({"min_ratio": 0.9}, 0.9, Outcome.GOOD),
        ({"min_ratio": 0.9}, 0.8, Outcome.BAD),
        ({"min_ratio": 0.9, "max_ratio": 1.1}, 1.0, Outcome.GOOD),
        ({"max_ratio": 1.1}, None, Outcome.WAIT),
        ({"max_ratio": 1.1}, math.nan, Outcome.WAIT),
    ],
    ids=str,
)
def test_a_measure_of_ones_own_is_compared_too(
    rule: dict[str, float], canary: float | None, outcome: Outcome
) -> None:
    gate = GATE.model_copy(update={"custom": CustomGateConfig(query="score_$version", **rule)})
    found = verdict(replace(WELL, custom=canary), replace(WELL, custom=1.0), gate)
    assert found.outcome is outcome


MEASURED = st.builds(
    Measured,
    requests=st.floats(0, 1e6) | st.just(math.nan),
    errors=st.floats(0, 1e6) | st.just(math.nan),
    latency_ms=st.none() | st.floats(0, 1e6) | st.just(math.nan),
)


@given(canary=MEASURED, stable=MEASURED, covered=st.floats(0, 600))
def test_nothing_passes_with_too_few_samples_or_without_a_measure(
    canary: Measured, stable: Measured, covered: float
) -> None:
    if verdict(canary, stable, covered=covered).outcome is Outcome.GOOD:
        assert min(canary.requests, stable.requests) >= GATE.min_requests
        assert covered >= 300
        assert canary.latency_ms is not None
        assert stable.latency_ms is not None
        assert canary.latency_ms <= 1.5 * stable.latency_ms
        assert canary.error_percent - stable.error_percent <= 1.0


TRIAL = Trial(
    model="heart",
    release=ModelRelease(version=1, canary=Canary(version=2, share=10)),
    stable=1,
    canary=Canary(version=2, share=10),
    rollout=RolloutConfig(steps=(10, 50), pause_seconds=600),
    since=BEGAN,
)
GOOD = Verdict(outcome=Outcome.GOOD, reasons=("fine",))
BAD = Verdict(outcome=Outcome.BAD, reasons=("slow", "wrong"))
LATER = BEGAN + timedelta(seconds=600)


def test_a_good_canary_goes_on_after_its_pause_and_not_before() -> None:
    assert decide(TRIAL, GOOD, LATER) == Advance(share=50, reason="fine")
    early = decide(TRIAL, GOOD, LATER - timedelta(seconds=1))
    assert early == Wait(reason="1 s of its pause are left", seconds=1.0)


def test_after_the_last_step_it_serves_everybody() -> None:
    last = replace(TRIAL, canary=Canary(version=2, share=50))
    assert decide(last, GOOD, LATER) == Advance(share=100, reason="fine")


def test_a_bad_canary_is_aborted_at_once() -> None:
    assert decide(TRIAL, BAD, BEGAN) == Abort(reason="slow; wrong")


def test_too_few_samples_wait_however_long_it_takes() -> None:
    years = LATER + timedelta(days=1_000)
    assert decide(TRIAL, waiting("2 of 100 requests"), years) == Wait(reason="2 of 100 requests")


def test_what_is_not_deployed_is_not_judged() -> None:
    written = replace(TRIAL, since=None)
    for found in (GOOD, BAD):
        assert isinstance(decide(written, found, LATER), Wait)
