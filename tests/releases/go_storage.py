"""A proxy that lets Google's client for Go, which the engine has, use fake-gcs-server.

That client reads objects by the address of the XML API, which the server answers on one host name
only, and sends them in chunks.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from tests.stores.faulty_proxy import Answer, Call, FaultyProxy, served

_READ = re.compile(r"/(?!storage/|upload/|download/)([^/]+)/([^?]+)(?:\?.*)?")


class _GoCall(Call):
    def read_body(self) -> bytes:
        """Read the chunks, to pass them on in one piece."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return super().read_body()
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        self.headers["Content-Length"] = str(len(body))
        return body

    def forward(self) -> Answer:
        """Ask for an object's bytes by the address that the server knows."""
        if self.command == "GET" and (read := _READ.fullmatch(self.path)):
            self.path = f"/storage/v1/b/{read[1]}/o/{read[2]}?alt=media"
        return super().forward()


@contextmanager
def for_go(backend: str) -> Iterator[str]:
    """Run the proxy and give its host and port, which is how that client wants them."""
    with served(FaultyProxy(backend), _GoCall) as proxy:
        yield proxy.url.removeprefix("http://")
