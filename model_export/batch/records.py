"""What the input holds: instances as JSONL, CSV or TFRecords of tf.Example.

Owns the formats and how their values become instances of a signature. A record that cannot be read
is a record still, with its fault; an input whose records cannot be told apart ends the run.
"""

import csv
import json
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import IO, Any, Final

from google.protobuf.message import DecodeError
from pydantic import JsonValue

from model_export import wire
from model_export.errors import ModelExportError, RefusedError
from model_export.manifest import Signature, TensorSpec

# Longer is no line of instances but some other file.
_LINE_BYTES: Final = 64 << 20
_BOM: Final = b"\xef\xbb\xbf"
_HEAD_BYTES: Final = 12
_TRUTHS: Final = {"true": True, "1": True, "false": False, "0": False}
_LENGTH: Final = struct.Struct("<QI")
_CHECKSUM: Final = struct.Struct("<I")


@dataclass(frozen=True, kw_only=True)
class Record:
    """One instance to be: its line (of TFRecords its number) from 1, and how to read it.

    `read` raises ValueError with the reason.
    """

    line: int
    size_bytes: int
    read: Callable[[], Any]


def read_records(
    stream: IO[bytes], form: str, signature: Signature | None, where: str
) -> Iterator[Record]:
    """Read one after the other; nothing is parsed that is not asked for."""
    try:
        match form:
            case "jsonl":
                yield from _jsonl(stream, where)
            case "csv":
                yield from _csv(stream, signature, where)
            case _:
                yield from _tfrecord(stream, signature, where)
    except (OSError, EOFError) as error:
        raise ModelExportError(f"Input {where} cannot be read: {error}.") from error


def _lines(stream: IO[bytes], where: str) -> Iterator[bytes]:
    number = 0
    while line := stream.readline(_LINE_BYTES + 1):
        number += 1
        if len(line) > _LINE_BYTES:
            raise RefusedError(f"Input {where}: line {number} is longer than 64 MiB.")
        yield line.removeprefix(_BOM) if number == 1 else line


def _jsonl(stream: IO[bytes], where: str) -> Iterator[Record]:
    for number, line in enumerate(_lines(stream, where), 1):
        if line.strip():
            yield Record(line=number, size_bytes=len(line), read=partial(_parsed, line))


def _parsed(line: bytes) -> JsonValue:
    try:
        value: JsonValue = json.loads(line.decode())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"The line is not JSON: {error}.") from error
    return value


def _csv(stream: IO[bytes], signature: Signature | None, where: str) -> Iterator[Record]:
    # A quote that is never closed would take in all the rest.
    csv.field_size_limit(_LINE_BYTES)
    # A byte that is no UTF-8 is told of with its row, not of all the file.
    texts = (line.decode(errors="surrogateescape") for line in _lines(stream, where))
    reader = csv.reader(texts, strict=True)
    rows = _rows(reader, where)
    header = next(rows, [])
    if len(set(header)) < len(header):
        raise RefusedError(f"Input {where}: its first line names a column twice.")
    specs: Mapping[str, TensorSpec | None] = (
        signature.inputs if signature else dict.fromkeys(header)
    )
    missing = sorted(specs.keys() - set(header))
    if missing or not header:
        raise RefusedError(
            f"Input {where}: its first line must name the columns "
            f"{', '.join(missing) or 'of the model'}."
        )
    line = reader.line_num + 1
    for row in rows:
        if row:
            size_bytes = sum(map(len, row)) + len(row)
            yield Record(
                line=line, size_bytes=size_bytes, read=partial(_instance, header, row, specs)
            )
        line = reader.line_num + 1


def _rows(reader: Iterator[list[str]], where: str) -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error as error:
        line: int = getattr(reader, "line_num", 0)
        raise RefusedError(f"Input {where}: line {line} is not CSV: {error}.") from error


def _instance(
    header: Sequence[str], row: Sequence[str], specs: Mapping[str, TensorSpec | None]
) -> dict[str, JsonValue]:
    if len(row) != len(header):
        raise ValueError(f"The row has {len(row)} cells for {len(header)} columns.")
    cells = dict(zip(header, row, strict=True))
    return {name: _cell(name, cells[name], spec) for name, spec in specs.items()}


def _cell(name: str, text: str, spec: TensorSpec | None) -> JsonValue:
    if not text.isascii() and any("\udc80" <= character <= "\udcff" for character in text):
        raise ValueError(f"Column '{name}' is not UTF-8.")
    if spec is None:
        try:
            value: JsonValue = json.loads(text)
        except ValueError:
            return text
        return value
    try:
        return _nested(_scalar(text, spec.dtype), spec)
    except (ValueError, KeyError) as error:
        raise ValueError(f"Column '{name}': {text!r} is no {spec.dtype}.") from error


def _scalar(text: str, dtype: str) -> JsonValue:
    if text.startswith("["):
        value: JsonValue = json.loads(text)
        return value
    if dtype == "string":
        return text
    if dtype == "bool":
        return _TRUTHS[text.strip().lower()]
    return float(text) if "float" in dtype else int(text)


def _nested(value: JsonValue, spec: TensorSpec) -> JsonValue:
    """Put one value into as many lists as the model's shape has dimensions in an instance."""
    if spec.shape is not None and not isinstance(value, list):
        for _ in spec.shape[1:]:
            value = [value]
    return value


def _tfrecord(stream: IO[bytes], signature: Signature | None, where: str) -> Iterator[Record]:
    # The one checksum that Python's own library lacks.
    from google_crc32c import value as crc32c  # noqa: PLC0415 other formats do without

    def intact(data: bytes, expected: int) -> bool:
        crc: int = crc32c(data)
        return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF == expected

    number = 0
    while head := stream.read(_HEAD_BYTES):
        number += 1
        fault = f"Input {where}: record {number} is damaged or cut short."
        if len(head) < _HEAD_BYTES:
            raise RefusedError(fault)
        length, checksum = _LENGTH.unpack(head)
        if not intact(head[:8], checksum):
            raise RefusedError(fault)
        if length > _LINE_BYTES:
            raise RefusedError(f"Input {where}: record {number} is longer than 64 MiB.")
        data = stream.read(length)
        tail = stream.read(_CHECKSUM.size)
        if len(tail) < _CHECKSUM.size or not intact(data, _CHECKSUM.unpack(tail)[0]):
            raise RefusedError(fault)
        yield Record(line=number, size_bytes=length, read=partial(_example, data, signature))


def _example(data: bytes, signature: Signature | None) -> Any:
    """Give the features by name, or the bytes to a model that parses them itself."""
    try:
        features = wire.message("Example").FromString(data).features.feature
    except DecodeError as error:
        raise ValueError("The record is no tf.Example.") from error
    values = {name: _values(features[name]) for name in features}
    if signature is None:
        return {name: found[0] if len(found) == 1 else found for name, found in values.items()}
    inputs = signature.inputs
    if len(inputs) == 1:
        name, spec = next(iter(inputs.items()))
        if spec.dtype == "string" and name not in values:
            return data
    missing = sorted(inputs.keys() - values.keys())
    if missing:
        raise ValueError(f"The example lacks {', '.join(missing)}.")
    return {name: _shaped(name, values[name], spec) for name, spec in inputs.items()}


def _values(feature: Any) -> list[Any]:
    for kind in ("bytes", "float", "int64"):
        if feature.HasField(kind):
            return list(getattr(feature, kind).value)
    return []


def _shaped(name: str, values: list[Any], spec: TensorSpec) -> Any:
    shape = (None,) * (2 if len(values) != 1 else 1) if spec.shape is None else spec.shape
    dims = shape[1:]
    # From the innermost dimension outwards; the outermost takes what there is.
    for size in reversed(dims[1:]):
        if size is None or len(values) % size:
            raise ValueError(f"Feature '{name}' has {len(values)} values, which do not fit.")
        values = [values[start : start + size] for start in range(0, len(values), size)]
    if not dims and len(values) == 1:
        return values[0]
    if not dims or dims[0] not in {None, len(values)}:
        raise ValueError(f"Feature '{name}' has {len(values)} values, which do not fit.")
    return values
