"""The processes of a cluster: started, awaited, stopped, and gone even if their user is killed.

Owns a process's life and its log. A keeper, a small process beside them, waits for the end of a
pipe that only this process holds: when this process dies, however it dies, the kernel closes the
pipe and the keeper kills what is left and removes the directory and the control groups. Which
processes there are is others' to say.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

POLL_SECONDS: Final = 0.05
STOP_SECONDS: Final = 10.0
_LOG_TAIL_BYTES: Final = 3000
_REMOVAL_ATTEMPTS: Final = 200


class ClusterError(Exception):
    """A cluster did not start; the message has what its processes said."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """A running process of the cluster."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    end_by: signal.Signals

    def said(self) -> str:
        """Return the end of what it logged."""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - _LOG_TAIL_BYTES))
            return file.read().decode(errors="replace")


class Family:
    """Processes that live and end together; made by `family`."""

    def __init__(self, directory: Path, keeper: IO[bytes]) -> None:
        self.directory = directory
        self.members: list[Member] = []
        self.cgroups: list[Path] = []
        self._keeper = keeper

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        environ: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
        end_by: signal.Signals = signal.SIGTERM,
    ) -> Member:
        """Start a process in a session of its own, so that no key press on a terminal ends it."""
        log = self.directory / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 -- programs that `programs` found or built
                command,
                env=None if environ is None else dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                pass_fds=pass_fds,
            )
        self._tell_keeper("process", process.pid, _started(process.pid))
        member = Member(name=name, process=process, log=log, end_by=end_by)
        self.members.append(member)
        return member

    def make_cgroup(self, path: Path) -> None:
        """Make a control group that is gone when the processes are."""
        self._tell_keeper("cgroup", path)
        self.cgroups.append(path)
        path.mkdir()

    def _tell_keeper(self, *words: object) -> None:
        self._keeper.write(f"{json.dumps([str(word) for word in words])}\n".encode())
        self._keeper.flush()

    def wait_until(self, what: str, ready: Callable[[], bool], *, seconds: float) -> None:
        """Wait for a condition; a process that ends meanwhile ends the waiting."""
        deadline = time.monotonic() + seconds
        while not ready():
            for member in self.members:
                if member.process.poll() is not None:
                    raise ClusterError(
                        f"{member.name} ended with {member.process.returncode}:\n{member.said()}"
                    )
            if time.monotonic() > deadline:
                logs = "\n".join(f"--- {each.name}\n{each.said()}" for each in self.members)
                raise ClusterError(f"{what}: not within {seconds:.0f} s\n{logs}")
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """End every process, the last one first."""
        for member in reversed(self.members):
            member.process.send_signal(member.end_by)
            try:
                member.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                member.process.kill()
                member.process.wait()
        self.members.clear()
        for cgroup in self.cgroups:
            _remove_cgroup(cgroup)
        self.cgroups.clear()


@contextlib.contextmanager
def family(directory: Path) -> Iterator[Family]:
    """Run processes whose logs and data are below a directory that is gone in the end."""
    directory.mkdir(parents=True, exist_ok=True)
    keeper = subprocess.Popen(  # noqa: S603 -- this module
        [sys.executable, "-I", "-S", __file__, str(directory)],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    if keeper.stdin is None:  # for the type checker: a pipe was asked for
        raise AssertionError
    members = Family(directory, keeper.stdin)
    try:
        yield members
    finally:
        members.stop()
        keeper.stdin.close()
        keeper.wait()


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback that are free now, each another one."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def _started(pid: int) -> str:
    """Return when a process started, which tells it from a later one of the same number."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except FileNotFoundError:
        # A system without /proc, or it has ended already.
        return "-"


def _remove_cgroup(path: Path) -> None:
    """Remove a control group and those below, once their last process is dead."""
    for _ in range(_REMOVAL_ATTEMPTS):
        if not path.exists():
            return
        for directory, _, _ in os.walk(path, topdown=False):
            with contextlib.suppress(OSError):
                Path(directory).rmdir()
        time.sleep(POLL_SECONDS)


def _keep(directory: Path) -> None:
    """Read processes until the pipe ends, then kill those that are left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    kept = [json.loads(line) for line in sys.stdin]
    for kind, name, *started in reversed(kept):
        if kind == "process" and _started(int(name)) == started[0]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(name), signal.SIGKILL)
    for kind, name, *_ in kept:
        if kind == "cgroup":
            _remove_cgroup(Path(name))
    for _ in range(_REMOVAL_ATTEMPTS):
        shutil.rmtree(directory, ignore_errors=True)
        # A process that is just dying may still have written.
        if not directory.exists():
            break
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    _keep(Path(sys.argv[1]))
