"""Reading what is published in a bucket of any kind, by its URL: which versions, and whether whole.

Knows no Pulumi. A cloud's client is imported by `model_export.store` when its kind of bucket is
asked for, and found by that cloud's own default credentials.
"""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Lock
from urllib.parse import unquote, urlsplit

from infra.errors import ServestackError
from infra.storage import directory
from model_export.archive.record import ArchiveRecord
from model_export.errors import ModelExportError, RefusedError
from model_export.manifest import Manifest
from model_export.store import Store, open_store
from model_export.verification import verify


@dataclass(frozen=True)
class PublishedModels:
    """A bucket, opened when it is first asked, and kept open for what is asked next.

    Many may ask at once: a client of their own would cost each of them more than the answer.
    """

    url: str
    _opening: Lock = field(default_factory=Lock, init=False, repr=False, compare=False)

    @cached_property
    def _opened(self) -> Store:
        return open_store(self.url)

    @property
    def _store(self) -> Store:
        with self._opening:
            return self._opened

    def versions(self, model: str) -> tuple[int, ...]:
        """List a model's versions, ascending."""
        try:
            return self._store.versions(model)
        except ModelExportError as error:
            raise ServestackError(str(error)) from error

    def newest(self, model: str) -> int | None:
        """Give the highest version of a model."""
        return max(self.versions(model), default=None)

    def manifest(self, model: str, version: int) -> Manifest:
        """Read a version's manifest; of a directory, its files are seen to stand as well."""
        path = directory_of(self.url)
        if path is not None:
            try:
                return directory.read_manifest(path, model, version)
            except directory.NotPublishedError as error:
                raise self._was_deleted(str(path), model, version) or error from None
        try:
            return self._store.manifest(model, version)
        except RefusedError as error:
            # Whatever else is refused, as the bucket itself, is refused here as well.
            known = self.versions(model)
            if version in known:
                raise ServestackError(str(error)) from error
            missing = directory.not_published(self.url, model, version, known)
            raise self._was_deleted(self.url, model, version) or missing from None
        except ModelExportError as error:
            raise ServestackError(str(error)) from error

    def _was_deleted(self, place: str, model: str, version: int) -> ServestackError | None:
        try:
            if version not in self._store.keeping(model).deleted():
                return None
            known = self._store.versions(model)
        except ModelExportError:
            # That the version is not there is known already, and the better answer.
            return None
        return directory.not_published(place, model, version, known, deleted=True)

    def verified(self, model: str, version: int) -> Manifest:
        """Read a version's manifest, and compare every file with its digest.

        A store that keeps a SHA-256 beside each file is asked for it; elsewhere all bytes are read.
        """
        manifest = self.manifest(model, version)
        try:
            faults = verify(self._store, model, version).faults
        except ModelExportError as error:
            raise ServestackError(str(error)) from error
        if faults:
            raise ServestackError(
                f"version {version} of {model} was altered since it was published in {self.url}: "
                f"{'; '.join(faults)}. Publish the model again as a new version."
            )
        return manifest

    def archive(self, model: str, version: int) -> ArchiveRecord:
        """Read what is known of a version's archive; one that has none is refused."""
        try:
            record = self._store.archives(model).record(version)
        except ModelExportError as error:
            raise ServestackError(str(error)) from error
        if record is None:
            raise ServestackError(
                f"version {version} of {model} has no archive in {self.url}, and SageMaker takes "
                f"nothing else. Make it: model-export archive --model {model} --version {version} "
                f"--store {self.url}"
            )
        return record


def directory_of(bucket_url: str) -> Path | None:
    """Give the directory of a `file://` bucket, and nothing for any other."""
    parts = urlsplit(bucket_url)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None
