"""How many pods give a canary its share, where nothing but their number does. Pure.

A Service spreads connections over all ready pods alike, so a share is a fraction of pods. Stable
keeps its pods: a canary comes on top, and is never the reason for fewer.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ReplicaShare:
    """The pods of both versions, and what of the traffic the canary gets by them."""

    stable: int
    canary: int
    wanted_percent: int

    @property
    def percent(self) -> float:
        """Give the share that comes out."""
        return round(100 * self.canary / (self.stable + self.canary), 1)

    @property
    def is_near(self) -> bool:
        """Tell whether it is what was asked for, within a twentieth of all traffic."""
        return abs(self.percent - self.wanted_percent) <= 5  # noqa: PLR2004 - said in the sentence


def replica_share(*, stable: int, share_percent: int) -> ReplicaShare:
    """Give the number of canary pods that comes nearest to the share."""
    exact = stable * share_percent / (100 - share_percent)
    # Nearest is judged by the share that comes out, not by the number of pods.
    candidates = {max(1, math.floor(exact)), max(1, math.ceil(exact))}
    canary = min(
        sorted(candidates),
        key=lambda pods: abs(100 * pods / (stable + pods) - share_percent),
    )
    return ReplicaShare(stable=stable, canary=canary, wanted_percent=share_percent)


def stable_pods_for(share_percent: int) -> int:
    """Give the least number of stable pods beside which a canary can have its share."""
    pods = 1
    while not replica_share(stable=pods, share_percent=share_percent).is_near:
        pods += 1
    return pods
