"""Who may change a stack, and what a killed update leaves."""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra.releases.errors import OperationFailedError, UpdateRunningError
from infra.releases.locks import clear_stale_locks, hold_stack


def write_lock(
    state: Path, *, pid: int, host: str | None = None, since: datetime | None = None
) -> Path:
    """Write a lock file as the engine's file backend does."""
    path = state / ".pulumi" / "locks" / "organization" / "servestack" / "local" / f"{pid}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "pid": pid,
        "username": "ann",
        "hostname": host or platform.node(),
        "timestamp": (since or datetime.now(UTC)).isoformat(),
    }
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture
def said() -> list[str]:
    return []


def start_engine(*arguments: str) -> subprocess.Popen[bytes]:
    """Start a process that looks like an engine until its stdin is closed."""
    return subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()", *arguments], stdin=subprocess.PIPE
    )


@pytest.fixture
def engine_by_hand() -> Iterator[subprocess.Popen[bytes]]:
    with start_engine() as process:
        yield process


def test_without_a_lock_nothing_is_done(tmp_path: Path, said: list[str]) -> None:
    clear_stale_locks(tmp_path, "local", say=said.append, cancel=lambda: said.append("cancelled"))
    assert said == []


def test_the_lock_of_a_process_that_is_gone_is_taken_away_and_told(
    tmp_path: Path, dead_pid: int, said: list[str]
) -> None:
    write_lock(tmp_path, pid=dead_pid)
    clear_stale_locks(tmp_path, "local", say=said.append, cancel=lambda: said.append("cancelled"))
    assert said == [
        f"An earlier update was killed (pid {dead_pid} is gone); taking its lock away",
        "cancelled",
    ]


def test_a_later_process_with_the_same_pid_holds_no_lock(tmp_path: Path, said: list[str]) -> None:
    write_lock(tmp_path, pid=os.getpid(), since=datetime.now(UTC) - timedelta(days=1))
    clear_stale_locks(tmp_path, "local", say=said.append, cancel=lambda: said.append("cancelled"))
    assert said[-1] == "cancelled"


def test_a_running_update_is_refused_with_who_and_since_when(
    tmp_path: Path, engine_by_hand: subprocess.Popen[bytes], said: list[str]
) -> None:
    write_lock(tmp_path, pid=engine_by_hand.pid)
    with pytest.raises(UpdateRunningError, match=rf"ann@.*, pid {engine_by_hand.pid}, since 20"):
        clear_stale_locks(tmp_path, "local", say=said.append, cancel=lambda: None)
    assert said == []


def test_the_lock_of_another_machine_is_never_taken_away(
    tmp_path: Path, dead_pid: int, said: list[str]
) -> None:
    write_lock(tmp_path, pid=dead_pid, host="another-machine")
    with pytest.raises(UpdateRunningError, match="ann@another-machine"):
        clear_stale_locks(tmp_path, "local", say=said.append, cancel=lambda: None)


def test_the_engine_of_a_killed_command_is_let_come_to_its_end(
    tmp_path: Path, said: list[str]
) -> None:
    with start_engine("--exec-kind", "auto.local") as engine:
        lock = write_lock(tmp_path, pid=engine.pid)

        def say(line: str) -> None:
            said.append(line)
            lock.unlink()

        clear_stale_locks(tmp_path, "local", say=say, cancel=lambda: said.append("cancelled"))
        assert said == [
            f"The engine of a killed command still works (pid {engine.pid}); waiting for its end"
        ]


def test_the_engine_of_a_command_in_another_checkout_is_no_orphan(
    tmp_path: Path, said: list[str]
) -> None:
    start = (
        "import subprocess, sys; engine = subprocess.Popen([sys.executable, '-c', "
        "'import sys; sys.stdin.read()', '--exec-kind', 'auto.local']); "
        "print(engine.pid, flush=True); engine.wait()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", start, "servestack"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as command:
        assert command.stdout is not None
        pid = int(command.stdout.readline())
        write_lock(tmp_path, pid=pid)
        with pytest.raises(UpdateRunningError, match=rf"ann@.*, pid {pid}, since 20"):
            clear_stale_locks(tmp_path, "local", say=said.append, cancel=lambda: None)
    assert said == []


def test_locks_of_other_stacks_do_not_matter(
    tmp_path: Path, engine_by_hand: subprocess.Popen[bytes]
) -> None:
    write_lock(tmp_path, pid=engine_by_hand.pid)
    clear_stale_locks(tmp_path, "dev", say=print, cancel=lambda: None)


HOLD = """
import sys, pathlib
from infra.releases.locks import hold_stack
with hold_stack(pathlib.Path(sys.argv[1]), "local"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_command_is_refused_until_the_first_ends_however_it_ends(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"held\n"
        with (
            pytest.raises(
                UpdateRunningError, match=rf"another servestack command \(pid {first.pid}"
            ),
            hold_stack(tmp_path, "local"),
        ):
            pass
        with hold_stack(tmp_path, "dev"):
            pass
        first.kill()
    started = time.monotonic()
    with hold_stack(tmp_path, "local"):
        assert time.monotonic() - started < 5


def test_a_home_that_is_no_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with (
        pytest.raises(OperationFailedError, match="SERVESTACK_HOME"),
        hold_stack(tmp_path / "home", "local"),
    ):
        pass
