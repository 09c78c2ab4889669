"""The cache of what is built: where it is, who may write it, and how a thing appears there.

A thing appears whole or not at all. Whatever a killed command left lies in a directory whose
name starts with `UNFINISHED`, and the next one that holds the lock clears it away.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

UNFINISHED = ".unfinished-"


def cache_directory(environ: Mapping[str, str]) -> Path:
    """Return SERVESTACK_CACHE, else `servestack` in the user's cache directory."""
    if chosen := environ.get("SERVESTACK_CACHE"):
        return Path(chosen).absolute()
    base = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or Path.home(), ".cache")
    return Path(base, "servestack")


@contextlib.contextmanager
def locked(directory: Path, progress: Callable[[str], None]) -> Iterator[None]:
    """Hold the cache alone; the kernel lets go of it when this process ends, however it ends."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"waiting for another command that prepares the same ({lock.name})")
            fcntl.flock(lock, fcntl.LOCK_EX)
        for leftover in directory.glob(f"{UNFINISHED}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        yield


@contextlib.contextmanager
def unfinished(parent: Path) -> Iterator[Path]:
    """Yield an empty directory that is gone at the end; for who holds the cache alone."""
    directory = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=parent))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def staged(final: Path) -> Iterator[tuple[Path, Path]]:
    """Yield an empty directory that becomes `final` at the end, and a scratch one that does not."""
    with unfinished(final.parent) as directory:
        content, scratch = directory / "content", directory / "scratch"
        content.mkdir()
        scratch.mkdir()
        yield content, scratch
        if final.exists():
            os.rename(final, directory / "replaced")  # noqa: PTH104 -- pathlib's differs on Windows only
        os.rename(content, final)  # noqa: PTH104 -- likewise
