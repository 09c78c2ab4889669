"""One client's HTTP/1.1 connection: parsing, limits, time-outs, answers in order.

Knows bytes, not routes. httptools parses. TLS and HTTP/2 are left out: this server is for one
machine.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, cast

import httptools

from local_model_server.rest_gzip import BodyTooLargeError, BrokenBodyError, decompress
from local_model_server.rest_messages import Request, Response

if TYPE_CHECKING:
    from local_model_server.rest_http import HttpServer

# A pipelining client waits beyond this many unanswered requests.
_MAX_PIPELINED: Final = 16
# How long a refused client may go on sending before it is cut off without having read why.
_LINGER_SECONDS: Final = 5.0
_BODY_HEADERS: Final = frozenset(
    {b"content-length", b"transfer-encoding", b"content-encoding", b"expect"}
)
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_REASONS: Final = {status.value: status.phrase.encode() for status in HTTPStatus} | {
    499: b"Client Closed Request"
}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pending:
    """A place in the order of answers: a request, or the refusal of one."""

    request: Request | None
    refusal: Response | None = None
    keep_alive: bool
    is_head: bool = False


class Connection(asyncio.Protocol):
    """One client. Callbacks of the parser run inside `data_received`."""

    def __init__(self, server: "HttpServer") -> None:
        self._server = server
        self._limits = server.limits
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._queue: deque[_Pending] = deque()
        self._serving = False
        # No further request of this client is read; it sends no more; no answer goes to it.
        self._deaf = False
        self._client_done = False
        self._hung_up = False
        self._reading_paused = False
        self._writable: asyncio.Future[None] | None = None
        self._watchdog: asyncio.TimerHandle | None = None
        self._since = self._loop.time()
        self._in_message = False
        self._in_head = False
        self._head_bytes = 0
        self._reset()

    def _reset(self) -> None:
        self._url = b""
        self._encoding = b""
        self._expects_continue = False
        self._body: list[bytes] = []
        self._body_headers: list[bytes] = []
        self._body_bytes = 0

    # The transport's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._server.remember(self)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the interface
        """End; whoever still waits for this client is let go."""
        self._transport = None
        self._deaf = self._hung_up = True
        if self._watchdog is not None:
            self._watchdog.cancel()
        self.resume_writing()
        self._server.forget(self)

    def eof_received(self) -> bool:
        """Let a client that has sent all it had still get its answers."""
        self._deaf = self._client_done = True
        return self._serving

    def pause_writing(self) -> None:
        """Answer nothing more until the client takes what it has."""
        self._since = self._loop.time()
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        """Go on answering."""
        if self._writable is not None:
            self._writable.set_result(None)
            self._writable = None

    def data_received(self, data: bytes) -> None:
        """Parse what came; the parser calls back for each whole part."""
        if self._deaf:
            return
        if not self._in_message:
            self._since = self._loop.time()
        rest = data
        try:
            while rest:
                rest = self._feed(rest)
        except httptools.HttpParserError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, f"Malformed HTTP request: {error}")
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.max_header_bytes:
                self._refuse(
                    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                    f"The request's headers exceed {self._limits.max_header_bytes} bytes",
                )

    def _feed(self, data: bytes) -> bytes:
        """Parse; give back what is to be parsed once more.

        That is a request which offers another protocol, as those of Java's client do. It is
        answered in this one, but the parser leaves its body to the other; so it comes again
        without the offer.
        """
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            method = self._parser.get_method()
            self._parser = httptools.HttpRequestParser(self)
            if method == b"CONNECT":
                self._refuse(HTTPStatus.METHOD_NOT_ALLOWED, "This server is no proxy")
                return b""
            head = b"%b %b HTTP/1.1\r\n%b\r\n" % (method, self._url, b"".join(self._body_headers))
            return head + data[upgrade.args[0] :]
        return b""

    # The parser's side.

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._reset()
        self._in_message = self._in_head = True
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Take a piece of the target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note the headers that say how the body comes."""
        if not self._in_head:
            return
        lowered = name.lower()
        if lowered in _BODY_HEADERS:
            self._body_headers.append(b"%b: %b\r\n" % (name, value))
        if lowered == b"content-encoding":
            self._encoding = value.strip().lower()
        elif lowered == b"expect":
            self._expects_continue = value.lower() == b"100-continue"
        elif lowered == b"content-length" and int(value) > self._limits.max_body_bytes:
            self._body_bytes = int(value)

    def on_headers_complete(self) -> None:
        """Refuse a body that is announced as too large; tell who waits to go on."""
        self._in_head = False
        if self._body_bytes:
            self._refuse_body()
        elif self._expects_continue and not self._serving and self._transport is not None:
            self._transport.write(_CONTINUE)

    def on_body(self, chunk: bytes) -> None:
        """Take a piece of the body."""
        self._body_bytes += len(chunk)
        if self._body_bytes > self._limits.max_body_bytes:
            self._refuse_body()
        elif not self._deaf:
            self._body.append(chunk)

    def on_message_complete(self) -> None:
        """Queue the whole request."""
        self._in_message = False
        self._since = self._loop.time()
        if self._deaf or self._parser.should_upgrade():
            return
        method = self._parser.get_method().decode()
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        if self._encoding not in (b"", b"identity"):
            try:
                body = decompress(body, self._encoding, self._limits.max_body_bytes)
            except BodyTooLargeError:
                self._refuse_body()
                return
            except BrokenBodyError as error:
                self._refuse(HTTPStatus.BAD_REQUEST, str(error))
                return
        self._enqueue(
            _Pending(
                request=Request(method=method, target=self._url.decode("latin-1"), body=body),
                keep_alive=self._parser.should_keep_alive(),
                is_head=method == "HEAD",
            )
        )

    # Answers, in order.

    def _refuse_body(self) -> None:
        self._refuse(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"The request's body exceeds {self._limits.max_body_bytes} bytes",
        )

    def _refuse(self, status: int, message: str) -> None:
        """Answer in turn and read nothing more."""
        if self._deaf:
            return
        refusal = self._server.error_page(status, message)
        self._enqueue(_Pending(request=None, refusal=refusal, keep_alive=False))
        self._deaf = True

    def _enqueue(self, pending: _Pending) -> None:
        self._queue.append(pending)
        if not pending.keep_alive:
            self._deaf = True
        if not self._serving:
            self._serving = True
            self._server.keep(self._loop.create_task(self._serve()))
        elif len(self._queue) >= _MAX_PIPELINED and self._transport is not None:
            self._reading_paused = True
            self._transport.pause_reading()

    async def _serve(self) -> None:
        """Answer what is queued, one after the other."""
        while self._queue and not self._hung_up:
            pending = self._queue.popleft()
            if self._reading_paused and self._transport is not None:
                self._reading_paused = False
                self._transport.resume_reading()
            response = pending.refusal
            if pending.request is not None:
                timer = self._loop.call_later(self._limits.request_seconds, self._give_up, pending)
                response = await self._server.handler(pending.request)
                timer.cancel()
            if response is not None:
                self._write(response, pending)
            if self._writable is not None:
                await self._writable
        self._serving = False
        self._since = self._loop.time()
        if self._client_done:
            self._hang_up()

    def _give_up(self, pending: _Pending) -> None:
        """Answer for a handler that takes too long; what it makes later has no reader."""
        response = self._server.error_page(
            HTTPStatus.GATEWAY_TIMEOUT,
            f"Timed out: no answer within {self._limits.request_seconds:g} s "
            "(--rest_api_timeout_in_ms)",
        )
        self._write(response, replace(pending, keep_alive=False))

    def _write(self, response: Response, pending: _Pending) -> None:
        transport = self._transport
        if transport is None or self._hung_up:
            return
        keep = pending.keep_alive and not (self._server.draining and not self._queue)
        head = (
            b"HTTP/1.1 %d %b\r\nDate: %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n%b%b\r\n"
            % (
                response.status,
                _REASONS[response.status],
                self._server.date(),
                response.content_type,
                len(response.body),
                response.headers,
                b"" if keep else b"Connection: close\r\n",
            )
        )
        transport.write(head if pending.is_head else head + response.body)
        if not keep:
            self._hang_up(linger=pending.request is None)

    def _hang_up(self, *, linger: bool = False) -> None:
        """End after what is written; `linger` leaves a client time to read it while it sends."""
        self._deaf = self._hung_up = True
        self._queue.clear()
        if self._transport is None:
            return
        if linger and not self._client_done:
            # To close with bytes unread would reset the connection, and the answer with it.
            self._transport.write_eof()
            self._loop.call_later(_LINGER_SECONDS, self._transport.abort)
        else:
            self._transport.close()

    # Time.

    def _watch(self) -> None:
        """Look again when the earliest limit can have passed."""
        limits = self._limits
        now = self._loop.time()
        busy = self._in_message or self._writable is not None
        limit = limits.transfer_seconds if busy else limits.idle_seconds
        if now - self._since >= limit and self._transport is not None:
            if self._writable is not None:
                self.abort()
            elif self._in_message:
                self._refuse(
                    HTTPStatus.REQUEST_TIMEOUT,
                    f"The request did not arrive within {limits.transfer_seconds:g} s",
                )
            elif not self._serving:
                self._transport.close()
        wait = min(limits.transfer_seconds, limits.idle_seconds) / 4
        self._watchdog = self._loop.call_later(wait, self._watch)

    def drain(self) -> None:
        """End as soon as what was asked is answered."""
        if self._transport is not None and not self._serving and not self._in_message:
            self._transport.close()

    def abort(self) -> None:
        """End at once."""
        if self._transport is not None:
            self._transport.abort()
