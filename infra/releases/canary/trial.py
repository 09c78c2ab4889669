"""Where each trial stands: read from configuration and history, stored nowhere. Pure.

So a trial survives the terminal that began it, and any machine can go on with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from infra.config.model import StackConfig
from infra.config.sections.rollout import RolloutConfig
from infra.releases.history import Release, deployed_since
from infra.releases.model_release import Canary, ModelRelease, ended, release_of


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A version on trial. `since` is when its present share was deployed; None: it was not yet."""

    model: str
    release: ModelRelease
    stable: int
    canary: Canary
    rollout: RolloutConfig
    since: datetime | None

    @property
    def next_share(self) -> int | None:
        """Give the share of the next step; None where the next step is everybody."""
        return next((share for share in self.rollout.steps if share > self.canary.share), None)

    @property
    def step(self) -> str:
        """Say which step this is, as far as the share is one of them."""
        shares = [*self.rollout.steps, 100]
        if self.canary.share not in shares:
            return f"{self.canary.share} %"
        return f"{self.canary.share} % ({shares.index(self.canary.share) + 1} of {len(shares)})"

    def elapsed(self, now: datetime) -> timedelta:
        """Give how long the step has lasted; a clock that went back makes it begin anew."""
        if self.since is None:
            return timedelta()
        return max(now - self.since, timedelta())

    def advanced(self, share: int) -> ModelRelease:
        """Give the release with another share; from 100 on the canary is the stable version."""
        if share >= 100:  # noqa: PLR2004 - everybody
            return ended(self.release, survivor=self.canary.version)
        return replace(self.release, canary=replace(self.canary, share=share))

    def aborted(self) -> ModelRelease:
        """Give the release without the canary."""
        return ended(self.release, survivor=self.stable)


def trials(config: StackConfig, history: Sequence[Release]) -> Mapping[str, Trial]:
    """Find the models that are on trial, by name."""
    found = {}
    for name, model in config.models.items():
        release = release_of(model)
        if release.canary is None or not isinstance(release.version, int):
            continue
        deployed = deployed_since(name, release, history)
        found[name] = Trial(
            model=name,
            release=release,
            stable=release.version,
            canary=release.canary,
            rollout=config.rollout_of(name),
            since=(deployed.ended or deployed.started) if deployed else None,
        )
    return found
