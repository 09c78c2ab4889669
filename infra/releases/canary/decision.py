"""What comes next in an automatic trial. Pure: state, verdict and time in, one action out."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from infra.releases.canary.gate import Outcome, Verdict
from infra.releases.canary.trial import Trial


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Nothing yet; look again after some seconds at the latest."""

    reason: str
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Advance:
    """Give the canary a larger share; 100 makes it the stable version."""

    share: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Abort:
    """End the trial; the stable version serves everybody."""

    reason: str


Action = Wait | Advance | Abort


def decide(trial: Trial, verdict: Verdict, now: datetime) -> Action:
    """Abort at once on what is bad; go on only after the pause, and on what is good."""
    if trial.since is None:
        return Wait(reason="its present share is not deployed: bring the stack up first")
    if verdict.outcome is Outcome.BAD:
        return Abort(reason="; ".join(verdict.reasons))
    pause = timedelta(seconds=trial.rollout.pause_seconds)
    left = pause - trial.elapsed(now)
    if left > timedelta():
        seconds = left.total_seconds()
        return Wait(reason=f"{math.ceil(seconds)} s of its pause are left", seconds=seconds)
    if verdict.outcome is Outcome.WAIT:
        return Wait(reason="; ".join(verdict.reasons))
    return Advance(share=trial.next_share or 100, reason="; ".join(verdict.reasons))
