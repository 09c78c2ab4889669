"""Who may change a stack: one command of ours at a time, and no engine beside it.

The first is a lock of the operating system, which a killed command cannot leave behind. The
engine's own is a file, which it can; it is taken away when its writer is certainly gone.
"""

import contextlib
import fcntl
import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import psutil

from infra.releases.errors import OperationFailedError, UpdateRunningError

_CLOCK_SLACK_SECONDS: Final = 2.0
_ORPHAN_SECONDS: Final = 120.0
_PAUSE_SECONDS: Final = 0.2
# The argument by which the Automation API marks the engines that it starts.
_STARTED_BY_US: Final = "auto.local"
# How a command of ours is started: by its name, or as a module.
_COMMANDS: Final = frozenset({"servestack", "infra.releases.cli"})


@contextlib.contextmanager
def hold_stack(home: Path, stack: str) -> Iterator[None]:
    """Be the only command of ours that changes this stack from this checkout."""
    path = home / "locks" / f"{stack.replace('/', '-')}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise OperationFailedError(
            f"{path} cannot be written: {error.strerror}. Make it writable, or set SERVESTACK_HOME "
            "to a directory that is."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise UpdateRunningError(
                f"Stack {stack} is being changed by another servestack command "
                f"({lock.read().strip() or 'just starting'}). Wait for its end, then try again."
            ) from None
        lock.truncate(0)
        lock.write(f"pid {os.getpid()}, since {datetime.now().astimezone():%Y-%m-%d %H:%M:%S}")
        lock.flush()
        yield
        lock.truncate(0)


@dataclass(frozen=True, kw_only=True)
class EngineLock:
    """The engine's lock file, as its file backend writes it."""

    pid: int
    user: str
    host: str
    since: datetime

    def holder(self) -> psutil.Process | None:
        """Find the process that wrote it; a later process with the same pid is somebody else."""
        try:
            process = psutil.Process(self.pid)
            started = process.create_time()
            if process.status() == psutil.STATUS_ZOMBIE:
                return None
        except psutil.NoSuchProcess:
            return None
        return process if started <= self.since.timestamp() + _CLOCK_SLACK_SECONDS else None


def file_backend(environ: Mapping[str, str]) -> Path | None:
    """Give the directory of the backend where it is one, so that its locks can be looked at."""
    scheme, _, place = environ.get("PULUMI_BACKEND_URL", "").partition("://")
    return Path(unquote(place)).expanduser() if scheme == "file" and place else None


def read_locks(state: Path, stack: str) -> list[EngineLock]:
    """Read the lock files of a stack in a file backend."""
    locks = []
    for path in state.glob(f".pulumi/locks/*/*/{stack}/*.json"):
        with contextlib.suppress(FileNotFoundError, ValueError, KeyError):
            content: Mapping[str, str] = json.loads(path.read_bytes())
            locks.append(
                EngineLock(
                    pid=int(content["pid"]),
                    user=content["username"],
                    host=content["hostname"],
                    since=datetime.fromisoformat(content["timestamp"]),
                )
            )
    return locks


def clear_stale_locks(
    state: Path, stack: str, *, say: Callable[[str], None], cancel: Callable[[], object]
) -> None:
    """Take away the lock of an engine that is gone; refuse while one works.

    An engine whose command was killed is an orphan: what it began is let come to its end.
    """
    deadline = time.monotonic() + _ORPHAN_SECONDS
    told = False
    while locks := read_locks(state, stack):
        alive = [lock for lock in locks if lock.host != platform.node() or lock.holder()]
        if not alive:
            gone = ", ".join(f"pid {lock.pid}" for lock in locks)
            say(f"An earlier update was killed ({gone} is gone); taking its lock away")
            _end_orphaned_providers(state)
            cancel()
            return
        lock = alive[0]
        if not _is_orphan(lock) or time.monotonic() > deadline:
            raise UpdateRunningError(
                f"Stack {stack} is being updated by {lock.user}@{lock.host}, pid {lock.pid}, since "
                f"{lock.since.astimezone():%Y-%m-%d %H:%M:%S}. Wait for its end, then try again."
            )
        if not told:
            say(f"The engine of a killed command still works (pid {lock.pid}); waiting for its end")
            told = True
        time.sleep(_PAUSE_SECONDS)


def _is_orphan(lock: EngineLock) -> bool:
    holder = lock.holder() if lock.host == platform.node() else None
    try:
        if holder is None or _STARTED_BY_US not in holder.cmdline():
            return False
        # From another checkout, on the same state, a command may be at work with it.
        parent = holder.parent()
        words = parent.cmdline() if parent is not None else []
    except psutil.Error:
        return False
    return _COMMANDS.isdisjoint(Path(word).name for word in words)


def _end_orphaned_providers(state: Path) -> None:
    """End what a killed engine left running: it would work on beside the next update.

    Ours are known by the backend in their environment; with that engine gone nobody needs them.
    """
    for process in psutil.process_iter(["cmdline"]):
        with contextlib.suppress(psutil.Error):
            if (
                "pulumi.dynamic" in (process.info["cmdline"] or ())
                and process.environ().get("PULUMI_BACKEND_URL") == state.as_uri()
                and not _has_engine(process)
            ):
                process.kill()


def _has_engine(process: psutil.Process) -> bool:
    return any(parent.name() == "pulumi" for parent in process.parents())
