"""A SavedModel directory as the files to publish.

Owns which files belong to a version and that they do not change while they are read.
"""

import io
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final

from model_export.errors import ModelExportError, RefusedError
from model_export.layout import MANIFEST_NAME, SAVED_MODEL_NAME
from model_export.manifest import FileEntry

_PIECE_BYTES: Final = 1 << 20


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """A file as it was found; `state` is equal for as long as nobody writes to it.

    One that was read already has its `content` with it and is not read again.
    """

    path: str
    location: Path
    size_bytes: int
    state: tuple[int, int, int]
    content: bytes | None = field(default=None, repr=False)

    def open(self) -> BinaryIO:
        """Open it for reading."""
        if self.content is not None:
            return io.BytesIO(self.content)
        return self.location.open("rb")


def list_files(directory: Path) -> tuple[SourceFile, ...]:
    """List what belongs to the version, `saved_model.pb` last, as servers take it for "ready".

    A symbolic link is followed where it stays inside the directory. The manifest of an earlier
    publish is left out, so that a version can be published again elsewhere.
    """
    root = directory.resolve()
    found = (_source_file(root, entry) for entry in _entries(root))
    chosen = (file for file in found if file.path != MANIFEST_NAME)
    return tuple(sorted(chosen, key=lambda file: (file.path == SAVED_MODEL_NAME, file.path)))


def require_unchanged(directory: Path, files: tuple[SourceFile, ...]) -> None:
    """Refuse what was read if a file came, went or was written to since it was listed."""
    before = {file.path: file.state for file in files}
    after = {file.path: file.state for file in list_files(directory)}
    for path in sorted(before.keys() | after.keys()):
        if before.get(path) != after.get(path):
            raise changed(directory / path)


def changed(location: Path) -> ModelExportError:
    """Say that a file did not keep still."""
    return ModelExportError(
        f"{location} changed while it was read; nothing was published. Wait until the export is "
        "complete, then publish again."
    )


class HashedReading:
    """Reads a file once, in pieces of one size, and knows its digest afterwards."""

    def __init__(
        self, file: SourceFile, advance: Callable[[int], None], piece_bytes: int = _PIECE_BYTES
    ) -> None:
        self._file = file
        self._advance = advance
        self._piece_bytes = piece_bytes
        self._digest = sha256()

    def __iter__(self) -> Iterator[bytes]:
        """Give the pieces; more or fewer bytes than were listed is a change."""
        left = self._file.size_bytes
        try:
            with self._file.open() as stream:
                while left and (piece := stream.read(min(left, self._piece_bytes))):
                    self._digest.update(piece)
                    left -= len(piece)
                    self._advance(len(piece))
                    yield piece
                # A file that grows is not followed to its end, which may never come.
                left = left or len(stream.read(1))
        except FileNotFoundError as error:
            raise changed(self._file.location) from error
        except OSError as error:
            raise ModelExportError(
                f"Cannot read {self._file.location}: {error.strerror}; nothing was published."
            ) from error
        if left:
            raise changed(self._file.location)

    def entry(self) -> FileEntry:
        """Say what was read."""
        return FileEntry(
            path=self._file.path,
            size_bytes=self._file.size_bytes,
            sha256=self._digest.hexdigest(),
        )


def sha256_of(file: SourceFile) -> str:
    """Read a file for its digest alone."""
    reading = HashedReading(file, lambda _: None)
    for _ in reading:
        pass
    return reading.entry().sha256


def _entries(folder: str | Path) -> Iterator[os.DirEntry[str]]:
    """List all below a folder but folders."""
    try:
        with os.scandir(folder) as found:
            entries = list(found)
    except OSError as error:
        raise RefusedError(f"Cannot read {error.filename}: {error.strerror}.") from error
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _entries(entry.path)
        else:
            yield entry


def _source_file(root: Path, entry: os.DirEntry[str]) -> SourceFile:
    path = entry.path.removeprefix(str(root)).lstrip("/")
    if not path.isprintable() or "\\" in path:
        raise RefusedError(
            f"{root} holds a file that not every bucket can name: {path!r}. Rename it: no "
            "backslash, no control character, valid UTF-8."
        )
    location = Path(entry.path)
    try:
        state = entry.stat()
    except OSError as error:
        if entry.is_symlink() and isinstance(error, FileNotFoundError):
            raise RefusedError(
                f"{location} is a symbolic link that leads nowhere. Put the file itself there."
            ) from error
        raise RefusedError(f"Cannot read {location}: {error.strerror}.") from error
    if entry.is_symlink() and not location.resolve().is_relative_to(root):
        raise RefusedError(
            f"{location} is a symbolic link that leads out of the model's directory, to "
            f"{location.resolve()}. Put the file itself there."
        )
    if not stat.S_ISREG(state.st_mode):
        kind = "a link to a directory" if stat.S_ISDIR(state.st_mode) else "not a regular file"
        raise RefusedError(f"{location} is {kind} and cannot be published. Remove it.")
    return SourceFile(
        path=path,
        location=location,
        size_bytes=state.st_size,
        state=(state.st_size, state.st_mtime_ns, state.st_ino),
    )
