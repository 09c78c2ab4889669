"""The input as a stream of bytes, from a path or from a bucket, and what tells it from another.

Owns opening and unpacking; what the bytes mean is `records`'.
"""

import gzip
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

from model_export.bucket import Bucket
from model_export.errors import ModelExportError, RefusedError

FORMATS: Final = ("jsonl", "csv", "tfrecord")
_ENDINGS: Final = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tfrecord": "tfrecord",
    ".tfrecords": "tfrecord",
}
_PACKED: Final = ".gz"
_WINDOW_BYTES: Final = 8 << 20


@dataclass(frozen=True, kw_only=True)
class Source:
    """An input; as long as `tag` is equal, so are its bytes."""

    place: str
    size_bytes: int
    tag: str
    open_raw: Callable[[], IO[bytes]]

    @property
    def is_packed(self) -> bool:
        """Tell whether it is read through gzip."""
        return self.place.endswith(_PACKED)

    def open(self) -> IO[bytes]:
        """Open it, unpacked, at its beginning."""
        raw = self.open_raw()
        return cast("IO[bytes]", gzip.open(raw)) if self.is_packed else raw


def find_source(place: str) -> Source:
    """Look at what is to be read."""
    scheme, separator, rest = place.partition("://")
    if separator and scheme != "file":
        return _object(place)
    path = Path(rest if separator else place)
    try:
        found = path.stat()
    except OSError as error:
        raise RefusedError(f"Input {place}: {error.strerror}.") from error
    if not path.is_file():
        raise RefusedError(f"Input {place} is no file.")
    return Source(
        place=place,
        size_bytes=found.st_size,
        tag=f"{found.st_size}-{found.st_mtime_ns}",
        open_raw=lambda: path.open("rb"),
    )


def format_of(place: str) -> str:
    """Tell the format by the name's ending."""
    name = place.removesuffix(_PACKED)
    ending = os.path.splitext(name)[1].lower()  # noqa: PTH122 it may be a URL
    if ending not in _ENDINGS:
        raise RefusedError(
            f"Input {place}: its name does not end with {', '.join(_ENDINGS)} (and .gz), so say "
            f"--format {'|'.join(FORMATS)}."
        )
    return _ENDINGS[ending]


def open_bucket(what: str, place: str) -> tuple[Bucket, str]:
    """Open the bucket that a URL names, and give the object's key."""
    scheme, _, rest = place.partition("://")
    name, _, key = rest.partition("/")
    try:
        # Each is imported when it is asked for: a cloud's client need not be installed.
        match scheme:
            case "gs":
                from model_export.gcs_bucket import GcsBucket  # noqa: PLC0415

                return GcsBucket(name), key
            case "s3":
                from model_export.s3_bucket import S3Bucket  # noqa: PLC0415

                return S3Bucket(name), key
            case _:
                raise RefusedError(
                    f"{what} {place}: give a path, gs://BUCKET/KEY or s3://BUCKET/KEY."
                )
    except ImportError as error:
        extra = {"gs": "gcs"}.get(scheme, scheme)
        raise RefusedError(
            f"{what} {place}: {error.name} is not installed; pip install 'servestack[{extra}]'."
        ) from error


def _object(place: str) -> Source:
    bucket, key = open_bucket("Input", place)
    found = bucket.objects(key) if key else ()
    stored = next((each for each in found if each.key == key), None)
    if stored is None:
        raise RefusedError(f"Input {place}: there is no such object.")
    return Source(
        place=place,
        size_bytes=stored.size_bytes,
        tag=stored.tag,
        open_raw=lambda: io.BufferedReader(
            _ObjectStream(bucket, key, stored.size_bytes), _WINDOW_BYTES
        ),
    )


def check_unchanged(source: Source) -> None:
    """Refuse an input that was written to while it was read."""
    if find_source(source.place).tag != source.tag:
        raise ModelExportError(
            f"Input {source.place} was changed while it was read, so its predictions are of no "
            "use. Run again with --overwrite."
        )


class _ObjectStream(io.RawIOBase):
    """An object, read in large pieces."""

    def __init__(self, bucket: Bucket, key: str, size_bytes: int) -> None:
        self._bucket = bucket
        self._key = key
        self._left_bytes = size_bytes
        self._start = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override] # typeshed's Buffer is newer than Python 3.11
        count = min(len(buffer), self._left_bytes)
        if not count:
            return 0
        data = self._bucket.read(self._key, self._start, count)
        buffer[: len(data)] = data
        self._start += len(data)
        self._left_bytes -= len(data)
        return len(data)
