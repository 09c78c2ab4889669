"""Files of TensorFlow's records: how many there are and what they hold, read without TensorFlow.

Owns the framing alone: a length, its checksum, the bytes, their checksum. Checksums are left to
the runtime, which compares them when it reads.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Final

from model_export.errors import RefusedError

_HEAD_BYTES: Final = 12
_TAIL_BYTES: Final = 4
# Small records arrive many at a time, and of large ones only the heads.
_WINDOW_BYTES: Final = 1 << 16


def record_places(
    read: Callable[[int, int], bytes], size_bytes: int, where: str
) -> Iterator[tuple[int, int]]:
    """Give each record's start and length; `read(start, count)` reads, `where` names the file."""
    start, window, window_start = 0, b"", 0
    while start < size_bytes:
        if not window_start <= start <= window_start + len(window) - _HEAD_BYTES:
            window, window_start = read(start, _WINDOW_BYTES), start
        head = window[start - window_start :][:_HEAD_BYTES]
        length = struct.unpack("<Q", head[:8])[0] if len(head) == _HEAD_BYTES else size_bytes
        start += _HEAD_BYTES
        if start + length + _TAIL_BYTES > size_bytes:
            raise RefusedError(f"{where} is cut short: a record of it goes beyond its end.")
        yield start, length
        start += length + _TAIL_BYTES
