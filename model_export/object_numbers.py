"""How a publisher gets a number of its own in an object store, or goes on with a dead one's.

Owns all decisions about numbers, the same for every cloud. Nothing hangs on them but economy: each
object is made once, whoever holds the number. The rules and their reasons: docs/adr/0006.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from model_export.bucket import Bucket, Folders, ObjectExistsError, ObjectMissingError
from model_export.claims import (
    Claim,
    claim_name,
    dump_claim,
    is_abandoned,
    parse_claim,
    parse_turn,
)
from model_export.content import content_of, read_content
from model_export.draft import Draft
from model_export.errors import RefusedError
from model_export.layout import (
    MANIFEST_NAME,
    MAX_VERSION,
    SIGNATURE_NAME,
    parse_version,
    version_path,
)
from model_export.object_keeping import deleted_versions, remove_below
from model_export.object_places import (
    claims_path,
    is_published,
    newest_version,
    numbers_in_sight,
    scratch_path,
    staging_path,
)
from model_export.object_upload import Done


@dataclass(frozen=True, kw_only=True)
class Place:
    """A number that is ours, where its files go, and what of them an earlier run had sent.

    `done` is None where nothing was begun.
    """

    number: int
    root: str
    done: dict[str, Done] | None


@dataclass(frozen=True, kw_only=True)
class _Holding:
    """A number that is or was being published: its last claim, and whether that one is dead."""

    turn: int
    claim: Claim | None
    is_abandoned: bool


class ObjectNumbers:
    """The numbers of the draft's model, as the claim's publisher sees them."""

    def __init__(self, bucket: Bucket, draft: Draft, claim: Claim, folders: Folders | None) -> None:
        self._bucket = bucket
        self._draft = draft
        self._model = draft.model
        self._claim = claim
        self._folders = folders

    def take(self) -> Place:
        """Take a number, or one that a dead run of the same draft left unfinished."""
        holdings = self._holdings()
        unfinished = self._take_over(holdings)
        if unfinished:
            return unfinished
        if self._draft.version is None:
            number = self._take_next(holdings)
        else:
            number = self._draft.version
            self._take_given(number, holdings.get(number))
        return Place(number=number, root=self._root(number), done=None)

    def _take_over(self, holdings: dict[int, _Holding]) -> Place | None:
        """Find an abandoned number of the same draft under which nothing else lies.

        One that a later version has overtaken stays behind: whoever publishes now wants the
        newest.
        """
        newest = 0
        if holdings and self._draft.version is None:
            newest = newest_version(self._bucket, self._model)
        for number, holding in sorted(holdings.items()):
            if (
                holding.claim
                and holding.claim.draft == self._draft.digest
                and holding.is_abandoned
                and number >= newest
            ):
                root = self._root(number)
                done = self._done(root)
                if done is not None and self._claims(number, holding.turn + 1):
                    return Place(number=number, root=root, done=done)
        return None

    def _done(self, root: str) -> dict[str, Done] | None:
        """Find which files are there; None if anything else is, or one with other bytes."""
        files = {file.path: file for file in self._draft.files}
        done: dict[str, Done] = {}
        for stored in self._bucket.objects(root):
            path = stored.key.removeprefix(root)
            if path == MANIFEST_NAME:
                continue
            if path == SIGNATURE_NAME and self._draft.signed:
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

    def _take_next(self, holdings: dict[int, _Holding]) -> int:
        known = numbers_in_sight(self._bucket, self._model)
        deleted = deleted_versions(self._bucket, self._model)
        number = max([*known, *holdings, *deleted], default=0)
        while number < MAX_VERSION:
            number += 1
            if self._claims(number, 1):
                # Between our look and our claim another may have published it and gone.
                if not self._bucket.objects(self._path(number)):
                    return number
                self._release(number)
        raise RefusedError(
            f"{self._bucket.url} holds version {MAX_VERSION} of '{self._model}', and no number is "
            "higher; give a free one with --version."
        )

    def _take_given(self, number: int, holding: _Holding | None) -> None:
        where = f"{self._bucket.url}/{version_path(self._model, number)}"
        if is_published(self._bucket, self._model, number):
            raise RefusedError(
                f"{where} is published already, and a version never changes. Give another "
                "number, or none for the next free one."
            )
        if number in deleted_versions(self._bucket, self._model):
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
        if not self._claims(number, holding.turn + 1 if holding else 1):
            raise RefusedError(
                f"{where} was taken by another publisher at this moment. Give another number, or "
                "none for the next free one."
            )
        if holding:
            self._clear(number)
        elif left := self._bucket.objects(self._path(number)):
            self._release(number)
            raise RefusedError(
                f"{where} holds objects that no publisher of ours put there, as {left[0].key}. "
                "Give another number, or remove them."
            )

    def _clear(self, number: int) -> None:
        """Remove what a dead run of something else left."""
        for place in (self._path(number), staging_path(self._model, number)):
            remove_below(self._bucket, place)
            if self._folders:
                self._folders.remove_empty(place)

    def _claims(self, number: int, turn: int) -> bool:
        """Be the one whose claim object it is."""
        key = f"{scratch_path(self._model, number)}{claim_name(turn)}"
        data = dump_claim(self._claim)
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
                f"{self._bucket.url} ignores the condition that an object must not exist yet "
                "(If-None-Match), so two publishers could mix their versions. Use a store that "
                "honours it, or publish to a directory."
            )
        return True

    def _release(self, number: int) -> None:
        self._bucket.delete([f"{scratch_path(self._model, number)}{claim_name(1)}"])

    def _holdings(self) -> dict[int, _Holding]:
        """List the numbers that somebody began and did not finish."""
        prefix = claims_path(self._model)
        signs: dict[int, list[datetime]] = {}
        turns: dict[int, int] = {}
        for entry in self._bucket.objects(prefix):
            folder, _, name = entry.key.removeprefix(prefix).partition("/")
            number = parse_version(folder)
            if number is not None:
                signs.setdefault(number, []).append(entry.modified)
                turns[number] = max(turns.get(number, 0), parse_turn(name) or 0)
        return {
            number: self._holding(number, turns[number], max(signs[number])) for number in signs
        }

    def _holding(self, number: int, turn: int, last_sign: datetime) -> _Holding:
        claim: Claim | None = None
        with suppress(ObjectMissingError):
            key = f"{scratch_path(self._model, number)}{claim_name(turn)}"
            claim = parse_claim(self._bucket.read(key))
        sent = self._bucket.objects(self._path(number))
        last_sign = max([last_sign, *(entry.modified for entry in sent)])
        abandoned = is_abandoned(claim, last_sign, datetime.now(UTC))
        return _Holding(turn=turn, claim=claim, is_abandoned=abandoned)

    def _root(self, number: int) -> str:
        """Name where the files go; with real folders aside, unless some lie in place already."""
        place = self._path(number)
        if self._folders and not self._bucket.objects(place):
            return staging_path(self._model, number)
        return place

    def _path(self, number: int) -> str:
        return f"{version_path(self._model, number)}/"
