"""A store in an object store: what is in it, and a version on its way into it.

Owns the door that every store has; `bucket` has the verbs, `object_numbers` decides who gets which
number, `object_upload` sends. The rules and their reasons: docs/adr/0006.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from model_export.archive.archives import ObjectArchives
from model_export.bucket import Bucket, ObjectMissingError
from model_export.claims import held, new_claim
from model_export.draft import Draft
from model_export.errors import ModelExportError, RefusedError
from model_export.layout import is_model_name, manifest_path, version_path
from model_export.manifest import Manifest, parse_manifest
from model_export.object_keeping import ObjectKeeping
from model_export.object_numbers import ObjectNumbers
from model_export.object_places import (
    is_published,
    newest_version,
    numbers_in_sight,
    scratch_path,
)
from model_export.object_upload import ObjectUpload
from model_export.origin import publisher
from model_export.transfers import Transfers


class ObjectStore:
    """Versions under `<prefix>/<model>/<version>/` of a bucket."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    @property
    def url(self) -> str:
        """Name the store, without a slash at the end."""
        return self._bucket.url

    def models(self) -> tuple[str, ...]:
        """List the models that have at least one version, sorted."""
        names = sorted(name for name in self._bucket.folders("") if is_model_name(name))
        return tuple(name for name in names if self.versions(name))

    def versions(self, model: str) -> tuple[int, ...]:
        """List a model's versions, ascending."""
        numbers = numbers_in_sight(self._bucket, model)
        with Transfers() as transfers:
            asked = [
                transfers.submit(0, partial(is_published, self._bucket, model, number))
                for number in numbers
            ]
            found = transfers.finish(asked)
        return tuple(number for number, there in zip(numbers, found, strict=True) if there)

    def manifest(self, model: str, version: int) -> Manifest:
        """Read a version's manifest; a version that is not there is refused."""
        key = manifest_path(model, version)
        try:
            document = self._bucket.read(key)
        except ObjectMissingError as error:
            known = ", ".join(map(str, self.versions(model))) or "none"
            raise RefusedError(
                f"{self.url} has no version {version} of model '{model}' (published: {known})."
            ) from error
        manifest = parse_manifest(document, f"{self.url}/{key}")
        if (manifest.model, manifest.version) != (model, version):
            raise ModelExportError(
                f"{self.url}/{key} is the manifest of {manifest.model}/{manifest.version}, not of "
                f"{model}/{version}: the objects were copied or renamed. Publish them instead."
            )
        return manifest

    def read(self, model: str, version: int, path: str, start: int, count: int) -> bytes:
        """Read a piece of one of a version's files."""
        return self._bucket.read(f"{version_path(model, version)}/{path}", start, count)

    def keeping(self, model: str) -> ObjectKeeping:
        """Look after a model's versions."""
        return ObjectKeeping(self._bucket, model)

    def archives(self, model: str) -> ObjectArchives:
        """Keep archives of a model's versions."""
        return ObjectArchives(self._bucket, model)

    @contextmanager
    def begin(self, draft: Draft) -> Iterator[ObjectUpload]:
        """Take a number, or one that a dead run of the same draft left unfinished."""
        claim = new_claim(draft.digest, publisher())
        folders = self._bucket.real_folders(f"{draft.model}/")
        with held(claim):
            place = ObjectNumbers(self._bucket, draft, claim, folders).take()
            parent = newest_version(self._bucket, draft.model, place.number)
            yield ObjectUpload(
                self._bucket,
                model=draft.model,
                version=place.number,
                scratch=scratch_path(draft.model, place.number),
                root=place.root,
                folders=folders,
                parent=self.manifest(draft.model, parent) if parent else None,
                done=place.done,
            )
