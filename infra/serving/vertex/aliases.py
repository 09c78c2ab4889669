"""Which aliases a registry model gets, and the steps that move them. Pure.

An alias is on one version at a time: giving it to another takes it from the first. `default` is
never without a version, so it is only ever given, not taken away.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

DEFAULT: Final = "default"
STABLE: Final = "stable"
CANARY: Final = "canary"


@dataclass(frozen=True, kw_only=True)
class AliasStep:
    """One call: aliases that a version of the registry gets, and those that it loses."""

    version_id: str
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """Say it as the API wants it: a hyphen before what goes."""
        return (*self.add, *(f"-{alias}" for alias in self.remove))


def wanted_aliases(
    *, stable: int | None, canary: int | None, labels: Mapping[str, int], versions: tuple[int, ...]
) -> Mapping[str, int]:
    """Give each alias its published version: one for each number, and those with a meaning."""
    meaning = {f"v{version}": version for version in versions}
    if stable is not None:
        meaning |= {DEFAULT: stable, STABLE: stable}
    if canary is not None:
        meaning[CANARY] = canary
    return {**meaning, **labels}


def alias_steps(
    held: Mapping[str, str], wanted: Mapping[str, str], dropped: frozenset[str] = frozenset()
) -> tuple[AliasStep, ...]:
    """Come from the aliases held to those wanted, each by the registry's version id.

    Of the others only those `dropped` go: whoever else named a version keeps the name.
    """
    add: dict[str, list[str]] = {}
    for alias, version_id in sorted(wanted.items()):
        if held.get(alias) != version_id:
            add.setdefault(version_id, []).append(alias)
    remove: dict[str, list[str]] = {}
    for alias in sorted(dropped - wanted.keys() - {DEFAULT}):
        if alias in held:
            remove.setdefault(held[alias], []).append(alias)
    # Given first: what a reader asks for by name is never without a version.
    return tuple(
        AliasStep(version_id=version_id, add=tuple(add[version_id])) for version_id in sorted(add)
    ) + tuple(
        AliasStep(version_id=version_id, remove=tuple(remove[version_id]))
        for version_id in sorted(remove)
    )
