"""A test server's life: started on a free port of the loopback, ready, and gone at the end."""

import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

READY_SECONDS: Final = 20.0
POLL_SECONDS: Final = 0.02
STOP_SECONDS: Final = 5.0
ACCESS_KEY: Final = "test-access-key"
SECRET_KEY: Final = "test-secret-key"  # noqa: S105 -- of a server that lives for one test run


class ServerError(Exception):
    """A test server did not start; the message has what it said."""


@dataclass(frozen=True, kw_only=True)
class RunningServer:
    """A server that answers, and the directory that has its log and its data."""

    url: str
    pid: int
    directory: Path


@contextmanager
def fake_gcs_server(
    program: Path, directory: Path, *, on_disk: bool = False
) -> Iterator[RunningServer]:
    """Run fake-gcs-server; its objects are in memory, or on disk for what would not fit."""
    data = directory / "gcs-data"
    backend = ["-backend", "filesystem", "-filesystem-root", str(data)]
    with _running(
        lambda port: [
            str(program),
            *("-scheme", "http", "-host", "127.0.0.1", "-port", str(port)),
            # The host that a client writes into its requests, a proxy's too, is not checked.
            *("-public-host", "", "-log-level", "error"),
            *(backend if on_disk else ["-backend", "memory"]),
        ],
        directory,
        {},
        ready_path="/_internal/healthcheck",
    ) as server:
        yield server


@contextmanager
def versitygw(program: Path, directory: Path) -> Iterator[RunningServer]:
    """Run versitygw over a directory; its keys are ACCESS_KEY and SECRET_KEY."""
    data = directory / "s3-data"
    data.mkdir(exist_ok=True)
    with _running(
        lambda port: [
            # Kept open as S3 keeps them; left out, each request costs a connection.
            *(str(program), "--port", f"127.0.0.1:{port}", "--quiet", "--keep-alive"),
            *("--health", "/health", "posix", str(data)),
        ],
        directory,
        {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY},
        ready_path="/health",
    ) as server:
        yield server


@contextmanager
def _running(
    command_on: Callable[[int], list[str]],
    directory: Path,
    environment: Mapping[str, str],
    *,
    ready_path: str,
) -> Iterator[RunningServer]:
    port = _free_port()
    command = command_on(port)
    url = f"http://127.0.0.1:{port}"
    log = directory / f"{Path(command[0]).name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 -- the program that `acquire` built
            command, env=dict(environment), stdout=output, stderr=output, stdin=subprocess.DEVNULL
        )
    try:
        _wait_until_ready(process, f"{url}{ready_path}", log)
        yield RunningServer(url=url, pid=process.pid, directory=directory)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=1):  # noqa: S310 -- our own loopback server
                return
        except OSError:
            time.sleep(POLL_SECONDS)
    state = "does not answer" if process.poll() is None else f"ended with {process.returncode}"
    raise ServerError(f"{process.args!r} {state}:\n{log.read_text(errors='replace')[-2000:]}")
