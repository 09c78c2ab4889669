"""Which versions stay and which go, and taking them away.

Deciding is pure; the stores carry it out. What is served, or may be rolled back to, only the caller
knows: without being told, nothing is removed.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from model_export.errors import RefusedError
from model_export.keeping import Leftover
from model_export.layout import version_path
from model_export.store import Store

# Longer than any upload that is still alive.
GRACE: Final = timedelta(hours=24)


@dataclass(frozen=True, kw_only=True)
class Cleaning:
    """What gc removes, and what stays."""

    kept: tuple[int, ...]
    removed: tuple[int, ...]
    leftovers: tuple[Leftover, ...]


def plan_gc(
    store: Store,
    model: str,
    *,
    keep: int,
    in_use: Collection[int],
    grace: timedelta = GRACE,
    now: datetime | None = None,
) -> Cleaning:
    """Choose all but the newest `keep` versions and those in use, and what lies there dead."""
    if keep < 1:
        raise RefusedError("Keep at least one version; `model-export delete` removes single ones.")
    keeping = store.keeping(model)
    versions = store.versions(model)
    deleted = keeping.deleted()
    leftovers = keeping.leftovers()
    if not (versions or deleted or leftovers):
        raise RefusedError(f"{store.url} never had a version of model '{model}'.")
    unknown = sorted(set(in_use) - set(versions) - set(deleted))
    if unknown:
        named = " and ".join(map(str, unknown))
        raise RefusedError(
            f"{store.url} never had version{'s' if unknown[1:] else ''} {named} of '{model}' "
            f"(published: {', '.join(map(str, versions)) or 'none'}), so what is in use is not "
            "known for certain. Nothing was removed."
        )
    kept = chosen(versions, keep=keep, in_use=in_use)
    before = (now or datetime.now(UTC)) - grace
    return Cleaning(
        kept=kept,
        removed=tuple(version for version in versions if version not in kept),
        leftovers=tuple(
            leftover
            for leftover in leftovers
            if not leftover.is_alive and leftover.last_change < before
        ),
    )


def chosen(versions: Collection[int], *, keep: int, in_use: Collection[int]) -> tuple[int, ...]:
    """Choose what stays, ascending."""
    newest = sorted(versions)[-keep:]
    return tuple(sorted(set(versions) & {*newest, *in_use}))


def carry_out(
    store: Store, model: str, cleaning: Cleaning, *, done: Callable[[str], None] = lambda _: None
) -> Cleaning:
    """Remove what was planned and say what was; `done` is told of each."""
    keeping = store.keeping(model)
    for version in cleaning.removed:
        keeping.remove(version)
        done(f"{version_path(model, version)}")
    cleared = []
    for leftover in cleaning.leftovers:
        if keeping.clear(leftover):
            cleared.append(leftover)
            done(f"{model}/{leftover.name} (unfinished)")
    return Cleaning(kept=cleaning.kept, removed=cleaning.removed, leftovers=tuple(cleared))


def delete(store: Store, model: str, version: int, *, in_use: Collection[int] = ()) -> None:
    """Remove one version that is not in use."""
    if version in in_use:
        raise RefusedError(
            f"Version {version} of '{model}' is in use; nothing was removed. Release another one "
            "first."
        )
    if version not in store.versions(model):
        # Says which versions there are.
        store.manifest(model, version)
    store.keeping(model).remove(version)
