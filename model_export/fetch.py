"""From a committed version to a directory that holds it, whole or not at all.

Owns the resumption and the checks. What was fetched lies in a hidden directory beside the target
until each file has the manifest's SHA-256; a run that was interrupted goes on with it.
"""

import fcntl
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

from model_export.errors import ModelExportError, RefusedError
from model_export.layout import MANIFEST_NAME
from model_export.manifest import FileEntry, Manifest, dump_manifest
from model_export.store import Store
from model_export.transfers import Transfers

# A large file arrives in pieces of this size, some of them at once.
PIECE_BYTES: Final = 8 << 20
_PIECES_AT_ONCE: Final = 8


def fetch(
    store: Store,
    model: str,
    version: int,
    directory: Path,
    *,
    advance: Callable[[int], None] = lambda _: None,
) -> Manifest:
    """Copy a version out of a store into a directory that does not exist yet or is empty.

    `advance` is told of each piece of bytes, by any thread.
    """
    manifest = store.manifest(model, version)
    target = directory.absolute()
    with _explained(target):
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise RefusedError(
                f"{target} is there already and is not an empty directory. Give another one."
            )
        with _staging(target, dump_manifest(manifest)) as staging:
            _Fetching(store, manifest, staging, advance).run()
            (staging / MANIFEST_NAME).write_bytes(dump_manifest(manifest))
            staging.rename(target)
    return manifest


class _Fetching:
    """All files of one version on their way into a directory."""

    def __init__(
        self, store: Store, manifest: Manifest, staging: Path, advance: Callable[[int], None]
    ) -> None:
        self._store = store
        self._manifest = manifest
        self._staging = staging
        self._advance = advance

    def run(self) -> None:
        """Fetch them, the small ones at once, the large ones one after the other in pieces."""
        with Transfers() as transfers:
            large = []
            for entry in self._manifest.files:
                location = self._staging / entry.path
                location.parent.mkdir(parents=True, exist_ok=True)
                if entry.size_bytes > PIECE_BYTES:
                    large.append(entry)
                else:
                    transfers.submit(entry.size_bytes, partial(self._fetch_small, entry))
            for entry in large:
                self._fetch_large(entry, transfers)

    def _fetch_small(self, entry: FileEntry) -> None:
        location = self._staging / entry.path
        if not location.exists() or sha256(location.read_bytes()).hexdigest() != entry.sha256:
            content = self._read(entry, 0) if entry.size_bytes else b""
            if sha256(content).hexdigest() != entry.sha256:
                raise self._damaged(entry)
            with _explained(location):
                location.write_bytes(content)
        self._advance(entry.size_bytes)

    def _fetch_large(self, entry: FileEntry, transfers: Transfers) -> None:
        """Go on with what an earlier run wrote; if that is not right, begin anew."""
        location = self._staging / entry.path
        with _explained(location), location.open("a+b") as file:
            for keep in (True, False):
                here = min(os.fstat(file.fileno()).st_size, entry.size_bytes) if keep else 0
                # A run that was killed leaves a piece in part.
                here -= here % PIECE_BYTES if here < entry.size_bytes else 0
                file.truncate(here)
                if self._append(entry, file, here, transfers) == entry.sha256:
                    return
                if not here:
                    break
            file.truncate(0)
        raise self._damaged(entry)

    def _append(self, entry: FileEntry, file: BinaryIO, here: int, transfers: Transfers) -> str:
        """Ask for some pieces at once, write them in order, and give the whole file's digest."""
        digest = sha256()
        file.seek(0)
        for start in range(0, here, PIECE_BYTES):
            digest.update(file.read(min(PIECE_BYTES, here - start)))
        self._advance(here)
        starts = iter(range(here, entry.size_bytes, PIECE_BYTES))
        coming: deque[Future[bytes]] = deque()
        while True:
            for start in islice(starts, _PIECES_AT_ONCE - len(coming)):
                coming.append(transfers.submit(0, partial(self._read, entry, start)))
            if not coming:
                return digest.hexdigest()
            (piece,) = transfers.finish([coming.popleft()])
            digest.update(piece)
            file.write(piece)
            self._advance(len(piece))

    def _read(self, entry: FileEntry, start: int) -> bytes:
        count = min(PIECE_BYTES, entry.size_bytes - start)
        model, version = self._manifest.model, self._manifest.version
        piece = self._store.read(model, version, entry.path, start, count)
        if len(piece) != count:
            raise self._damaged(entry)
        return piece

    def _damaged(self, entry: FileEntry) -> ModelExportError:
        return ModelExportError(
            f"{self._store.url}/{self._manifest.model}/{self._manifest.version}/{entry.path} does "
            "not have the bytes that its manifest tells. If it is so again, the version is "
            "damaged: publish the model anew."
        )


@contextmanager
def _staging(target: Path, manifest: bytes) -> Iterator[Path]:
    """Hold a directory beside the target; it stays for the next run unless it was renamed."""
    staging = target.with_name(f".{target.name}.fetching")
    note = staging.with_name(f"{staging.name}.json")
    target.parent.mkdir(parents=True, exist_ok=True)
    with note.open("a+b") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RefusedError(f"{target} is being fetched by another command.") from error
        lock.seek(0)
        if lock.read() != manifest:
            # The rest of another version; what is written below is written anew.
            shutil.rmtree(staging, ignore_errors=True)
            lock.truncate(0)
            lock.write(manifest)
            lock.flush()
        staging.mkdir(exist_ok=True)
        with suppress(OSError):
            target.rmdir()
        yield staging
        note.unlink()


@contextmanager
def _explained(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ModelExportError(
            f"Cannot write {error.filename or place}: {error.strerror}. Make room or correct the "
            "path, then run the same command again; it goes on where it stopped."
        ) from error
