"""What was read, described as the object stores describe it: size, SHA-256, CRC32C.

CRC32C is the checksum that Google keeps of every object, and S3 of a whole one however it arrived.
"""

import base64
from dataclasses import dataclass
from hashlib import sha256

import google_crc32c

from model_export.source import HashedReading, SourceFile


@dataclass(frozen=True, kw_only=True)
class Content:
    """What was read; the checksum is a CRC32C, in base64 as the stores write it."""

    size_bytes: int
    sha256: str
    checksum: str


class Crc32c:
    """The checksum of all bytes that it was given, in order."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes) -> None:
        """Take the next bytes."""
        self._value = google_crc32c.extend(self._value, data)

    def result(self) -> str:
        """Give the checksum so far."""
        return base64.b64encode(self._value.to_bytes(4)).decode()


def crc32c(data: bytes) -> str:
    """Give the checksum of bytes."""
    checksum = Crc32c()
    checksum.update(data)
    return checksum.result()


def content_of(data: bytes) -> Content:
    """Describe bytes."""
    return Content(size_bytes=len(data), sha256=sha256(data).hexdigest(), checksum=crc32c(data))


def read_content(file: SourceFile) -> Content:
    """Describe a file."""
    checksum = Crc32c()
    reading = HashedReading(file, lambda _: None)
    for piece in reading:
        checksum.update(piece)
    return Content(
        size_bytes=file.size_bytes, sha256=reading.entry().sha256, checksum=checksum.result()
    )
