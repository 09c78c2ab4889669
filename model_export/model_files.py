"""The files of one model, wherever they lie: in a directory, or as a version in a store.

Owns finding them by the words that a user gives, and reading pieces of them. What the files mean
is for others to say.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from model_export.errors import RefusedError
from model_export.layout import SAVED_MODEL_NAME, is_model_name, parse_version, version_path
from model_export.source import list_files
from model_export.store import Store, open_store


class ModelFiles(Protocol):
    """What can be asked of a model's files without knowing where they are."""

    @property
    def where(self) -> str:
        """Name the place."""

    @property
    def sizes(self) -> Mapping[str, int]:
        """Give each file's size in bytes by its path."""

    def read(self, path: str, start: int, count: int) -> bytes:
        """Read a piece of a file; less than `count` where the file ends."""


@dataclass(frozen=True, kw_only=True)
class LocalFiles:
    """A SavedModel directory."""

    where: str
    sizes: Mapping[str, int]
    directory: Path

    def read(self, path: str, start: int, count: int) -> bytes:
        """Read a piece of a file."""
        try:
            with (self.directory / path).open("rb") as file:
                file.seek(start)
                return file.read(count)
        except OSError as error:
            raise RefusedError(f"Cannot read {self.directory / path}: {error.strerror}.") from error


@dataclass(frozen=True, kw_only=True)
class StoredFiles:
    """A published version."""

    where: str
    sizes: Mapping[str, int]
    store: Store
    model: str
    version: int

    def read(self, path: str, start: int, count: int) -> bytes:
        """Read a piece of a file."""
        return self.store.read(self.model, self.version, path, start, count)


def find_model(place: str) -> ModelFiles:
    """Find the model that a directory, or STORE/MODEL/VERSION, names; one that is not is refused.

    A version in a directory store is a directory like any other.
    """
    parts = urlsplit(place)
    if parts.scheme == "file":
        return local_files(Path(unquote(parts.path)))
    if "://" not in place:
        return local_files(Path(place))
    store_url, _, tail = place.rstrip("/").rpartition("/")
    store_url, _, model = store_url.rpartition("/")
    version = parse_version(tail)
    if version is None or not is_model_name(model):
        raise RefusedError(
            f"{place} names no version; write the store's address, then the model and the version, "
            f"as in {parts.scheme}://{parts.netloc}/heart/3."
        )
    store = open_store(store_url)
    manifest = store.manifest(model, version)
    return StoredFiles(
        where=f"{store.url}/{version_path(model, version)}",
        sizes={entry.path: entry.size_bytes for entry in manifest.files},
        store=store,
        model=model,
        version=version,
    )


def local_files(directory: Path) -> LocalFiles:
    """Take a directory as a model."""
    if not directory.is_dir():
        raise RefusedError(f"{directory} is not a directory; give the one that holds the model.")
    files = LocalFiles(
        where=str(directory),
        sizes={file.path: file.size_bytes for file in list_files(directory)},
        directory=directory.resolve(),
    )
    if SAVED_MODEL_NAME not in files.sizes:
        raise RefusedError(_no_model(directory, files.sizes))
    return files


def _no_model(directory: Path, sizes: Mapping[str, int]) -> str:
    """Say what else the directory may be: its model is often one or two levels below."""
    if f"{SAVED_MODEL_NAME}txt" in sizes:
        return (
            f"{directory} holds its graph as text ({SAVED_MODEL_NAME}txt), which no target here "
            "takes. Save it as binary."
        )
    below = sorted(path for path in sizes if path.endswith(f"/{SAVED_MODEL_NAME}"))
    hint = (
        f"Did you mean {directory / below[-1].removesuffix(SAVED_MODEL_NAME)}?"
        if below
        else "Give the directory that tf.saved_model.save or `model-export export` wrote."
    )
    return f"{directory} is not a SavedModel: it has no {SAVED_MODEL_NAME}. {hint}"
