"""What a canary must show beside the stable version. Pure: measures in, a verdict out.

Three verdicts: too few samples, or none, mean *wait*, never *good*.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from infra.config.sections.rollout import GateConfig


class Outcome(StrEnum):
    """What the measures say of a canary."""

    GOOD = "good"
    WAIT = "wait"
    BAD = "bad"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One version over a window; None is what could not be measured."""

    requests: float
    errors: float
    latency_ms: float | None = None
    custom: float | None = None

    @property
    def error_percent(self) -> float:
        """Give the part of the requests that failed."""
        return 100 * min(self.errors, self.requests) / self.requests if self.requests else 0.0


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Both versions, over the same window; it may cover less than was asked for."""

    canary: Measured
    stable: Measured
    covered_seconds: float


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """An outcome and what led to it."""

    outcome: Outcome
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.outcome}: {'; '.join(self.reasons)}"


def waiting(reason: str) -> Verdict:
    """Give the verdict where nothing can be measured."""
    return Verdict(outcome=Outcome.WAIT, reasons=(reason,))


def judge(measured: Comparison, gate: GateConfig, *, needed_seconds: float) -> Verdict:
    """Compare canary and stable; a failure counts as soon as there are enough samples for it."""
    scarce = tuple(_scarce(measured, gate))
    if scarce:
        return Verdict(outcome=Outcome.WAIT, reasons=scarce)
    findings = [*_errors(measured, gate), *_latency(measured, gate), *_custom(measured, gate)]
    for outcome in (Outcome.BAD, Outcome.WAIT):
        reasons = tuple(text for found, text in findings if found is outcome)
        if reasons:
            return Verdict(outcome=outcome, reasons=reasons)
    if measured.covered_seconds < needed_seconds:
        return waiting(f"measured over {measured.covered_seconds:.0f} of {needed_seconds:.0f} s")
    return Verdict(outcome=Outcome.GOOD, reasons=tuple(text for _, text in findings))


def _scarce(measured: Comparison, gate: GateConfig) -> Iterator[str]:
    for name, version in (("canary", measured.canary), ("stable", measured.stable)):
        # Written so that a NaN is scarce, too.
        if not version.requests >= gate.min_requests:
            yield f"the {name} had {version.requests:.0f} of {gate.min_requests} requests"


_Finding = tuple[Outcome, str]


def _errors(measured: Comparison, gate: GateConfig) -> Iterator[_Finding]:
    canary, stable = measured.canary.error_percent, measured.stable.error_percent
    text = f"errors {canary:.2f} % against {stable:.2f} %"
    if math.isnan(canary) or math.isnan(stable):
        yield Outcome.WAIT, "errors were not measured"
    elif canary - stable > gate.max_error_points:
        yield Outcome.BAD, f"{text}, more than {gate.max_error_points:g} points above"
    else:
        yield Outcome.GOOD, text


def _latency(measured: Comparison, gate: GateConfig) -> Iterator[_Finding]:
    name = f"p{gate.latency_percentile} latency"
    canary, stable = measured.canary.latency_ms, measured.stable.latency_ms
    if canary is None or stable is None or math.isnan(canary) or math.isnan(stable):
        yield Outcome.WAIT, f"{name} was not measured"
        return
    text = f"{name} {canary:.3g} ms against {stable:.3g} ms"
    if canary > gate.max_latency_ratio * stable:
        yield Outcome.BAD, f"{text}, more than {gate.max_latency_ratio:g} times"
    else:
        yield Outcome.GOOD, text


def _custom(measured: Comparison, gate: GateConfig) -> Iterator[_Finding]:
    rule = gate.custom
    if rule is None:
        return
    canary, stable = measured.canary.custom, measured.stable.custom
    if canary is None or stable is None or math.isnan(canary) or math.isnan(stable):
        yield Outcome.WAIT, "the custom query gave no number"
        return
    text = f"custom {canary:.4g} against {stable:.4g}"
    if rule.max_ratio is not None and canary > rule.max_ratio * stable:
        yield Outcome.BAD, f"{text}, more than {rule.max_ratio:g} times"
    elif rule.min_ratio is not None and canary < rule.min_ratio * stable:
        yield Outcome.BAD, f"{text}, less than {rule.min_ratio:g} times"
    else:
        yield Outcome.GOOD, text
