"""What an object store can do for us: the few verbs that GCS, S3 and their like have in common.

Owns the words between the decisions (`object_store`, `object_upload`) and the clouds' clients
(`gcs_bucket`, `s3_bucket`). Everything stands on one promise of the store: `create`, `copy` and
`complete` make an object only where none is, and of several at once one wins.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from model_export.content import Content
from model_export.errors import ModelExportError

# A file up to this size is one request, a larger one goes in parts.
SINGLE_BYTES: Final = 32 << 20
_PART_BYTES: Final = (8 << 20, 16 << 20)
# A smaller file is sent as fast as a store copies it.
COPY_FROM_BYTES: Final = 256 << 10
# Beyond some tens, more requests at once only queue up in the client.
WORKERS: Final = 16


class ObjectExistsError(ModelExportError):
    """There is an object of this name already, and it was left alone."""


class ObjectMissingError(ModelExportError):
    """There is no object of this name."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a store is waited for before its user is told."""

    connect_seconds: float = 10.0
    # For one answer, and for the same request repeated with growing pauses.
    answer_seconds: float = 60.0
    attempts: int = 6
    total_seconds: float = 180.0


@dataclass(frozen=True, kw_only=True)
class StoredObject:
    """An object as the store describes it; as long as `tag` is equal, so are its bytes."""

    key: str
    size_bytes: int
    modified: datetime
    tag: str
    sha256: str | None = None


class Parts(Protocol):
    """A large object that arrives in pieces; nothing is to be seen of it until `complete`."""

    def put(self, number: int, data: bytes) -> None:
        """Store one part, counted from 0, unless an earlier run did; safe in several threads."""

    def complete(self, content: Content) -> StoredObject:
        """Make the object of all parts, or raise ObjectExistsError."""


class Folders(Protocol):
    """Folders that are more than a part of their objects' names; theirs end in a slash."""

    def rename(self, folder: str, to: str) -> None:
        """Move a folder with all below it in one step.

        Raises ObjectExistsError where one of the new name exists, and ObjectMissingError where
        there is none of the old.
        """

    def remove_empty(self, prefix: str) -> None:
        """Remove the folders whose names begin so, but for those that hold something."""


class Bucket(Protocol):
    """One bucket, seen from a prefix; keys are relative to it."""

    @property
    def url(self) -> str:
        """Name the place, without a slash at the end."""

    def objects(self, prefix: str) -> tuple[StoredObject, ...]:
        """List all objects whose keys begin so."""

    def folders(self, prefix: str) -> tuple[str, ...]:
        """List the names directly below a prefix that ends in a slash, where objects are below."""

    def real_folders(self, prefix: str) -> Folders | None:
        """Give the bucket's folders, where it has them; it is asked as one who reads `prefix`."""

    def read(self, key: str, start: int = 0, count: int | None = None) -> bytes:
        """Read `count` bytes, or all, or raise ObjectMissingError."""

    def create(self, key: str, data: bytes, content: Content) -> StoredObject:
        """Make an object, or raise ObjectExistsError."""

    def parts(self, key: str, scratch: str, *, resume: bool) -> Parts:
        """Begin an object in parts, or go on; `scratch` is a prefix for what may lie about."""

    def worth_copying(self, size_bytes: int) -> bool:
        """Tell whether a copy inside the store costs less than sending."""

    def copy(self, source: str, key: str, content: Content) -> StoredObject:
        """Make an object of the bytes of another, or raise ObjectExistsError."""

    def holds(self, stored: StoredObject, content: Content) -> bool:
        """Tell whether the object has these very bytes, by the store's own checksum."""

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; one that is not there is no error."""

    def abandon_parts(self, prefix: str) -> None:
        """Forget parts below a prefix that never became an object."""


def part_bytes(size_bytes: int) -> int:
    """Choose the size of a file's parts, always the same for the same file.

    Some must fit into little memory at once, S3 takes no smaller ones than 5 MiB and no more than
    10,000 (a file of 150 GB), and Google composes 32 at a time.
    """
    least, most = _PART_BYTES
    wanted = -(-size_bytes // 32)
    return min(max(wanted, least), most)


def not_a_store(place: str) -> ModelExportError:
    """Say that what answers has other words than a store has."""
    return ModelExportError(
        f"{place}: what answers there is no such store; perhaps a proxy that wants a login, or "
        "another service. Correct the endpoint, or let the request through."
    )


def damaged(url: str, key: str) -> ModelExportError:
    """Say that the store has other bytes than were sent."""
    return ModelExportError(
        f"{url}/{key}: the store's checksum is not that of the file that was sent. The version is "
        "not published; run the same command again."
    )
