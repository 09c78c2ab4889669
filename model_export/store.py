"""What every place that holds versions can do.

Owns the protocol; each kind of store is a module of its own. A version exists once its manifest
does: what lies there without one is invisible through this door.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol
from urllib.parse import unquote, urlsplit

from model_export.archive.archives import Archives
from model_export.draft import Draft
from model_export.errors import RefusedError
from model_export.keeping import Keeping
from model_export.manifest import FileEntry, Manifest
from model_export.source import SourceFile


class Upload(Protocol):
    """One version on its way into a store; without `commit` nothing of it can be seen."""

    def send(
        self, files: Sequence[SourceFile], advance: Callable[[int], None]
    ) -> tuple[FileEntry, ...]:
        """Store some of the draft's files, each read once, and say what was read.

        When this returns, all of them are in the store. `advance` is told of each piece of bytes,
        by any thread.
        """

    def commit(self, manifest_of: Callable[[int, int | None], Manifest]) -> Manifest:
        """Make the version visible in one step and give its manifest back.

        `manifest_of(version, parent)` is asked for the manifest once the number is known; where
        another publisher took that number first, it is asked again for the next.
        """


class Store(Protocol):
    """A bucket of models, each with numbered, immutable versions."""

    @property
    def url(self) -> str:
        """Name the store, without a slash at the end."""

    def models(self) -> tuple[str, ...]:
        """List the models that have at least one version, sorted."""

    def versions(self, model: str) -> tuple[int, ...]:
        """List a model's versions, ascending."""

    def manifest(self, model: str, version: int) -> Manifest:
        """Read a version's manifest; a version that is not there is refused."""

    def read(self, model: str, version: int, path: str, start: int, count: int) -> bytes:
        """Read a piece of one file of a version."""

    def begin(self, draft: Draft) -> AbstractContextManager[Upload]:
        """Start the draft's version: with the number it names, or with the next free one."""

    def keeping(self, model: str) -> Keeping:
        """Look after a model's versions."""

    def archives(self, model: str) -> Archives:
        """Keep archives of a model's versions."""


def open_store(url: str) -> Store:
    """Find the store that a URL or path names."""
    # Each kind of store is imported when it is asked for: a cloud's client is slow to load and
    # need not be installed.
    match url.partition("://"):
        case ("gs", "://", place):
            with _needed("google-cloud-storage", "gcs", url):
                from model_export.gcs_bucket import GcsBucket  # noqa: PLC0415
                from model_export.object_store import ObjectStore  # noqa: PLC0415
            return ObjectStore(GcsBucket(*_bucket_and_prefix(url, place)))
        case ("s3", "://", place):
            with _needed("botocore", "s3", url):
                from model_export.object_store import ObjectStore  # noqa: PLC0415
                from model_export.s3_bucket import S3Bucket  # noqa: PLC0415
            return ObjectStore(S3Bucket(*_bucket_and_prefix(url, place)))
        case ("file", "://", _):
            parts = urlsplit(url)
            if parts.netloc not in {"", "localhost"}:
                raise RefusedError(
                    f"Store {url}: a file URL names this machine's files; write file:///PATH."
                )
            path = unquote(parts.path)
        case (scheme, "://", _):
            raise RefusedError(
                f"Store {url}: '{scheme}://' is not a kind of store that this version knows; give "
                "gs://BUCKET, s3://BUCKET, or a directory as a path or as file:///PATH."
            )
        case _:
            path = url
    from model_export.directory_store import DirectoryStore  # noqa: PLC0415

    return DirectoryStore(path)


def _bucket_and_prefix(url: str, place: str) -> tuple[str, str]:
    """Part the place into the bucket and a prefix that is empty or ends in a slash."""
    bucket, _, prefix = place.partition("/")
    prefix = prefix.strip("/")
    if not bucket or not url.isprintable() or "//" in prefix:
        raise RefusedError(f"Store {url}: write {url.partition(':')[0]}://BUCKET[/FOLDER].")
    return bucket, f"{prefix}/" if prefix else ""


@contextmanager
def _needed(distribution: str, extra: str, url: str) -> Iterator[None]:
    """Say which extra brings the client of a kind of store."""
    try:
        yield
    except ImportError as error:
        raise RefusedError(
            f"Store {url}: {distribution} is not installed; pip install 'servestack[{extra}]'."
        ) from error
