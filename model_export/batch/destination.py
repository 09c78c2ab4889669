"""Where the finished lines go: a path, or an object in a bucket.

Owns giving them their name, in one step. Until then they lie in a file of this machine, beside a
path, or in the working directory for an object; so a run goes on where an earlier one stopped on
the same machine.
"""

from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from model_export.batch.source import open_bucket
from model_export.bucket import SINGLE_BYTES, Bucket, ObjectExistsError, StoredObject, part_bytes
from model_export.content import Content, read_content
from model_export.errors import RefusedError
from model_export.source import HashedReading, SourceFile
from model_export.transfers import Transfers


class Destination(Protocol):
    """One of a batch's two outputs; what becomes of it is written at `work` with an ending."""

    place: str
    work: Path

    def exists(self) -> bool:
        """Tell whether there is one of that name."""

    def take(self, lines: Path) -> None:
        """Give the lines their name, and be done with the file."""

    def remove(self) -> None:
        """Take away what an earlier batch left under that name."""


class PathDestination:
    """A file."""

    def __init__(self, path: Path) -> None:
        self.place = str(path)
        self.work = path

    def exists(self) -> bool:
        """Tell whether there is one of that name."""
        return self.work.exists()

    def take(self, lines: Path) -> None:
        """Rename it, which replaces what is there."""
        lines.rename(self.work)

    def remove(self) -> None:
        """Remove it."""
        self.work.unlink(missing_ok=True)


class ObjectDestination:
    """An object."""

    def __init__(self, place: str, bucket: Bucket, key: str, *, overwrite: bool) -> None:
        self.place = place
        self._bucket = bucket
        self._key = key
        self._scratch = f"{key}.parts/"
        self._overwrite = overwrite
        # Objects of one name in two places have two files.
        digest = sha256(place.encode()).hexdigest()[:8]
        self.work = Path(f"{key.rpartition('/')[2]}-{digest}")

    def exists(self) -> bool:
        """Tell whether there is one of that name."""
        return self._there() is not None

    def take(self, lines: Path) -> None:
        """Send them; an object of the same bytes is what a killed run had sent."""
        file = _file(lines)
        content = read_content(file)
        there = self._there()
        if there is not None and not self._bucket.holds(there, content):
            if not self._overwrite:
                raise self._taken()
            self.remove()
            there = None
        if there is None:
            try:
                self._send(file, content)
            except ObjectExistsError as error:
                raise self._taken() from error
        self._bucket.delete([entry.key for entry in self._bucket.objects(self._scratch)])
        lines.unlink()

    def remove(self) -> None:
        """Remove it."""
        self._bucket.delete([self._key])

    def _there(self) -> StoredObject | None:
        found = self._bucket.objects(self._key)
        return next((entry for entry in found if entry.key == self._key), None)

    def _send(self, file: SourceFile, content: Content) -> None:
        if content.size_bytes <= SINGLE_BYTES:
            self._bucket.create(self._key, file.location.read_bytes(), content)
            return
        parts = self._bucket.parts(self._key, self._scratch, resume=True)
        reading = HashedReading(file, lambda _: None, part_bytes(content.size_bytes))
        with Transfers() as transfers:
            for number, part in enumerate(reading):
                transfers.submit(len(part), partial(parts.put, number, part))
        parts.complete(content)

    def _taken(self) -> RefusedError:
        return RefusedError(
            f"{self.place} has come to be while the batch ran. Remove it and run the same command "
            "again, or say --overwrite to begin anew."
        )


def find_destination(place: str, *, overwrite: bool) -> Destination:
    """Find where a batch's output is to go."""
    scheme, separator, rest = place.partition("://")
    if separator and scheme != "file":
        bucket, key = open_bucket("Output", place)
        if not key or key.endswith("/"):
            raise RefusedError(
                f"Output {place}: name the object, as in {place.rstrip('/')}/out.jsonl."
            )
        return ObjectDestination(place, bucket, key, overwrite=overwrite)
    path = Path(rest if separator else place)
    if path.is_dir():
        raise RefusedError(f"Output {place} is a directory; name a file.")
    if not path.parent.is_dir():
        raise RefusedError(f"Output {place}: there is no directory {path.parent}; make it first.")
    return PathDestination(path)


def _file(lines: Path) -> SourceFile:
    size_bytes = lines.stat().st_size
    state = (size_bytes, 0, 0)
    return SourceFile(path=lines.name, location=lines, size_bytes=size_bytes, state=state)
