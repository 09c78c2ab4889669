"""Constant load on one URL, and what became of every request: for who wants none to be lost.

As a program it runs where its network is, such as a node's: `LoadOn` starts it there. Over HTTP
each client opens a connection for each request, as many clients do that do not know each other;
over gRPC each keeps its one connection as long as it lasts, as gRPC clients do.
"""

import argparse
import collections
import http.client
import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_SHOWN_CHARACTERS = 200


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How often each answer came, and what went wrong how often."""

    answers: dict[str, int]
    failures: dict[str, int]

    @property
    def answered(self) -> int:
        """Count the requests that were answered as asked."""
        return sum(self.answers.values())


class LoadOn:
    """Load while a `with` block runs; what came of it is `outcome` afterwards."""

    outcome: Outcome

    def __init__(
        self,
        where: Sequence[str],
        url: str,
        *,
        body: object = None,
        clients: int = 16,
        pause_seconds: float = 0.01,
        answer_seconds: float = 20.0,
    ) -> None:
        """Take the command that enters the network (`node.inside()`), and what is asked there.

        A URL grpc://HOST:PORT/SERVICE/METHOD is sent a body of bytes; its answers are told in hex.
        """
        self._command = [
            *(*where, sys.executable, "-I", __file__, url, f"--clients={clients}"),
            *(
                f"--pause-seconds={pause_seconds}",
                f"--answer-seconds={answer_seconds}",
                "--body",
                body.hex() if isinstance(body, bytes) else json.dumps(body) if body else "",
            ),
        ]

    def __enter__(self) -> Self:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(self._command, stdin=pipe, stdout=pipe, text=True)
        assert self._process.stdout is not None
        # The first answer: from here on there is load.
        if not self._process.stdout.readline():
            raise AssertionError(f"the load ended at once: {self._process.wait()}")
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        told, _ = self._process.communicate()
        self.outcome = Outcome(**json.loads(told))


class _Clients:
    def __init__(self, options: argparse.Namespace) -> None:
        self.url = urlsplit(options.url)
        self.body = options.body
        self.pause_seconds = options.pause_seconds
        self.answer_seconds = options.answer_seconds
        self.answers: collections.Counter[str] = collections.Counter()
        self.failures: collections.Counter[str] = collections.Counter()
        self.first = threading.Event()
        self.end = threading.Event()
        self.counting = threading.Lock()

    def run(self) -> None:
        while not self.end.is_set():
            try:
                status, content = self.ask()
            except (OSError, http.client.HTTPException) as error:
                self.count(self.failures, type(error).__name__)
            else:
                good = status == http.HTTPStatus.OK
                self.count(
                    self.answers if good else self.failures,
                    content if good else f"{status} {content}",
                )
            self.end.wait(self.pause_seconds)

    def ask(self) -> tuple[int, str]:
        connection = http.client.HTTPConnection(
            str(self.url.hostname), self.url.port or 80, timeout=self.answer_seconds
        )
        try:
            path = self.url.path + (f"?{self.url.query}" if self.url.query else "")
            method = "POST" if self.body else "GET"
            connection.request(method, path or "/", self.body or None)
            answer = connection.getresponse()
            content = answer.read().decode(errors="replace")
            return answer.status, content.strip()[:_SHOWN_CHARACTERS]
        finally:
            connection.close()

    def count(self, where: "collections.Counter[str]", what: str) -> None:
        with self.counting:
            if where is self.answers and not self.first.is_set():
                # Until now nobody has been told that this address answers.
                self.failures.clear()
                self.first.set()
            where[what] += 1


class _GrpcClients(_Clients):
    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        self.message = bytes.fromhex(options.body)
        self.local = threading.local()

    def ask(self) -> tuple[int, str]:
        import grpc  # noqa: PLC0415 -- only for who speaks it

        if not hasattr(self.local, "call"):
            # Else all clients of one process share a connection.
            options = [("grpc.use_local_subchannel_pool", 1)]
            channel = grpc.insecure_channel(str(self.url.netloc), options=options)
            self.local.call = channel.unary_unary(self.url.path)
        try:
            answer: bytes = self.local.call(self.message, timeout=self.answer_seconds)
        except grpc.RpcError as error:
            return 0, f"{error.code()}: {error.details()}"
        return http.HTTPStatus.OK, answer.hex()[:_SHOWN_CHARACTERS]


def main() -> None:
    """Ask until the standard input ends; say first that an answer came, then what came in all."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--body", default="")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--pause-seconds", type=float, default=0.01)
    parser.add_argument("--answer-seconds", type=float, default=20.0)
    options = parser.parse_args()
    kind = _GrpcClients if options.url.startswith("grpc:") else _Clients
    clients = kind(options)
    threads = [threading.Thread(target=clients.run) for _ in range(options.clients)]
    for thread in threads:
        thread.start()
    while not clients.first.wait(0.1) and any(thread.is_alive() for thread in threads):
        # An address that never answers is told by its failures.
        if sum(clients.failures.values()) > 100 * options.clients:
            break
    sys.stdout.write("asking\n")
    sys.stdout.flush()
    sys.stdin.read()
    clients.end.set()
    for thread in threads:
        thread.join()
    json.dump({"answers": clients.answers, "failures": clients.failures}, sys.stdout)


if __name__ == "__main__":
    main()
