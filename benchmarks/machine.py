"""Where a run took place, so that its figures can be judged; and where the project lies."""

import os
import platform
import socket
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import psutil

BENCHMARKS: Final = Path(__file__).resolve().parent
PROJECT: Final = BENCHMARKS.parent
PROJECT_PYTHON: Final = PROJECT / ".venv" / "bin" / "python"
RESULTS: Final = BENCHMARKS / "results"
# Built once, git-ignored.
CACHE: Final = BENCHMARKS / ".servestack"

_GIVEN: Final[set[int]] = set()


def describe(command: list[str], packages: tuple[str, ...] = ()) -> dict[str, Any]:
    """Describe this run: when, by which command, on what, with which versions."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(["./benchmarks/run", Path(command[0]).stem, *command[1:]]),
        "commit": _commit(),
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "load_average_before": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
    }


def free_ports(count: int) -> list[int]:
    """Find ports that nobody listens on, never the same twice: servers start side by side."""
    listeners: list[socket.socket] = []
    ports: list[int] = []
    while len(ports) < count:
        listeners.append(socket.create_server(("127.0.0.1", 0)))
        port = listeners[-1].getsockname()[1]
        if port not in _GIVEN:
            _GIVEN.add(port)
            ports.append(port)
    for listener in listeners:
        listener.close()
    return ports


def note(text: str) -> None:
    """Say how far the run is."""
    print(text, file=sys.stderr, flush=True)


def _commit() -> str:
    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=PROJECT, check=True, capture_output=True, text=True
        ).stdout.strip()

    return git("rev-parse", "--short", "HEAD") + (
        " with changes" if git("status", "--porcelain", "--", "local_model_server") else ""
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()
