"""A store in a directory, safe for several publishers at once and against being killed.

A new version is written into a hidden staging directory beside its siblings and becomes visible by
one rename. The publisher holds a lock on its staging directory; the next publisher of the model
removes each staging directory whose lock nobody holds, because its owner is dead.
"""

import errno
import fcntl
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from model_export.archive.archives import DirectoryArchives
from model_export.directory_keeping import STAGING_PREFIX, DirectoryKeeping, deleted_versions
from model_export.draft import Draft
from model_export.errors import ModelExportError, RefusedError
from model_export.layout import (
    MANIFEST_NAME,
    MAX_VERSION,
    is_model_name,
    manifest_path,
    parse_version,
    version_path,
)
from model_export.manifest import FileEntry, Manifest, dump_manifest, parse_manifest
from model_export.source import HashedReading, SourceFile

# What rename says where something stands in the way.
_TAKEN: Final = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR}
_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class DirectoryStore:
    """Versions under `<root>/<model>/<version>/`."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self._root = Path(root).expanduser().resolve()
        with _explained(self._root):
            there = self._root.is_dir()
        if not there:
            raise RefusedError(
                f"Store {self._root} is not a directory; make it first (mkdir -p {self._root}) "
                "or correct the path."
            )

    @property
    def url(self) -> str:
        """Name the store as a file URL."""
        return self._root.as_uri()

    def models(self) -> tuple[str, ...]:
        """List the models that have at least one version, sorted."""
        with _explained(self._root):
            names = sorted(entry.name for entry in self._root.iterdir() if entry.is_dir())
        return tuple(name for name in names if is_model_name(name) and self.versions(name))

    def versions(self, model: str) -> tuple[int, ...]:
        """List a model's versions, ascending."""
        return _versions(self._root / model)

    def manifest(self, model: str, version: int) -> Manifest:
        """Read a version's manifest; a version that is not there is refused."""
        path = self._root / manifest_path(model, version)
        try:
            document = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError) as error:
            known = ", ".join(map(str, self.versions(model))) or "none"
            raise RefusedError(
                f"{self.url} has no version {version} of model '{model}' (published: {known})."
            ) from error
        except OSError as error:
            raise ModelExportError(f"Cannot read {path}: {error.strerror}.") from error
        manifest = parse_manifest(document, str(path))
        if (manifest.model, manifest.version) != (model, version):
            raise ModelExportError(
                f"{path} is the manifest of {manifest.model}/{manifest.version}, not of "
                f"{model}/{version}: the directory was copied or renamed. Publish it instead."
            )
        return manifest

    def read(self, model: str, version: int, path: str, start: int, count: int) -> bytes:
        """Read a piece of one file of a version."""
        location = self._root / version_path(model, version) / path
        with _explained(location), location.open("rb") as file:
            file.seek(start)
            return file.read(count)

    def keeping(self, model: str) -> DirectoryKeeping:
        """Look after a model's versions."""
        return DirectoryKeeping(self._root / model)

    def archives(self, model: str) -> DirectoryArchives:
        """Keep archives of a model's versions."""
        return DirectoryArchives(self._root, model)

    @contextmanager
    def begin(self, draft: Draft) -> Iterator["DirectoryUpload"]:
        """Start the draft's version: with the number it names, or with the next free one."""
        home, version = self._root / draft.model, draft.version
        if version is not None and version in {*_numbers(home), *deleted_versions(home)}:
            raise _taken(home, version)
        with _explained(home):
            home.mkdir(exist_ok=True)
            _remove_abandoned(home)
            staging, lock = _stage(home)
        try:
            yield DirectoryUpload(staging, version)
        finally:
            # After a commit the staging directory has its final name and nothing is left here.
            shutil.rmtree(staging, ignore_errors=True)
            os.close(lock)


class DirectoryUpload:
    """One version on its way into a directory."""

    def __init__(self, staging: Path, version: int | None) -> None:
        self._staging = staging
        self._home = staging.parent
        self._version = version

    def send(
        self, files: Sequence[SourceFile], advance: Callable[[int], None]
    ) -> tuple[FileEntry, ...]:
        """Copy files one after the other: a disk is not faster for being asked twice."""
        entries: list[FileEntry] = []
        for file in files:
            reading = HashedReading(file, advance)
            self._put(file.path, reading)
            entries.append(reading.entry())
        return tuple(entries)

    def commit(self, manifest_of: Callable[[int, int | None], Manifest]) -> Manifest:
        """Write the manifest last, then give the directory its number."""
        with _explained(self._home):
            for directory, _, _ in os.walk(self._staging):
                _sync(Path(directory))
        while True:
            version = self._version or _next_number(self._home)
            earlier = [known for known in _versions(self._home) if known < version]
            manifest = manifest_of(version, max(earlier, default=None))
            (self._staging / MANIFEST_NAME).unlink(missing_ok=True)
            self._put(MANIFEST_NAME, [dump_manifest(manifest)])
            with _explained(self._home):
                _sync(self._staging)
                if _renamed(self._staging, self._home / str(version)):
                    _sync(self._home)
                    return manifest
            if self._version is not None:
                raise _taken(self._home, version)

    def _put(self, path: str, chunks: Iterable[bytes]) -> None:
        """Write one file and see it onto the disk."""
        target = self._staging / path
        with _explained(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file:
                file.writelines(chunks)
                file.flush()
                # Read-only, since a version never changes.
                os.fchmod(file.fileno(), 0o444)
                os.fsync(file.fileno())


def _numbers(home: Path) -> list[int]:
    """List the numbers that are taken, by a version or by whatever else lies there."""
    with _explained(home):
        try:
            names = [entry.name for entry in home.iterdir()]
        except FileNotFoundError:
            return []
    return sorted(number for name in names if (number := parse_version(name)) is not None)


def _versions(home: Path) -> tuple[int, ...]:
    with _explained(home):
        return tuple(
            number for number in _numbers(home) if (home / str(number) / MANIFEST_NAME).is_file()
        )


def _next_number(home: Path) -> int:
    highest = max((*_numbers(home), *deleted_versions(home)), default=0)
    if highest >= MAX_VERSION:
        raise RefusedError(
            f"{home} holds version {highest}, and no number is higher; give a free one with "
            "--version."
        )
    return highest + 1


def _taken(home: Path, version: int) -> RefusedError:
    if version in _versions(home):
        return RefusedError(
            f"Version {version} is published already in {home}, and a version never changes; "
            "leave --version out for the next free number."
        )
    if version in deleted_versions(home):
        return RefusedError(
            f"Version {version} was published in {home} and deleted, and a number is never given "
            "twice; leave --version out for the next free number."
        )
    return RefusedError(
        f"{home / str(version)} stands in the way: it has no {MANIFEST_NAME}, so it is no "
        "published version. Remove it, or choose another number."
    )


def _renamed(source: Path, target: Path) -> bool:
    """Rename a directory that is not empty; False where the new name is taken.

    A directory can be renamed onto another only where that one is empty, so nothing that was
    published is ever overwritten.
    """
    try:
        source.rename(target)
    except OSError as error:
        if error.errno in _TAKEN:
            return False
        raise
    return True


def _stage(home: Path) -> tuple[Path, int]:
    """Make a staging directory and hold its lock for as long as the descriptor is open."""
    while True:
        staging = home / f"{STAGING_PREFIX}{uuid.uuid4().hex}"
        staging.mkdir()
        with suppress(FileNotFoundError):
            lock = os.open(staging, os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Between its making and its locking another publisher may have taken it for
            # abandoned.
            if staging.exists():
                return staging, lock
            os.close(lock)


def _remove_abandoned(home: Path) -> None:
    for staging in home.glob(f"{STAGING_PREFIX}*"):
        with suppress(FileNotFoundError):
            lock = os.open(staging, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(staging, ignore_errors=True)
            except BlockingIOError:
                pass  # Its owner is alive.
            finally:
                os.close(lock)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Say what an error of the file system means for the user."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise ModelExportError(
                f"The store is full: {path}: {error.strerror}. Free some space, then run the "
                "same command again."
            ) from error
        raise ModelExportError(
            f"Cannot use the store: {path}: {error.strerror}. Check that it is there and that "
            "you may write to it."
        ) from error
