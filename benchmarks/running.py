"""Servers as processes: started, answering rightly, paused while others are measured, stopped."""

import contextlib
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import grpc
import numpy as np
import psutil
from load import Door
from models import Images
from servers import Setup

_START_SECONDS: Final = 180
_LOG_NAME: Final = "log.txt"
_STOP_SECONDS: Final = 15


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server that answers."""

    setup: Setup
    process: psutil.Process

    def processes(self) -> list[psutil.Process]:
        """Give the server's own process and those that it started."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return [self.process, *self.process.children(recursive=True)]
        return []

    def pause(self) -> None:
        """Take no more of the cores: some of the servers poll even when nobody asks."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)


@contextlib.contextmanager
def started(setup: Setup) -> Iterator[Server]:
    """Start a server, and stop it at the end."""
    with (setup.directory / _LOG_NAME).open("wb") as output:
        process = subprocess.Popen(
            setup.command,
            cwd=setup.directory,
            env=os.environ | dict(setup.environment),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(setup=setup, process=psutil.Process(process.pid))
    try:
        yield server
    finally:
        _stop(server, process)


def wait_until_right(server: Server, expected: Images) -> None:
    """Wait until each door gives the expected answer."""
    for protocol, door in server.setup.doors.items():
        np.testing.assert_allclose(
            server.setup.readers[protocol](_first_answer(server, door)),
            np.ravel(expected),
            atol=1e-4,
            err_msg=f"{server.setup.server} over {protocol}",
        )


def ask(door: Door, body: bytes, timeout_seconds: float = 30) -> bytes:
    """Send one request."""
    if door.protocol == "gRPC":
        with grpc.insecure_channel(f"127.0.0.1:{door.port}") as channel:
            answer: bytes = channel.unary_unary(door.path)(body, timeout=timeout_seconds)
            return answer
    request = urllib.request.Request(
        f"http://127.0.0.1:{door.port}{door.path}",
        body,
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=timeout_seconds) as response:  # noqa: S310
        return bytes(response.read())


def _first_answer(server: Server, door: Door) -> bytes:
    body = (door.bodies / "000").read_bytes()
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            return ask(door, body)
        except (OSError, grpc.RpcError) as error:
            dead = server.process.status() == psutil.STATUS_ZOMBIE
            if dead or time.monotonic() > deadline:
                log = (server.setup.directory / _LOG_NAME).read_text(errors="replace")
                raise SystemExit(
                    f"{server.setup.server} does not answer: {error}\n{log[-2000:]}"
                ) from error
            time.sleep(0.2)


def _stop(server: Server, process: subprocess.Popen[bytes]) -> None:
    everything = server.processes()
    server.resume()
    process.terminate()
    _, left = psutil.wait_procs(everything, timeout=_STOP_SECONDS)
    for each in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    process.wait(_STOP_SECONDS)
