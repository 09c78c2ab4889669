"""From a published version to its archive, in little memory and at most once.

Owns the reading: a few pieces ahead, so that a distant store is never waited for twice.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from model_export.archive.record import ArchiveRecord
from model_export.archive.stream import archive_bytes, most_bytes
from model_export.errors import ModelExportError, RefusedError
from model_export.layout import version_path
from model_export.manifest import FileEntry, Manifest
from model_export.store import Store
from model_export.transfers import Transfers

_PIECE_BYTES: Final = 2 << 20
_AHEAD_BYTES: Final = 8 << 20
_AHEAD_COUNT: Final = 8


@dataclass(frozen=True, kw_only=True)
class Archived:
    """A version's archive, and whether it was there before."""

    record: ArchiveRecord
    is_new: bool


def archive(
    store: Store,
    model: str,
    version: int,
    *,
    replace: bool = False,
    beside: Path | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Archived:
    """Make a version's archive unless there is one.

    Files of the same bytes are read from `beside` instead of the store, where a publisher still has
    them. `advance` is told of each piece of bytes that was read.
    """
    if store.url.startswith("gs://"):
        raise RefusedError(
            f"{store.url}: an archive is for SageMaker, which reads from S3 only. Vertex and "
            "Kubernetes take the version as it is."
        )
    manifest = store.manifest(model, version)
    archives = store.archives(model)
    if replace:
        archives.remove(version)
    elif known := archives.record(version):
        if known.content != manifest.digest:
            raise ModelExportError(
                f"{store.url} has an archive of {model} version {version} that was made of other "
                "files. Make it anew with --replace."
            )
        return Archived(record=known, is_new=False)
    folder = version_path(model, version)
    with Transfers(workers=_AHEAD_COUNT) as transfers:
        reading = _Reading(store, manifest, beside, transfers, advance)
        record = archives.write(
            version,
            archive_bytes(reading.files(), folder),
            most_bytes(manifest.files, folder),
            lambda size_bytes, sha256: ArchiveRecord(
                model=model,
                version=version,
                content=manifest.digest,
                size_bytes=size_bytes,
                sha256=sha256,
            ),
        )
    return Archived(record=record, is_new=True)


@dataclass(frozen=True, kw_only=True)
class _File:
    entry: FileEntry
    pieces: Callable[[], Iterator[bytes]]

    def __iter__(self) -> Iterator[bytes]:
        return self.pieces()


class _Reading:
    """All files of a version in one order, with some pieces under way across their borders."""

    def __init__(
        self,
        store: Store,
        manifest: Manifest,
        beside: Path | None,
        transfers: Transfers,
        advance: Callable[[int], None],
    ) -> None:
        self._store = store
        self._manifest = manifest
        self._beside = beside
        self._transfers = transfers
        self._advance = advance
        self._entries = sorted(manifest.files, key=lambda entry: entry.path)
        self._wanted = (
            (entry, start)
            for entry in self._entries
            for start in range(0, entry.size_bytes, _PIECE_BYTES)
        )
        self._next = next(self._wanted, None)
        self._coming: deque[tuple[int, Future[bytes]]] = deque()
        self._coming_bytes = 0

    def files(self) -> Iterator[_File]:
        """Give the files; each must be read to its end before the next."""
        for entry in self._entries:
            yield _File(entry=entry, pieces=partial(self._pieces, entry))

    def _pieces(self, entry: FileEntry) -> Iterator[bytes]:
        for _ in range(0, entry.size_bytes, _PIECE_BYTES):
            self._ask()
            size_bytes, future = self._coming.popleft()
            (piece,) = self._transfers.finish([future])
            self._coming_bytes -= size_bytes
            del future
            self._advance(len(piece))
            yield piece

    def _ask(self) -> None:
        while self._next and len(self._coming) < _AHEAD_COUNT:
            entry, start = self._next
            count = min(_PIECE_BYTES, entry.size_bytes - start)
            if self._coming and self._coming_bytes + count > _AHEAD_BYTES:
                return
            ask = partial(self._read, entry, start, count)
            self._coming.append((count, self._transfers.submit(0, ask)))
            self._coming_bytes += count
            self._next = next(self._wanted, None)

    def _read(self, entry: FileEntry, start: int, count: int) -> bytes:
        if self._beside is not None:
            try:
                with (self._beside / entry.path).open("rb") as file:
                    file.seek(start)
                    if len(piece := file.read(count)) == count:
                        return piece
            except OSError:
                pass  # It may have gone since; the store has it.
        return self._store.read(
            self._manifest.model, self._manifest.version, entry.path, start, count
        )
