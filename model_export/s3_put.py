"""A whole object put into S3 at the cost of one signature and one request.

A call of Amazon's client takes three times as long as its request. Here only the client's signer
and the library of its connections are used, on the way that the client went: same place, region
and credentials. Owns the quick way alone: whatever is not plainly "done" or "exists already" is
left to the client, which repeats, redirects and explains.
"""

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlsplit

import urllib3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.httpsession import where
from botocore.utils import get_environ_proxies

from model_export.bucket import WORKERS, Patience

_SERVICE: Final = "s3"
# Who signed, when, for which region and service.
_SIGNED: Final = re.compile(rf"AWS4-HMAC-SHA256 Credential=[^,]*/([^/,]+)/{_SERVICE}/aws4_request,")
_OK: Final = 200
_EXISTS: Final = 412


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the store said; without `made` there was such an object already."""

    made: bool
    headers: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class _Way:
    """Where the client's last request went, and for which region it was signed."""

    base: str
    region: str
    pool: urllib3.HTTPConnectionPool


class QuickPuts:
    """Puts objects as the client would, once it has put one."""

    def __init__(self, client: Any, session: Any, patience: Patience) -> None:
        self._config = client.meta.config
        self._credentials = session.get_credentials()
        self._agent = session.user_agent()
        self._certificates = session.get_config_variable("ca_bundle") or where()
        self._timeout = urllib3.Timeout(
            connect=patience.connect_seconds, read=patience.answer_seconds
        )
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
        request = AWSRequest("PUT", target, headers)
        request.context["client_config"] = self._config
        credentials = self._credentials.get_frozen_credentials()
        S3SigV4Auth(credentials, _SERVICE, way.region).add_auth(request)
        try:
            answer = way.pool.urlopen(
                "PUT",
                urlsplit(target).path,
                body=data,
                headers={**request.headers, "User-Agent": self._agent},
                retries=False,
                redirect=False,
                timeout=self._timeout,
                assert_same_host=False,
            )
        except (urllib3.exceptions.HTTPError, OSError):
            return None
        if answer.status not in {_OK, _EXISTS}:
            return None
        return Answer(made=answer.status == _OK, headers=answer.headers)

    def _follow(self, request: Any, **_event: Any) -> None:
        """Learn the way of a request that the client is about to send."""
        base = request.url.removesuffix(self._asked.path)
        header = request.headers.get("Authorization", b"")
        signed = _SIGNED.match(header.decode() if isinstance(header, bytes) else header)
        if signed and base.endswith("/") and base != request.url and not get_environ_proxies(base):
            self._way = _Way(base=base, region=signed[1], pool=self._connections(base))

    def _connections(self, base: str) -> urllib3.HTTPConnectionPool:
        if self._way and self._way.base == base:
            return self._way.pool
        options: dict[str, Any] = {"maxsize": WORKERS}
        if base.startswith("https:"):
            options["ca_certs"] = self._certificates
        return urllib3.connection_from_url(base, **options)
