"""A store in an object store: what is in it, and how a publisher gets a number of its own.

Owns all decisions about numbers, the same for every cloud; `bucket` has the verbs, `object_upload`
what happens once there is a number. The rules and their reasons: docs/adr/0006.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final

from model_export.archive.archives import ObjectArchives
from model_export.bucket import Bucket, Folders, ObjectExistsError, ObjectMissingError
from model_export.claims import (
    Claim,
    claim_name,
    dump_claim,
    held,
    is_abandoned,
    new_claim,
    parse_claim,
    parse_turn,
)
from model_export.content import content_of, read_content
from model_export.draft import Draft
from model_export.errors import ModelExportError, RefusedError
from model_export.layout import (
    MANIFEST_NAME,
    MAX_VERSION,
    SAVED_MODEL_NAME,
    SIGNATURE_NAME,
    is_model_name,
    manifest_path,
    parse_version,
    version_path,
)
from model_export.manifest import Manifest, parse_manifest
from model_export.object_keeping import ObjectKeeping, deleted_versions
from model_export.object_upload import Done, ObjectUpload
from model_export.origin import publisher
from model_export.transfers import Transfers

# No number, so that servers and listings pass it by.
PUBLISHING: Final = ".publishing"


@dataclass(frozen=True, kw_only=True)
class _Holding:
    """A number that is or was being published: its last claim, and whether that one is dead."""

    number: int
    turn: int
    claim: Claim | None
    is_abandoned: bool


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
        numbers = self._numbers(model)
        with Transfers() as transfers:
            asked = [
                transfers.submit(0, partial(self._is_published, model, number))
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
        return ObjectKeeping(self._bucket, model, partial(_scratch, model))

    def archives(self, model: str) -> ObjectArchives:
        """Keep archives of a model's versions."""
        return ObjectArchives(self._bucket, model)

    @contextmanager
    def begin(self, draft: Draft) -> Iterator[ObjectUpload]:
        """Take a number, or one that a dead run of the same draft left unfinished."""
        claim = new_claim(draft.digest, publisher())
        folders = self._bucket.real_folders(f"{draft.model}/")
        holdings = self._holdings(draft.model)
        with held(claim):
            resumed = self._take_over(draft, claim, holdings, folders)
            if resumed:
                version, done = resumed
            else:
                version = self._take_number(draft, claim, holdings, folders)
                done = None
            parent = self._newest(draft.model, version)
            yield ObjectUpload(
                self._bucket,
                model=draft.model,
                version=version,
                scratch=_scratch(draft.model, version),
                root=self._root(draft.model, version, folders),
                folders=folders,
                parent=self.manifest(draft.model, parent) if parent else None,
                done=done,
            )

    def _take_over(
        self,
        draft: Draft,
        claim: Claim,
        holdings: dict[int, _Holding],
        folders: Folders | None,
    ) -> tuple[int, dict[str, Done]] | None:
        """Find an abandoned number of the same draft under which nothing else lies.

        One that a later version has overtaken stays behind: whoever publishes now wants the
        newest.
        """
        newest = self._newest(draft.model) if holdings and draft.version is None else 0
        for number, holding in sorted(holdings.items()):
            if (
                holding.claim
                and holding.claim.draft == draft.digest
                and holding.is_abandoned
                and number >= newest
                and (done := self._done(draft, self._root(draft.model, number, folders)))
                is not None
                and self._claims(draft.model, number, holding.turn + 1, claim)
            ):
                return number, done
        return None

    def _done(self, draft: Draft, prefix: str) -> dict[str, Done] | None:
        """Find which files are there; None if anything else is, or one with other bytes."""
        files = {file.path: file for file in draft.files}
        done: dict[str, Done] = {}
        for stored in self._bucket.objects(prefix):
            path = stored.key.removeprefix(prefix)
            if path == MANIFEST_NAME:
                continue
            if path == SIGNATURE_NAME and draft.signed:
                # Another signature of the same files by the same key has other bytes.
                signature = content_of(self._bucket.read(stored.key))
                done[path] = Done(content=signature, stored=stored)
                continue
            file = files.get(path)
            if file is None or file.size_bytes != stored.size_bytes:
                return None
            content = read_content(file)
            if not self._bucket.holds(stored, content):
                return None
            done[path] = Done(content=content, stored=stored)
        return done

    def _take_number(
        self,
        draft: Draft,
        claim: Claim,
        holdings: dict[int, _Holding],
        folders: Folders | None,
    ) -> int:
        if draft.version is not None:
            holding = holdings.get(draft.version)
            self._take_given(draft.model, draft.version, claim, holding)
            if holding:
                self._clear(draft.model, draft.version, folders)
            return draft.version
        deleted = deleted_versions(self._bucket, draft.model)
        number = max([*self._numbers(draft.model), *holdings, *deleted], default=0)
        while number < MAX_VERSION:
            number += 1
            if self._claims(draft.model, number, 1, claim):
                # Between our look and our claim another may have published it and gone.
                if not self._bucket.objects(f"{version_path(draft.model, number)}/"):
                    return number
                self._release(draft.model, number)
        raise RefusedError(
            f"{self.url} holds version {MAX_VERSION} of '{draft.model}', and no number is higher; "
            "give a free one with --version."
        )

    def _take_given(self, model: str, number: int, claim: Claim, holding: _Holding | None) -> None:
        where = f"{self.url}/{version_path(model, number)}"
        if self._is_published(model, number):
            raise RefusedError(
                f"{where} is published already, and a version never changes. Give another "
                "number, or none for the next free one."
            )
        if number in deleted_versions(self._bucket, model):
            raise RefusedError(
                f"{where} was published and deleted, and a number is never given twice. Give "
                "another number, or none for the next free one."
            )
        if holding and not holding.is_abandoned:
            by = f" by {holding.claim.by}" if holding.claim else ""
            raise RefusedError(
                f"{where} is being published{by} at this moment. Give another number, or none "
                "for the next free one."
            )
        if not self._claims(model, number, holding.turn + 1 if holding else 1, claim):
            raise RefusedError(
                f"{where} was taken by another publisher at this moment. Give another number, or "
                "none for the next free one."
            )
        left = self._bucket.objects(f"{version_path(model, number)}/")
        if left and not holding:
            self._release(model, number)
            raise RefusedError(
                f"{where} holds objects that no publisher of ours put there, as {left[0].key}. "
                "Give another number, or remove them."
            )

    def _clear(self, model: str, number: int, folders: Folders | None) -> None:
        """Remove what a dead run of something else left."""
        for place in (f"{version_path(model, number)}/", _staging(model, number)):
            left = [entry.key for entry in self._bucket.objects(place)]
            # Servers must see its model go first.
            first = f"{place}{SAVED_MODEL_NAME}"
            self._bucket.delete([key for key in left if key == first])
            self._bucket.delete([key for key in left if key != first])
            if folders:
                folders.remove_empty(place)

    def _claims(self, model: str, number: int, turn: int, claim: Claim) -> bool:
        """Be the one whose claim object it is."""
        key = f"{_scratch(model, number)}{claim_name(turn)}"
        data = dump_claim(claim)
        content = content_of(data)
        try:
            self._bucket.create(key, data, content)
        except ObjectExistsError:
            # A repeated request whose first answer was lost finds its own claim.
            with suppress(ObjectMissingError):
                return self._bucket.read(key) == data
            return False
        with suppress(ObjectExistsError):
            self._bucket.create(key, data, content)
            raise RefusedError(
                f"{self.url} ignores the condition that an object must not exist yet "
                "(If-None-Match), so two publishers could mix their versions. Use a store that "
                "honours it, or publish to a directory."
            )
        return True

    def _release(self, model: str, number: int) -> None:
        self._bucket.delete([f"{_scratch(model, number)}{claim_name(1)}"])

    def _newest(self, model: str, below: int = MAX_VERSION + 1) -> int:
        """Find the highest published number below another; 0 if there is none."""
        numbers = (number for number in reversed(self._numbers(model)) if number < below)
        return next((number for number in numbers if self._is_published(model, number)), 0)

    def _holdings(self, model: str) -> dict[int, _Holding]:
        """List the numbers that somebody began and did not finish."""
        prefix = f"{model}/{PUBLISHING}/"
        signs: dict[int, list[datetime]] = {}
        turns: dict[int, int] = {}
        for entry in self._bucket.objects(prefix):
            folder, _, name = entry.key.removeprefix(prefix).partition("/")
            number = parse_version(folder)
            if number is not None:
                signs.setdefault(number, []).append(entry.modified)
                turns[number] = max(turns.get(number, 0), parse_turn(name) or 0)
        return {
            number: self._holding(model, number, turns[number], max(signs[number]))
            for number in signs
        }

    def _holding(self, model: str, number: int, turn: int, last_sign: datetime) -> _Holding:
        claim: Claim | None = None
        with suppress(ObjectMissingError):
            claim = parse_claim(self._bucket.read(f"{_scratch(model, number)}{claim_name(turn)}"))
        sent = self._bucket.objects(f"{version_path(model, number)}/")
        last_sign = max([last_sign, *(entry.modified for entry in sent)])
        abandoned = is_abandoned(claim, last_sign, datetime.now(UTC))
        return _Holding(number=number, turn=turn, claim=claim, is_abandoned=abandoned)

    def _root(self, model: str, number: int, folders: Folders | None) -> str:
        """Name where the files go; with real folders aside, unless some lie in place already."""
        place = f"{version_path(model, number)}/"
        if folders and not self._bucket.objects(place):
            return _staging(model, number)
        return place

    def _is_published(self, model: str, number: int) -> bool:
        try:
            self._bucket.read(manifest_path(model, number), 0, 1)
        except ObjectMissingError:
            return False
        return True

    def _numbers(self, model: str) -> list[int]:
        """List the numbers under which anything lies, ascending."""
        names = self._bucket.folders(f"{model}/")
        return sorted(number for name in names if (number := parse_version(name)) is not None)


def _scratch(model: str, version: int) -> str:
    return f"{model}/{PUBLISHING}/{version}/"


def _staging(model: str, version: int) -> str:
    return f"{_scratch(model, version)}version/"
