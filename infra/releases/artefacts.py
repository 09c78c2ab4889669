"""Whether the versions that a release names stand in the bucket, whole and unaltered.

So far the bucket is a directory; another kind is refused by name, not taken on trust.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from infra.errors import ServestackError
from infra.releases.model_release import ModelRelease
from infra.storage.directory import published_versions, read_manifest
from model_export.layout import version_path
from model_export.manifest import Manifest

Manifests = Mapping[tuple[str, int], Manifest]


class MissingArtefactsError(ServestackError):
    """A release names versions that are not there, or not as they were published."""


def bucket_directory(url: str) -> Path:
    """Give the directory of a `file://` bucket."""
    parts = urlsplit(url)
    if parts.scheme != "file":
        raise MissingArtefactsError(f"The bucket {url} cannot be read here: only file:// can, yet.")
    return Path(unquote(parts.path))


def require_artefacts(
    bucket: Path, releases: Mapping[str, ModelRelease], also: Sequence[str] = ()
) -> Manifests:
    """Read and check every version that the releases name.

    All that is wrong is told at once, together with what was found wrong before.
    """
    manifests = {}
    problems = [*also]
    for model, release in releases.items():
        for version in release.pinned_versions:
            try:
                manifest = read_manifest(bucket, model, version)
                _require_digests(bucket, manifest)
            except ServestackError as error:
                problems.append(str(error))
            else:
                manifests[model, version] = manifest
    if problems:
        raise MissingArtefactsError("\n".join(problems))
    return manifests


def newest_version(bucket: Path, model: str) -> int | None:
    """Give the highest published version of a model."""
    return max(published_versions(bucket, model), default=None)


def _require_digests(bucket: Path, manifest: Manifest) -> None:
    for entry in manifest.files:
        path = bucket / version_path(manifest.model, manifest.version) / entry.path
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != entry.sha256:
            raise MissingArtefactsError(
                f"version {manifest.version} of {manifest.model} was altered since it was "
                f"published: {path} does not match its digest. "
                "Publish the model again as a new version."
            )
