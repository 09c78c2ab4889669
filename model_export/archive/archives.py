"""Where archives lie in a store, and their coming and going.

Owns the protocol and both kinds of place. An archive exists once its record does; a version that is
removed takes its archive with it, first, so that none is left of a version that is gone.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol

from model_export.archive.record import ArchiveRecord, dump_record, parse_record
from model_export.bucket import Bucket, ObjectExistsError, ObjectMissingError
from model_export.content import Content, Crc32c, content_of
from model_export.errors import ModelExportError, RefusedError
from model_export.layout import archive_path, archive_record_path
from model_export.transfers import Transfers

# Small, since each is copied some times on its way; S3 takes at most 10,000 of them.
_PART_BYTES: Final = 6 << 20
_PARTS_AT_MOST: Final = 10_000
_SENDERS: Final = 2
_SENDING_BYTES: Final = _SENDERS * _PART_BYTES
# Says of the bytes what the record will.
Recording = Callable[[int, str], ArchiveRecord]


class Archives(Protocol):
    """The archives of one model's versions."""

    def record(self, version: int) -> ArchiveRecord | None:
        """Read what is known of a version's archive; None where there is none."""

    def write(
        self, version: int, pieces: Iterable[bytes], most_bytes: int, recording: Recording
    ) -> ArchiveRecord:
        """Store the archive, of at most so many bytes, and then its record."""

    def remove(self, version: int) -> None:
        """Take a version's archive away; one that is not there is no error."""


class ObjectArchives:
    """Archives in an object store, which is one of S3's kind."""

    def __init__(self, bucket: Bucket, model: str) -> None:
        self._bucket = bucket
        self._model = model

    def record(self, version: int) -> ArchiveRecord | None:
        """Read the record."""
        key = archive_record_path(self._model, version)
        try:
            document = self._bucket.read(key)
        except ObjectMissingError:
            return None
        return parse_record(document, f"{self._bucket.url}/{key}")

    def write(
        self, version: int, pieces: Iterable[bytes], most_bytes: int, recording: Recording
    ) -> ArchiveRecord:
        """Send it in parts while it is made; a run that was killed is gone on with."""
        key = archive_path(self._model, version)
        parts = self._bucket.parts(key, "", resume=True)
        part_bytes = max(_PART_BYTES, -(-most_bytes // _PARTS_AT_MOST))
        checksum, digest, size_bytes = Crc32c(), sha256(), 0
        with Transfers(_SENDING_BYTES, _SENDERS) as transfers:
            for number, part in enumerate(_regrouped(pieces, part_bytes)):
                checksum.update(part)
                digest.update(part)
                size_bytes += len(part)
                transfers.submit(len(part), partial(parts.put, number, part))
        content = Content(
            size_bytes=size_bytes, sha256=digest.hexdigest(), checksum=checksum.result()
        )
        try:
            parts.complete(content)
        except ObjectExistsError as error:
            there = [entry for entry in self._bucket.objects(key) if entry.key == key]
            if not there or not self._bucket.holds(there[0], content):
                raise _foreign(f"{self._bucket.url}/{key}") from error
        record = recording(content.size_bytes, content.sha256)
        document = dump_record(record)
        with suppress(ObjectExistsError):
            self._bucket.create(
                archive_record_path(self._model, version),
                document,
                content_of(document),
            )
        self._bucket.abandon_parts(key)
        return record

    def remove(self, version: int) -> None:
        """Take the record away first, then the rest."""
        key, record = archive_path(self._model, version), archive_record_path(self._model, version)
        self._bucket.delete([record])
        self._bucket.abandon_parts(key)
        self._bucket.delete([entry.key for entry in self._bucket.objects(key)])


class DirectoryArchives:
    """Archives in a directory."""

    def __init__(self, root: Path, model: str) -> None:
        self._root = root
        self._model = model

    def record(self, version: int) -> ArchiveRecord | None:
        """Read the record."""
        path = self._root / archive_record_path(self._model, version)
        with _explained(path):
            if not path.is_file():
                return None
            return parse_record(path.read_bytes(), str(path))

    def write(
        self, version: int, pieces: Iterable[bytes], _most_bytes: int, recording: Recording
    ) -> ArchiveRecord:
        """Write it under a name of this process's own, and rename it when it is whole."""
        path = self._root / archive_path(self._model, version)
        with _explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f".{path.name}-{os.getpid()}")
            digest, size_bytes = sha256(), 0
            try:
                with draft.open("wb") as file:
                    for piece in pieces:
                        digest.update(piece)
                        size_bytes += file.write(piece)
                    file.flush()
                    os.fsync(file.fileno())
                draft.replace(path)
            finally:
                draft.unlink(missing_ok=True)
            record = recording(size_bytes, digest.hexdigest())
            note = self._root / archive_record_path(self._model, version)
            draft.write_bytes(dump_record(record))
            draft.replace(note)
        return record

    def remove(self, version: int) -> None:
        """Take the record away first, then the archive."""
        path = self._root / archive_path(self._model, version)
        with _explained(path):
            (self._root / archive_record_path(self._model, version)).unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                path.parent.rmdir()


def _regrouped(pieces: Iterable[bytes], part_bytes: int) -> Iterator[bytes]:
    """Give parts of exactly this size, and what is left, with one copy of each byte."""
    part = bytearray()
    for piece in pieces:
        part += piece
        while len(part) >= part_bytes:
            yield bytes(memoryview(part)[:part_bytes])
            del part[:part_bytes]
    if part:
        yield bytes(part)


def _foreign(where: str) -> RefusedError:
    return RefusedError(
        f"{where} is there and has other bytes than this version's archive has: another run makes "
        "it at this moment, or another zlib made it and was killed before its record. Run the same "
        "command again later, or make it anew with --replace."
    )


@contextmanager
def _explained(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ModelExportError(
            f"Cannot use {error.filename or place}: {error.strerror}. Make room or correct the "
            "rights, then run the same command again."
        ) from error
