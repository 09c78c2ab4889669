"""Looking at trials and taking their next steps, one pass at a time.

Owns nothing between passes but the metric sources: each pass reads the stack file, the outputs and
the history anew, since anybody may have changed them. The stack is held only while it is changed.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from infra.config.model import StackConfig
from infra.releases.canary.decision import Abort, Action, Advance, Wait, decide
from infra.releases.canary.gate import Verdict, judge, waiting
from infra.releases.canary.trial import Trial, trials
from infra.releases.history import parse_history
from infra.releases.metrics.page import ServerPage
from infra.releases.metrics.source import MetricSource, MetricsUnreachableError
from infra.releases.metrics.sources import metric_source
from infra.releases.releasing import change_unattended
from infra.releases.session import Session

_SHORTEST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 15.0


@dataclass(frozen=True, kw_only=True)
class Look:
    """A trial as it was seen, and what is to be done about it."""

    trial: Trial
    verdict: Verdict
    action: Action


@dataclass
class Follower:
    """The trials of one stack, followed over time."""

    session: Session
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _sources: dict[tuple[str, int, int], MetricSource] = field(default_factory=dict)

    def look(self) -> list[Look]:
        """See where every trial stands, and what its measures say."""
        file = self.session.read()
        outputs = self.session.outputs()
        history = parse_history(self.session.engine.history())
        return [
            self._look(trial, file.config, outputs["models"].get(trial.model) or {})
            for trial in trials(file.config, history).values()
        ]

    def measure_window(self, looks: list[Look]) -> bool:
        """Wait for a window of the servers' own pages, which know no past; tell if there was one.

        For a single pass: the next `look` then has what it needs.
        """
        waits = [
            _needed_seconds(look.trial)
            for look in looks
            if look.trial.rollout.automatic and isinstance(self._source(look.trial), ServerPage)
        ]
        time.sleep(max(waits, default=0.0))
        return bool(waits)

    def act(self, look: Look) -> bool:
        """Take the step, unless the stack was changed meanwhile or is just being changed."""
        trial, action = look.trial, look.action
        match action:
            case Wait():
                return False
            case Advance():
                after, message = trial.advanced(action.share), action.reason
            case Abort():
                after, message = trial.aborted(), f"aborted: {action.reason}"
        return change_unattended(
            self.session,
            trial.model,
            trial.release,
            after,
            message,
            is_way_back=isinstance(action, Abort),
        )

    def _look(self, trial: Trial, config: StackConfig, output: Mapping[str, Any]) -> Look:
        verdict = self._verdict(trial, config, output)
        return Look(trial=trial, verdict=verdict, action=decide(trial, verdict, self.now()))

    def _verdict(self, trial: Trial, config: StackConfig, output: Mapping[str, Any]) -> Verdict:
        if trial.since is None:
            return waiting("it is not deployed")
        key = _key(trial)
        if key not in self._sources:
            began = trial.since

            def seconds() -> float:
                return max((self.now() - began).total_seconds(), 0.0)

            self._sources[key] = metric_source(trial, config, output, seconds)
        try:
            measured = self._sources[key].compare(
                canary=trial.canary.version,
                stable=trial.stable,
                window_seconds=trial.rollout.gate.window_seconds,
            )
        except MetricsUnreachableError as error:
            return waiting(str(error))
        return judge(measured, trial.rollout.gate, needed_seconds=_needed_seconds(trial))

    def _source(self, trial: Trial) -> MetricSource | None:
        return self._sources.get(_key(trial))


def pause_seconds(looks: list[Look]) -> float:
    """Give how long to wait before the next look."""
    waits = [
        min(
            look.trial.rollout.gate.window_seconds / 10,
            look.action.seconds
            if isinstance(look.action, Wait) and look.action.seconds is not None
            else _LONGEST_PAUSE_SECONDS,
        )
        for look in looks
    ]
    return min(max(min(waits, default=0.0), _SHORTEST_PAUSE_SECONDS), _LONGEST_PAUSE_SECONDS)


def _needed_seconds(trial: Trial) -> float:
    # A pause shorter than the window can never fill it.
    return float(min(trial.rollout.gate.window_seconds, trial.rollout.pause_seconds))


def _key(trial: Trial) -> tuple[str, int, int]:
    return trial.model, trial.stable, trial.canary.version
