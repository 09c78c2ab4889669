"""A whole object put into S3 at the cost of one signature and one request.

A call of Amazon's client takes three times as long as its request. Here only the client's signer
is used, on the way that the client went: same place, region, credentials and certificates. Owns the
quick way alone: whatever is not plainly "done" or "exists already" is left to the client, which
repeats, redirects and explains.
"""

import re
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final
from urllib.parse import quote, urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.httpsession import where
from botocore.utils import get_environ_proxies

from model_export.bucket import Patience

_SERVICE: Final = "s3"
# Who signed, when, for which region and service.
_SIGNED: Final = re.compile(rf"AWS4-HMAC-SHA256 Credential=[^,]*/([^/,]+)/{_SERVICE}/aws4_request,")
_OK: Final = 200
_EXISTS: Final = 412


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the store said; without `made` there was such an object already."""

    made: bool
    tag: str
    checksum: str | None


@dataclass(frozen=True, kw_only=True)
class _Way:
    """Where the client's last request went, for which region, and connections to there."""

    base: str
    region: str
    idle: list[HTTPConnection] = field(default_factory=list, compare=False)


class QuickPuts:
    """Puts objects as the client would, once it has put one; safe in several threads."""

    def __init__(self, client: Any, session: Any, patience: Patience) -> None:
        self._config = client.meta.config
        self._credentials = session.get_credentials()
        self._agent = session.user_agent()
        self._ca_bundle = session.get_config_variable("ca_bundle")
        self._patience = patience
        self._way: _Way | None = None
        # The key that a thread is about to ask the client for.
        self._asked = threading.local()
        client.meta.events.register_last("before-send.s3.PutObject", self._follow)

    def put(self, key: str, data: bytes, headers: Mapping[str, str]) -> Answer | None:
        """Make an object; None where the client is to be asked, by the same thread."""
        self._asked.path = path = quote(key, safe="/~")
        way = self._way
        if way is None:
            return None
        target = way.base + path
        place = urlsplit(target)
        request = AWSRequest("PUT", target, {**headers, "Host": place.netloc})
        request.context["client_config"] = self._config
        credentials = self._credentials.get_frozen_credentials()
        S3SigV4Auth(credentials, _SERVICE, way.region).add_auth(request)
        request.headers["User-Agent"] = self._agent
        try:
            connection = self._connection(way)
            connection.request("PUT", place.path, data, dict(request.headers.items()))
            answer = connection.getresponse()
            answer.read()
        except (HTTPException, OSError):
            return None
        way.idle.append(connection)
        made, tag = answer.status == _OK, answer.getheader("ETag", "")
        if not (made and tag) and answer.status != _EXISTS:
            return None
        return Answer(made=made, tag=tag, checksum=answer.getheader("x-amz-checksum-crc32c"))

    def _follow(self, request: Any, **_event: Any) -> None:
        """Learn the way of a request that the client is about to send."""
        base = request.url.removesuffix(self._asked.path)
        header = request.headers.get("Authorization", b"")
        signed = _SIGNED.match(header.decode() if isinstance(header, bytes) else header)
        is_plain = base.endswith("/") and base != request.url and "@" not in base
        if signed and is_plain and not get_environ_proxies(base):
            way = _Way(base=base, region=signed[1])
            self._way = self._way if way == self._way else way

    def _connection(self, way: _Way) -> HTTPConnection:
        """Give one that is idle, or a new one."""
        try:
            return way.idle.pop()
        except IndexError:
            place = urlsplit(way.base)
        host, seconds = place.hostname or "", self._patience.connect_seconds
        connection = HTTPConnection(host, place.port, timeout=seconds)
        if place.scheme == "https":
            connection = HTTPSConnection(host, place.port, timeout=seconds, context=self._trust)
        connection.connect()
        connection.sock.settimeout(self._patience.answer_seconds)
        return connection

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._ca_bundle or where())
