"""One version on its way into an object store: sent, compared, and only then made visible.

Owns the order of things and what is sent, copied or left alone; how many go at once is
`transfers`', how each cloud is spoken to is its bucket's.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from model_export.bucket import (
    SINGLE_BYTES,
    Bucket,
    Folders,
    ObjectExistsError,
    ObjectMissingError,
    Parts,
    StoredObject,
    part_bytes,
)
from model_export.content import Content, Crc32c, content_of, crc32c, read_content
from model_export.errors import ModelExportError, RefusedError
from model_export.layout import MANIFEST_NAME, manifest_path, version_path
from model_export.manifest import FileEntry, Manifest, dump_manifest, parse_manifest
from model_export.source import HashedReading, SourceFile
from model_export.transfers import Transfers

_PARTS: Final = "parts/"


@dataclass(frozen=True, kw_only=True)
class Done:
    """A file that an earlier run had sent."""

    content: Content
    stored: StoredObject


@dataclass(frozen=True, kw_only=True)
class _InParts:
    """A large file whose parts are on their way."""

    file: SourceFile
    content: Content
    parts: Parts
    sending: list[Future[None]]


class ObjectUpload:
    """A claimed number, and what of its files is in the store already."""

    def __init__(
        self,
        bucket: Bucket,
        *,
        model: str,
        version: int,
        scratch: str,
        root: str,
        folders: Folders | None,
        parent: Manifest | None,
        done: Mapping[str, Done] | None,
    ) -> None:
        self._bucket = bucket
        self._model = model
        self._version = version
        self._scratch = scratch
        # Where the files go: to the version's place, or to a folder that is renamed to it at last.
        self._root = root
        self._folders = folders
        self._parent = parent
        self._resumed = done is not None
        self._contents = {path: found.content for path, found in (done or {}).items()}
        self._stored = {path: found.stored for path, found in (done or {}).items()}
        self._copyable: dict[tuple[int, str], str] = {}
        if parent:
            self._copyable = {
                (entry.size_bytes, entry.sha256): (
                    f"{version_path(model, parent.version)}/{entry.path}"
                )
                for entry in parent.files
                if bucket.worth_copying(entry.size_bytes)
            }
        self._copyable_sizes = {size_bytes for size_bytes, _ in self._copyable}

    def send(
        self, files: Sequence[SourceFile], advance: Callable[[int], None]
    ) -> tuple[FileEntry, ...]:
        """Store these files, then see that the store has all of them and nothing else."""
        with Transfers() as transfers:
            large: list[_InParts] = []
            for file in files:
                if file.path in self._stored:
                    advance(file.size_bytes)
                elif file.size_bytes <= SINGLE_BYTES:
                    transfers.submit(file.size_bytes, partial(self._send_small, file, advance))
                else:
                    large += self._send_large(file, advance, transfers)
            for one in large:
                transfers.finish(one.sending)
                transfers.submit(0, partial(self._complete, one))
        self._require_stored()
        return tuple(
            FileEntry(
                path=file.path,
                size_bytes=self._contents[file.path].size_bytes,
                sha256=self._contents[file.path].sha256,
            )
            for file in files
        )

    def commit(self, manifest_of: Callable[[int, int | None], Manifest]) -> Manifest:
        """Write the manifest last; the version is there from then on, or from the rename."""
        manifest = manifest_of(self._version, self._parent.version if self._parent else None)
        document = dump_manifest(manifest)
        key = self._key(MANIFEST_NAME)
        place = f"{version_path(self._model, self._version)}/"
        try:
            self._bucket.create(key, document, content_of(document))
        except ObjectExistsError as error:
            manifest = self._already(key, manifest, error)
        if self._folders and self._root != place:
            try:
                self._folders.rename(self._root, place)
            except ModelExportError as error:
                key = manifest_path(self._model, self._version)
                manifest = self._already(key, manifest, error)
        self._clean()
        return manifest

    def _already(self, key: str, manifest: Manifest, error: ModelExportError) -> Manifest:
        """Give the manifest that is there already if it tells of the same version.

        It is of a repeated request whose first answer was lost, or of a run that was killed.
        """
        try:
            there = self._bucket.read(key)
        except ObjectMissingError:
            raise error from None
        known = parse_manifest(there, f"{self._bucket.url}/{key}")
        if there != dump_manifest(manifest) and not (
            self._resumed and known.files == manifest.files
        ):
            raise self._contended(MANIFEST_NAME) from error
        return known

    def _send_small(self, file: SourceFile, advance: Callable[[int], None]) -> None:
        reading = HashedReading(file, advance, SINGLE_BYTES)
        # In one piece, which is not copied.
        data = b"".join(reading)
        content = Content(
            size_bytes=len(data), sha256=reading.entry().sha256, checksum=crc32c(data)
        )
        if source := self._copyable.get((content.size_bytes, content.sha256)):
            self._copy(source, file, content)
        else:
            key = self._key(file.path)
            self._settle(file, content, lambda: self._bucket.create(key, data, content))

    def _send_large(
        self, file: SourceFile, advance: Callable[[int], None], transfers: Transfers
    ) -> Iterator[_InParts]:
        """Send in parts, reading in order; a copy needs the hash first, so it is read for that."""
        if file.size_bytes in self._copyable_sizes:
            content = read_content(file)
            if source := self._copyable.get((content.size_bytes, content.sha256)):
                advance(file.size_bytes)
                transfers.submit(0, partial(self._copy, source, file, content))
                return
        scratch = f"{self._scratch}{_PARTS}{file.path}/"
        parts = self._bucket.parts(self._key(file.path), scratch, resume=self._resumed)
        reading = HashedReading(file, advance, part_bytes(file.size_bytes))
        checksum = Crc32c()
        sending = []
        for number, data in enumerate(reading):
            checksum.update(data)
            sending.append(transfers.submit(len(data), partial(parts.put, number, data)))
        content = Content(
            size_bytes=file.size_bytes, sha256=reading.entry().sha256, checksum=checksum.result()
        )
        yield _InParts(file=file, content=content, parts=parts, sending=sending)

    def _complete(self, one: _InParts) -> None:
        self._settle(one.file, one.content, lambda: one.parts.complete(one.content))

    def _copy(self, source: str, file: SourceFile, content: Content) -> None:
        key = self._key(file.path)
        self._settle(file, content, lambda: self._bucket.copy(source, key, content))

    def _settle(self, file: SourceFile, content: Content, make: Callable[[], StoredObject]) -> None:
        """Make the object; one that is there with the very same bytes is as good."""
        try:
            stored = make()
        except ObjectExistsError as error:
            found = {entry.key: entry for entry in self._bucket.objects(self._key(file.path))}
            there = found.get(self._key(file.path))
            if there is None or not self._bucket.holds(there, content):
                raise self._contended(file.path) from error
            stored = there
        self._contents[file.path] = content
        self._stored[file.path] = stored

    def _require_stored(self) -> None:
        """Compare what the store says it has with what was sent."""
        prefix = self._key("")
        found = {entry.key.removeprefix(prefix): entry for entry in self._bucket.objects(prefix)}
        found.pop(MANIFEST_NAME, None)
        if foreign := sorted(found.keys() - self._stored.keys()):
            raise self._contended(foreign[0])
        for path, sent in self._stored.items():
            there = found.get(path)
            if there is None or (there.size_bytes, there.tag) != (sent.size_bytes, sent.tag):
                raise self._contended(path)

    def _contended(self, path: str) -> ModelExportError:
        return RefusedError(
            f"{self._bucket.url}/{self._key(path)} is not what this run put there: somebody else "
            f"writes to version {self._version}. It is not published; run the same command again "
            "for another number."
        )

    def _clean(self) -> None:
        """Take the parts and then the claim away; what cannot be removed does no harm."""
        with suppress(ModelExportError):
            self._bucket.abandon_parts(self._key(""))
            left = [entry.key for entry in self._bucket.objects(self._scratch)]
            # For as long as the claim stands, a later run knows what became of this one.
            parts = [key for key in left if key.startswith(f"{self._scratch}{_PARTS}")]
            self._bucket.delete(parts)
            self._bucket.delete([key for key in left if key not in parts])
            if self._folders:
                self._folders.remove_empty(self._scratch)

    def _key(self, path: str) -> str:
        return f"{self._root}{path}"
