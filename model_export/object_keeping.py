"""Looking after the versions of a model in an object store."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime

from model_export.archive.archives import ObjectArchives
from model_export.bucket import Bucket, ObjectExistsError, ObjectMissingError, StoredObject
from model_export.claims import (
    claim_name,
    dump_claim,
    held,
    is_abandoned,
    new_claim,
    parse_claim,
    parse_turn,
)
from model_export.content import content_of
from model_export.errors import ModelExportError
from model_export.keeping import DELETED, Leftover, StoredFile, deleted_name
from model_export.layout import (
    MANIFEST_NAME,
    SAVED_MODEL_NAME,
    manifest_path,
    parse_version,
    version_path,
)
from model_export.object_places import claims_path, scratch_path
from model_export.origin import publisher


class ObjectKeeping:
    """The versions below one model's prefix."""

    def __init__(self, bucket: Bucket, model: str) -> None:
        self._bucket = bucket
        self._model = model

    def files(self, version: int) -> tuple[StoredFile, ...]:
        """List what lies under a version."""
        return tuple(
            StoredFile(
                path=stored.key.removeprefix(self._root(version)),
                size_bytes=stored.size_bytes,
                sha256=stored.sha256,
            )
            for stored in self._bucket.objects(self._root(version))
            if stored.key != manifest_path(self._model, version)
        )

    def deleted(self) -> tuple[int, ...]:
        """List the versions that were there once."""
        return deleted_versions(self._bucket, self._model)

    def remove(self, version: int) -> None:
        """Remove the manifest, then the graph, so that no server loads a half, then the rest."""
        key = manifest_path(self._model, version)
        with suppress(ObjectMissingError):
            document = self._bucket.read(key)
            with suppress(ObjectExistsError):
                self._bucket.create(
                    f"{self._model}/{DELETED}/{deleted_name(version)}",
                    document,
                    content_of(document),
                )
        ObjectArchives(self._bucket, self._model).remove(version)
        # With a claim left, a publisher might go on under this number.
        scratch = [entry.key for entry in self._bucket.objects(self._scratch(version))]
        self._bucket.delete(scratch)
        self._bucket.delete([key])
        self._remove_files(version)
        self._remove_folders(version)

    def leftovers(self) -> tuple[Leftover, ...]:
        """Find numbers without a manifest, and what a publisher wrote to claim a number."""
        return tuple(
            found for number in self._numbers() if (found := self._leftover(number)) is not None
        )

    def clear(self, leftover: Leftover) -> bool:
        """Take the number's next turn, so that no publisher goes on with it, and remove all."""
        number = int(leftover.name)
        scratch = self._scratch(number)
        claims = self._bucket.objects(scratch)
        claim = new_claim("", publisher())
        document = dump_claim(claim)
        turn = _last_turn(scratch, claims) + 1
        with held(claim):
            try:
                self._bucket.create(f"{scratch}{claim_name(turn)}", document, content_of(document))
            except ObjectExistsError:
                return False
            if not self._is_published(number):
                self._remove_files(number)
            self._bucket.abandon_parts(self._root(number))
            self._bucket.delete([entry.key for entry in self._bucket.objects(scratch)])
            self._remove_folders(number)
        return True

    def _leftover(self, number: int) -> Leftover | None:
        scratch = self._scratch(number)
        claims = self._bucket.objects(scratch)
        lying = self._bucket.objects(self._root(number))
        if self._is_published(number):
            lying = ()
        if not claims and not lying:
            return None
        last_change = max(entry.modified for entry in (*claims, *lying))
        claim = None
        if claims:
            with suppress(ObjectMissingError):
                key = f"{scratch}{claim_name(_last_turn(scratch, claims))}"
                claim = parse_claim(self._bucket.read(key))
        is_alive = bool(claims) and not is_abandoned(claim, last_change, datetime.now(UTC))
        return Leftover(name=str(number), last_change=last_change, is_alive=is_alive)

    def _remove_files(self, version: int) -> None:
        remove_below(self._bucket, self._root(version))

    def _remove_folders(self, version: int) -> None:
        """Take real folders away too; an empty one that cannot be removed does no harm."""
        with suppress(ModelExportError):
            if folders := self._bucket.real_folders(f"{self._model}/"):
                folders.remove_empty(self._root(version))
                folders.remove_empty(self._scratch(version))

    def _numbers(self) -> list[int]:
        # A claim may stand before the first file does.
        claims = claims_path(self._model)
        names = {*self._bucket.folders(f"{self._model}/"), *self._bucket.folders(claims)}
        return sorted(number for name in names if (number := parse_version(name)) is not None)

    def _is_published(self, number: int) -> bool:
        return any(
            entry.key == manifest_path(self._model, number)
            for entry in self._bucket.objects(f"{self._root(number)}{MANIFEST_NAME}")
        )

    def _scratch(self, version: int) -> str:
        return scratch_path(self._model, version)

    def _root(self, version: int) -> str:
        return f"{version_path(self._model, version)}/"


def remove_below(bucket: Bucket, place: str) -> None:
    """Remove all objects of a version's place; servers must see its graph go first."""
    keys = [entry.key for entry in bucket.objects(place)]
    graph = f"{place}{SAVED_MODEL_NAME}"
    bucket.delete([key for key in keys if key == graph])
    bucket.delete([key for key in keys if key != graph])


def deleted_versions(bucket: Bucket, model: str) -> tuple[int, ...]:
    """List the versions that were there once, ascending."""
    prefix = f"{model}/{DELETED}/"
    names = (entry.key.removeprefix(prefix) for entry in bucket.objects(prefix))
    numbers = (parse_version(name.removesuffix(".json")) for name in names)
    return tuple(sorted(number for number in numbers if number is not None))


def _last_turn(scratch: str, claims: Iterable[StoredObject]) -> int:
    return max((parse_turn(entry.key.removeprefix(scratch)) or 0 for entry in claims), default=0)
