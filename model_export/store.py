"""What every place that holds versions can do.

Owns the protocol; each kind of store is a module of its own. A version exists once its manifest
does: what lies there without one is invisible through this door.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Protocol
from urllib.parse import unquote, urlsplit

from model_export.errors import RefusedError
from model_export.manifest import Manifest


class Upload(Protocol):
    """One version on its way into a store; left without `commit`, it leaves nothing behind."""

    def put(self, path: str, chunks: Iterable[bytes]) -> None:
        """Store one file of the version, its path relative to the version with '/' inside."""

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

    def begin(self, model: str, version: int | None) -> AbstractContextManager[Upload]:
        """Start a new version: with this number, or with the next free one."""


def open_store(url: str) -> Store:
    """Find the store that a URL or path names."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        if parts.netloc not in {"", "localhost"}:
            raise RefusedError(
                f"Store {url}: a file URL names this machine's files; write file:///PATH."
            )
        path = unquote(parts.path)
    elif "://" in url:
        raise RefusedError(
            f"Store {url}: '{parts.scheme}://' is not a kind of store that this version knows; "
            "give a directory, as a path or as file:///PATH."
        )
    else:
        path = url
    # Each kind of store is imported when it is asked for: a cloud's client is slow to load and
    # need not be installed.
    from model_export.directory_store import DirectoryStore  # noqa: PLC0415

    return DirectoryStore(path)
