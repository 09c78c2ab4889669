"""Looking after the versions of a model in a directory."""

import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from model_export.archive.archives import DirectoryArchives
from model_export.errors import ModelExportError
from model_export.keeping import DELETED, Leftover, StoredFile, deleted_name
from model_export.layout import MANIFEST_NAME, parse_version

# Hidden, and no number: neither TF Serving nor our own listing takes it for a version.
STAGING_PREFIX: Final = ".publishing-"
_REMOVING_PREFIX: Final = ".removing-"


class DirectoryKeeping:
    """The versions below one model's directory."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def files(self, version: int) -> tuple[StoredFile, ...]:
        """List what lies under a version; a disk keeps no checksums."""
        root = self._home / str(version)
        with _explained(root):
            return tuple(
                StoredFile(path=path.relative_to(root).as_posix(), size_bytes=path.lstat().st_size)
                for path in sorted(root.rglob("*"))
                if not path.is_dir() and path != root / MANIFEST_NAME
            )

    def deleted(self) -> tuple[int, ...]:
        """List the versions that were there once."""
        return deleted_versions(self._home)

    def remove(self, version: int) -> None:
        """Take the whole directory out of sight by one rename, then remove it."""
        root = self._home / str(version)
        with _explained(root):
            graves = self._home / DELETED
            graves.mkdir(exist_ok=True)
            copied = graves / f".{uuid.uuid4().hex}"
            shutil.copyfile(root / MANIFEST_NAME, copied)
            copied.replace(graves / deleted_name(version))
            DirectoryArchives(self._home.parent, self._home.name).remove(version)
            self._bury(root)

    def leftovers(self) -> tuple[Leftover, ...]:
        """Find staging directories, half removed ones, and numbers without a manifest."""
        with _explained(self._home):
            if not self._home.is_dir():
                return ()
            return tuple(
                Leftover(
                    name=entry.name, last_change=_last_change(entry), is_alive=_is_locked(entry)
                )
                for entry in sorted(self._home.iterdir())
                if entry.is_dir() and not entry.is_symlink() and _is_leftover(entry)
            )

    def clear(self, leftover: Leftover) -> bool:
        """Remove it, unless it has become a version or a publisher works on it."""
        root = self._home / leftover.name
        # Two that clean at once may each find it gone.
        with _explained(root), suppress(FileNotFoundError):
            if _is_locked(root) or not _is_leftover(root):
                return False
            self._bury(root)
        return True

    def _bury(self, root: Path) -> None:
        hidden = self._home / f"{_REMOVING_PREFIX}{uuid.uuid4().hex}"
        root.rename(hidden)
        shutil.rmtree(hidden)


def deleted_versions(home: Path) -> tuple[int, ...]:
    """List the versions that were there once, ascending."""
    with _explained(home):
        names = [path.stem for path in (home / DELETED).glob("*.json")]
        numbers = sorted(number for name in names if (number := parse_version(name)) is not None)
        # One that was interrupted before it was out of sight still stands.
        return tuple(number for number in numbers if not _is_version(home / str(number)))


def _is_version(root: Path) -> bool:
    return (root / MANIFEST_NAME).is_file()


def _is_leftover(root: Path) -> bool:
    if parse_version(root.name) is not None:
        return not _is_version(root)
    return root.name.startswith((STAGING_PREFIX, _REMOVING_PREFIX))


def _is_locked(root: Path) -> bool:
    """Tell whether a publisher holds its staging directory."""
    with suppress(FileNotFoundError):
        lock = os.open(root, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
    return False


def _last_change(root: Path) -> datetime:
    newest = root.stat().st_mtime
    for path in root.rglob("*"):
        with suppress(FileNotFoundError):
            newest = max(newest, path.lstat().st_mtime)
    return datetime.fromtimestamp(newest, UTC)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ModelExportError(
            f"Cannot use the store: {error.filename or path}: {error.strerror}. Check that it is "
            "there and that you may write to it."
        ) from error
