"""Predictions over REST, as `curl` and the REST transport of Google's client ask for them."""

import json
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc

from tests.vertex.server.api_error import ApiError
from tests.vertex.server.prediction import Router

_PATH = re.compile(r"/v1/(projects/[^:?]+/endpoints/[^/:?]+):(?:predict|rawPredict)(?:\?.*)?")
_CODES = {
    grpc.StatusCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    grpc.StatusCode.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    grpc.StatusCode.PERMISSION_DENIED: HTTPStatus.FORBIDDEN,
}


class _Handler(BaseHTTPRequestHandler):
    router: Router

    def do_POST(self) -> None:
        found = _PATH.fullmatch(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self.headers.get("Authorization", "").startswith("Bearer "):
            self._answer(HTTPStatus.UNAUTHORIZED, {"error": {"message": "There is no token."}})
        elif found is None:
            self._answer(HTTPStatus.NOT_FOUND, {"error": {"message": self.path}})
        else:
            try:
                self._answer(HTTPStatus.OK, self.router.answer(found[1], json.loads(body)))
            except ApiError as error:
                status = _CODES.get(error.code, HTTPStatus.BAD_REQUEST)
                self._answer(status, {"error": {"code": status, "message": error.message}})

    def _answer(self, status: HTTPStatus, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def running_rest(router: Router, key: Path, certificate: Path) -> Iterator[str]:
    """Serve predictions over TLS; give host and port."""
    handler = type("Handler", (_Handler,), {"router": router})
    server = ThreadingHTTPServer(("localhost", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
