"""A version's files as the bytes of a `.tar.gz`: equal files give equal bytes.

Nothing of the machine is in it, no times, owners or modes. Bytes are promised to be equal only
where the same zlib makes them: docs/adr/0008. Reads nothing itself.
"""

import tarfile
import zlib
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Final, Protocol

from model_export.errors import ModelExportError
from model_export.manifest import FileEntry

# Deflate, no name, no flags, no time; "fastest"; no operating system.
_HEAD: Final = b"\x1f\x8b\x08\x00" + bytes(4) + b"\x04\xff"
_LEVEL: Final = 1
# Raw deflate: the frame around it is ours.
_WINDOW_BITS: Final = -15
_MEMORY_LEVEL: Final = 9
_BLOCK_BYTES: Final = tarfile.BLOCKSIZE
_WORD: Final = 0xFFFFFFFF
_MODE: Final = 0o644


class FilePieces(Protocol):
    """One file, its bytes in order."""

    @property
    def entry(self) -> FileEntry:
        """Say which file it is."""

    def __iter__(self) -> Iterator[bytes]:
        """Give its bytes."""


def archive_bytes(files: Iterable[FilePieces], folder: str) -> Iterator[bytes]:
    """Give the archive's bytes; in it the files lie below `folder`.

    A file whose bytes are not those of its entry ends it with an error.
    """
    yield _HEAD
    checksum = size_bytes = 0
    for file in files:
        # Compressed by itself and ended on a whole byte, so that each can have its own way; a
        # reader sees one stream.
        squeeze = _compressor(file.entry.path)
        for piece in _member(file, f"{folder}/{file.entry.path}"):
            checksum = zlib.crc32(piece, checksum)
            size_bytes += len(piece)
            if squeezed := squeeze.compress(piece):
                yield squeezed
        yield squeeze.flush(zlib.Z_FULL_FLUSH)
    end = bytes(2 * _BLOCK_BYTES)
    squeeze = _compressor("")
    yield squeeze.compress(end) + squeeze.flush()
    checksum = zlib.crc32(end, checksum)
    size_bytes += len(end)
    yield checksum.to_bytes(4, "little") + (size_bytes & _WORD).to_bytes(4, "little")


def most_bytes(entries: Iterable[FileEntry], folder: str) -> int:
    """Give a size that the archive cannot exceed, whatever is in the files."""
    inside = sum(
        len(_header(entry, f"{folder}/{entry.path}")) + entry.size_bytes + _BLOCK_BYTES
        for entry in entries
    )
    # What cannot be compressed grows by less than a hundredth.
    return inside + inside // 100 + (1 << 16)


def _compressor(path: str) -> "zlib._Compress":
    # Weights hardly ever repeat themselves, and looking for it takes three quarters of the time.
    # Their exponents, and runs of zeros, are what makes them smaller.
    is_weights = path.startswith("variables/variables.data")
    strategy = zlib.Z_RLE if is_weights else zlib.Z_DEFAULT_STRATEGY
    return zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW_BITS, _MEMORY_LEVEL, strategy)


def _member(file: FilePieces, name: str) -> Iterator[bytes]:
    entry = file.entry
    yield _header(entry, name)
    digest, size_bytes = sha256(), 0
    for piece in file:
        digest.update(piece)
        size_bytes += len(piece)
        yield piece
    if (size_bytes, digest.hexdigest()) != (entry.size_bytes, entry.sha256):
        raise ModelExportError(
            f"{entry.path} does not have the bytes that the version's manifest tells; nothing was "
            "archived. If it is so again, the version is damaged: publish the model anew."
        )
    yield bytes(-size_bytes % _BLOCK_BYTES)


def _header(entry: FileEntry, name: str) -> bytes:
    header = tarfile.TarInfo(name)
    header.size = entry.size_bytes
    header.mode = _MODE
    return header.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
