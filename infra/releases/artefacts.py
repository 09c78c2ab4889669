"""Whether the versions that a release names stand in the bucket, unaltered, and suit clients.

Owns no store: a bucket of any kind is read through `infra.storage.published`.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from infra.errors import ServestackError
from infra.releases.model_release import ModelRelease
from infra.storage.published import PublishedModels
from model_export.compatibility import Change, Interface, compare
from model_export.manifest import Manifest

Manifests = Mapping[tuple[str, int], Manifest]

# Each version costs a few requests to an object store, and none of them waits for another.
_READERS: Final = 8


class MissingArtefactsError(ServestackError):
    """A release names versions that are not there, or not as they were published."""


def require_artefacts(
    bucket: PublishedModels, releases: Mapping[str, ModelRelease], also: Sequence[str] = ()
) -> Manifests:
    """Read and check every version that the releases name.

    All that is wrong is told at once, together with what was found wrong before.
    """
    wanted = [
        (model, version)
        for model, release in releases.items()
        for version in release.pinned_versions
    ]

    def check(at: tuple[str, int]) -> Manifest | ServestackError:
        try:
            return bucket.verified(*at)
        except ServestackError as error:
            return error

    with ThreadPoolExecutor(_READERS) as readers:
        found = dict(zip(wanted, readers.map(check, wanted), strict=True))
    problems = [*also, *(str(one) for one in found.values() if isinstance(one, ServestackError))]
    if problems:
        raise MissingArtefactsError("\n".join(problems))
    return {at: one for at, one in found.items() if isinstance(one, Manifest)}


def breaking_changes(
    bucket: PublishedModels,
    before: Mapping[str, ModelRelease],
    after: Mapping[str, ModelRelease],
    manifests: Manifests,
) -> list[str]:
    """Say for each model what of its new versions can break a client of the version that serves."""
    return [
        line
        for model, release in after.items()
        if isinstance(old := before[model].version, int)
        for new in _new_versions(release, old)
        if (older := _readable(bucket, model, old)) is not None
        for line in _broken(older, manifests[model, new])
    ]


def interface_changes(old: Manifest, new: Manifest) -> tuple[Change, ...]:
    """Compare what clients see of two versions; a manifest tells no optional inputs."""
    return compare(Interface(signatures=old.signatures), Interface(signatures=new.signatures))


def change_text(change: Change) -> str:
    """Write one difference in a line."""
    where = "" if change.subject == "signature" else f" {change.subject} {change.name!r}"
    return f"{change.signature}{where}: {change.text}"


def _new_versions(release: ModelRelease, old: int) -> Iterator[int]:
    canary = release.canary.version if release.canary else None
    for version in dict.fromkeys([release.version, canary]):
        if isinstance(version, int) and version != old:
            yield version


def _readable(bucket: PublishedModels, model: str, version: int) -> Manifest | None:
    try:
        return bucket.manifest(model, version)
    except ServestackError:
        # What serves may have been deleted from the bucket: that is no reason to keep it serving.
        return None


def _broken(old: Manifest, new: Manifest) -> Iterator[str]:
    for change in interface_changes(old, new):
        if change.breaks:
            clients = " and ".join(change.breaks)
            yield (
                f"{new.model} {old.version} → {new.version} breaks {clients} clients: "
                f"{change_text(change)}"
            )
