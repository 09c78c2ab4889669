"""The index of a SavedModel's variables: names, types, shapes and where each one's bytes are.

TensorFlow keeps it in `variables/variables.index`, a LevelDB table of small protocol buffers, which
is read here without TensorFlow. The values themselves, in the `.data` files, are not read.
"""

import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import DecodeError

from model_export import wire
from model_export.errors import RefusedError

INDEX_PATH: Final = "variables/variables.index"

# The table ends with two block handles, padded, and this number.
_FOOTER_BYTES: Final = 48
_MAGIC: Final = 0xDB4775248B80FB57
_NOT_COMPRESSED: Final = 0
# What stands under the empty key describes the whole; under this one, Python's objects.
_HEADER_KEY: Final = b""
_OBJECTS_KEY: Final = b"_CHECKPOINTABLE_OBJECT_GRAPH"
# The key of a slice of a partitioned variable begins so; the variable has a key of its own.
_SLICE: Final = b"\0"
# More than any varint of 64 bits takes.
_VARINT_BYTES: Final = 10


@dataclass(frozen=True, kw_only=True)
class Variable:
    """One variable, or the whole of one that is kept in slices."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """All variables; `file_sizes` is how long each data file must at least be."""

    variables: Mapping[str, Variable]
    size_bytes: int
    file_sizes: Mapping[str, int]

    @property
    def parameter_count(self) -> int:
        """Count the single numbers."""
        return sum(math.prod(variable.shape) for variable in self.variables.values())


EMPTY: Final = Checkpoint(variables={}, size_bytes=0, file_sizes={})


class _CorruptError(Exception):
    """The bytes are no such table."""


def parse_index(document: bytes, where: str) -> Checkpoint:
    """Read the index; `where` names it in errors."""
    try:
        return _checkpoint(dict(_table(document)))
    except (_CorruptError, DecodeError, IndexError, struct.error, UnicodeDecodeError) as error:
        raise RefusedError(
            f"{where} is corrupt or cut short: it is no index of variables. Export the model again."
        ) from error


def _checkpoint(table: Mapping[bytes, bytes]) -> Checkpoint:
    entry_of = wire.message("BundleEntry").FromString
    if _HEADER_KEY not in table:
        raise _CorruptError
    header = wire.message("BundleHeader").FromString(table[_HEADER_KEY])
    variables: dict[str, Variable] = {}
    file_sizes: dict[str, int] = {}
    size_bytes = 0
    for key, value in table.items():
        if key == _HEADER_KEY:
            continue
        entry = entry_of(value)
        if entry.size:
            file = f"variables/variables.data-{entry.shard:05}-of-{header.shard_count:05}"
            file_sizes[file] = max(file_sizes.get(file, 0), entry.offset + entry.size)
        if key == _OBJECTS_KEY:
            continue
        size_bytes += entry.size
        if not key.startswith(_SLICE):
            variables[key.decode()] = Variable(
                dtype=wire.DTYPES.get(entry.dtype, f"unknown ({entry.dtype})"),
                shape=tuple(dim.size for dim in entry.shape.dims),
            )
    return Checkpoint(variables=variables, size_bytes=size_bytes, file_sizes=file_sizes)


def _table(document: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Give the table's keys and values: the index block's values say where the data blocks are."""
    footer = document[-_FOOTER_BYTES:]
    if len(footer) < _FOOTER_BYTES or struct.unpack("<Q", footer[-8:])[0] != _MAGIC:
        raise _CorruptError
    _, position = _handle(footer, 0)
    index, _ = _handle(footer, position)
    for _, value in _entries(_block(document, index)):
        handle, _ = _handle(value, 0)
        yield from _entries(_block(document, handle))


def _block(document: bytes, handle: tuple[int, int]) -> bytes:
    offset, size = handle
    # A byte for the compression follows, then a checksum. TensorFlow does not compress its tables.
    if offset + size >= len(document) or document[offset + size] != _NOT_COMPRESSED:
        raise _CorruptError
    return document[offset : offset + size]


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Give a block's keys and values; a key begins with as much as it shares with the one before.

    The block ends with the places where keys share nothing, and their count.
    """
    end = len(block) - 4 * (struct.unpack("<I", block[-4:])[0] + 1)
    position, key = 0, b""
    while position < end:
        shared, position = _varint(block, position)
        own, position = _varint(block, position)
        length, position = _varint(block, position)
        if shared > len(key) or position + own + length > end:
            raise _CorruptError
        key = key[:shared] + block[position : position + own]
        position += own
        yield key, block[position : position + length]
        position += length


def _handle(data: bytes, position: int) -> tuple[tuple[int, int], int]:
    offset, position = _varint(data, position)
    size, position = _varint(data, position)
    return (offset, size), position


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for count in range(_VARINT_BYTES):
        byte = data[position + count]
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:  # noqa: PLR2004 the highest bit says that more follows
            return value, position + count + 1
    raise _CorruptError
