"""What can be done to a model's versions after they were published: look closely, take away.

Owns the protocol. A number is never given twice: of a version that was removed its manifest stays,
under a name that no server and no listing looks at.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

# Below the model: `<model>/.deleted/<version>.json`.
DELETED: Final = ".deleted"


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """A file as the store has it; `sha256` where the store keeps one beside it."""

    path: str
    size_bytes: int
    sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """What lies at a model's and is no version; `is_alive` while a publisher works on it."""

    name: str
    last_change: datetime
    is_alive: bool


class Keeping(Protocol):
    """One model's versions in a store."""

    def files(self, version: int) -> tuple[StoredFile, ...]:
        """List what lies under a version, its manifest left out."""

    def deleted(self) -> tuple[int, ...]:
        """List the versions that were there once, ascending."""

    def remove(self, version: int) -> None:
        """Make a version invisible in one step, then take all of it away."""

    def leftovers(self) -> tuple[Leftover, ...]:
        """Find what publishers, and removals, left behind."""

    def clear(self, leftover: Leftover) -> bool:
        """Take a leftover away; False if somebody has taken it up meanwhile."""


def deleted_name(version: int) -> str:
    """Name what stays of a version."""
    return f"{version}.json"
