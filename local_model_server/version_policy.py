"""Which versions a model should have, by directory and policy; pure but for the listing."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from local_model_server.domain import AllVersions, LatestVersions, VersionPolicy

_MAX_VERSION: Final = 2**63 - 1


def versions_in(base_path: str) -> dict[int, str]:
    """List a base path's version directories; OSError where there is none.

    As in TF Serving every directory whose name is a whole number is a version, zeros in front
    included, and all else is skipped in silence.
    """
    found: dict[int, str] = {}
    for entry in sorted(Path(base_path).iterdir(), key=lambda path: len(path.name), reverse=True):
        name = entry.name
        if name.isascii() and name.isdigit() and int(name) <= _MAX_VERSION and entry.is_dir():
            found[int(name)] = str(entry)
    return found


def aspired(policy: VersionPolicy, found: Iterable[int]) -> set[int]:
    """Pick the versions that should be served."""
    if isinstance(policy, LatestVersions):
        return set(sorted(found, reverse=True)[: policy.count])
    if isinstance(policy, AllVersions):
        return set(found)
    return set(policy.versions) & set(found)


class TrafficSplit:
    """Deals requests out by weight, evenly: of every hundred exactly as many as the file says."""

    def __init__(self, weights: Mapping[int, int]) -> None:
        self.weights = weights
        self._credits = dict.fromkeys(weights, 0)

    def choose(self, available: Iterable[int]) -> int | None:
        """Pick one of the available versions; None where none of them is named."""
        named = [version for version in available if self.weights.get(version, 0) > 0]
        if not named:
            return None
        for version in named:
            self._credits[version] += self.weights[version]
        chosen = max(named, key=self._credits.__getitem__)
        self._credits[chosen] -= sum(self.weights[version] for version in named)
        return chosen
