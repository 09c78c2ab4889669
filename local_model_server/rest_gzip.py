"""Compressed request bodies, with a limit on what they grow to."""

import zlib
from typing import Final

_GZIP: Final = 16 + zlib.MAX_WBITS


class BodyTooLargeError(Exception):
    """The body grows beyond what is allowed."""


class BrokenBodyError(Exception):
    """The body is not what its encoding says; the text is for the client."""


def decompress(body: bytes, encoding: bytes, max_bytes: int) -> bytes:
    """Undo `Content-Encoding: gzip`, the one that TF Serving takes."""
    if encoding not in (b"gzip", b"x-gzip"):
        raise BrokenBodyError(
            f"Content-Encoding {encoding.decode('latin-1')!r} is not known; gzip is"
        )
    parts = []
    room = max_bytes
    # A gzip file may have several members, one after the other.
    while body:
        stream = zlib.decompressobj(_GZIP)
        try:
            part = stream.decompress(body, room + 1)
        except zlib.error as error:
            raise BrokenBodyError(f"The body is not gzip: {error}") from None
        if len(part) > room:
            raise BodyTooLargeError
        if not stream.eof:
            raise BrokenBodyError("The body is not gzip: it ends too early")
        parts.append(part)
        room -= len(part)
        body = stream.unused_data
    return b"".join(parts)
