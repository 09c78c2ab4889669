"""A proxy before an object store that lets calls fail, in each way that a call can fail.

Faults are planned for each model by itself, so that many publishers can meet theirs at once.
"""

import http.client
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeVar
from urllib.parse import urlsplit

Fault = Callable[["Call"], None]
Answer = tuple[int, list[tuple[str, str]], bytes]

_MODEL = re.compile(rb"models(?:/|%2F)([a-z]+-[0-9]+)(?:/|%2F)")
# Enough to find a key in a body that names one.
_HEAD_BYTES = 4096
# Of one connection from one hop to the next, and so not passed on.
_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass
class Plan:
    """The fault is done to the call that has the number `at`, or to all from it on."""

    fault: Fault
    at: int
    lasting: bool = False


@dataclass
class Traffic:
    """What was asked for one model since the last plan."""

    calls: list[str] = field(default_factory=list)
    sent_bytes: int = 0


class FaultyProxy:
    """Counts the calls of each model and does what is planned."""

    def __init__(self, backend: str) -> None:
        self.backend = backend
        self.url = ""
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._plans: dict[str, Plan] = {}
        self._traffic: dict[str, Traffic] = {}

    def plan(self, model: str, plan: Plan | None = None) -> Traffic:
        """Count anew, with a fault or with none; give what was counted before."""
        with self._lock:
            self._plans.pop(model, None)
            if plan:
                self._plans[model] = plan
            before = self._traffic.get(model, Traffic())
            self._traffic[model] = Traffic()
            return before

    def fault_of(self, line: str, body: bytes) -> Fault | None:
        """Count a call and find what is to be done to it."""
        found = _MODEL.search(line.encode()) or _MODEL.search(body[:_HEAD_BYTES])
        if found is None:
            return None
        model = found[1].decode()
        with self._lock:
            traffic = self._traffic.setdefault(model, Traffic())
            traffic.calls.append(line)
            traffic.sent_bytes += len(body)
            number, plan = len(traffic.calls), self._plans.get(model)
        if plan and (number == plan.at or (plan.lasting and number > plan.at)):
            return plan.fault
        return None


class Call(BaseHTTPRequestHandler):
    """One request of the client."""

    protocol_version = "HTTP/1.1"
    # A head and a body are two packets; the second would wait for the first's acknowledgement.
    disable_nagle_algorithm = True
    proxy: FaultyProxy

    def handle_one_request(self) -> None:
        """Read a request; a client that goes away is part of the game."""
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Treat all methods alike."""
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        self.body = self.read_body()
        fault = self.proxy.fault_of(f"{self.command} {self.path}", self.body)
        if fault:
            fault(self)
        else:
            self.reply(*self.forward())

    def read_body(self) -> bytes:
        """Read what the client sends."""
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def forward(self) -> Answer:
        """Pass the request on and give the answer."""
        address = urlsplit(self.proxy.backend).netloc
        connection = http.client.HTTPConnection(address, timeout=30)
        try:
            # The host stays the proxy's, as the client has signed it.
            connection.putrequest(
                self.command, self.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in self.headers.items():
                if name.lower() not in {"connection", "expect", "transfer-encoding"}:
                    connection.putheader(name, value)
            connection.endheaders(self.body)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def reply(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Answer the client."""
        lengths = [value for name, value in headers if name.lower() == "content-length"]
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in _HOP:
                self.send_header(name, value)
        # The answer to HEAD has the length of a body that does not come.
        length = lengths[0] if lengths and self.command == "HEAD" else str(len(body))
        self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(body)

    def drop(self) -> None:
        """Close the connection without an answer."""
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def refuse(call: Call) -> None:
    """Be too busy to do it."""
    call.reply(503, [], b"")


def deny(call: Call) -> None:
    """Not permit it."""
    call.reply(403, [], b"")


def hang(call: Call) -> None:
    """Neither do it nor answer."""
    call.proxy.closing.wait(30)
    call.drop()


def lose(call: Call) -> None:
    """Do it, and lose the answer."""
    call.forward()
    call.drop()


def misreport(call: Call) -> None:
    """Do it, and say that it failed."""
    call.forward()
    call.reply(503, [], b"")


Proxy = TypeVar("Proxy", bound=FaultyProxy)


@contextmanager
def faulty_proxy(backend: str, tls: ssl.SSLContext | None = None) -> Iterator[FaultyProxy]:
    """Run a proxy, with TLS towards its clients if it is told."""
    with served(FaultyProxy(backend), Call, tls) as proxy:
        yield proxy


@contextmanager
def served(proxy: Proxy, call: type[Call], tls: ssl.SSLContext | None = None) -> Iterator[Proxy]:
    """Run a proxy that treats each call in its own way."""
    handler = type("BoundCall", (call,), {"proxy": proxy})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    proxy.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield proxy
    finally:
        proxy.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
