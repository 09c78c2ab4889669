"""What the HTTP parts say to each other: requests, responses, limits. Pure types."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class HttpLimits:
    """What one client may ask for."""

    max_header_bytes: int = 64 * 1024
    max_body_bytes: int = 256 * 1024 * 1024
    # A request must have arrived, and a response must have been taken, within this time.
    transfer_seconds: float = 60.0
    idle_seconds: float = 120.0
    request_seconds: float = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One whole request; the body is decompressed."""

    method: str
    target: str
    body: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Response:
    """One whole response. `headers` are lines that end in CRLF."""

    status: int
    body: bytes
    content_type: bytes = b"application/json"
    headers: bytes = b""


Handler = Callable[[Request], Awaitable[Response]]
ErrorPage = Callable[[int, str], Response]
