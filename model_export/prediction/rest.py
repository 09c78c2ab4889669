"""TF Serving's REST interface, over connections that stay open."""

import time
from http import HTTPStatus
from http.client import BadStatusLine, RemoteDisconnected
from typing import Any
from urllib.parse import quote

import urllib3
from numpy.typing import NDArray
from urllib3 import exceptions as http

from model_export.errors import RefusedError
from model_export.manifest import Signature
from model_export.prediction.call import (
    CallError,
    Columns,
    Rows,
    Signatures,
    Target,
    too_late,
    unreachable,
)
from model_export.prediction.endpoint import RestEndpoint
from model_export.prediction.instances import instance_count
from model_export.prediction.json_codec import failed, read_outputs, read_signatures, request_body

_HEADERS = {"Content-Type": "application/json"}
_PIECE_BYTES = 1 << 20
# A server or gateway that has the interface but hands out no metadata.
_NO_METADATA = {
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.NOT_IMPLEMENTED,
}


class RestTransport:
    """Keeps as many connections as there were calls at once, up to `connections`."""

    def __init__(self, endpoint: RestEndpoint, target: Target, connections: int) -> None:
        self._url = endpoint.url
        self._target = target
        self._path = _path(target)
        self._pool = urllib3.PoolManager(maxsize=connections, retries=False)

    def signatures(self, timeout_seconds: float) -> Signatures | None:
        """Ask `GET …/metadata`."""
        status, answer, _ = self._ask("GET", f"{self._path}/metadata", None, timeout_seconds)
        if status in _NO_METADATA:
            return None
        if status != HTTPStatus.OK:
            raise failed(self._url, status, answer)
        return read_signatures(self._url, answer)

    def predict(
        self, inputs: Rows | Columns, signature: Signature | None, timeout_seconds: float
    ) -> dict[str, NDArray[Any]]:
        """Post the values as they are; the server knows their types."""
        body = request_body(self._target, inputs)
        status, answer, retry_after = self._ask(
            "POST", f"{self._path}:predict", body, timeout_seconds
        )
        if status != HTTPStatus.OK:
            raise failed(self._url, status, answer, retry_after=retry_after)
        return read_outputs(self._url, answer, signature, instance_count(inputs))

    def close(self) -> None:
        """End the connections."""
        self._pool.clear()

    def _ask(
        self, method: str, path: str, body: bytes | None, timeout_seconds: float
    ) -> tuple[int, bytes, str | None]:
        until = time.monotonic() + timeout_seconds
        try:
            with self._pool.request(
                method,
                self._url + path,
                body=body,
                headers=_HEADERS,
                timeout=urllib3.Timeout(total=timeout_seconds),
                redirect=False,
                preload_content=False,
            ) as response:
                # The time-out above is for each wait alone; an answer may come drop by drop.
                pieces: list[bytes] = []
                while piece := response.read1(_PIECE_BYTES):
                    pieces.append(piece)
                    if time.monotonic() > until:
                        response.close()
                        raise too_late(self._url, timeout_seconds)
                response.release_conn()
                return response.status, b"".join(pieces), response.headers.get("Retry-After")
        except (http.LocationParseError, http.URLSchemeUnknown) as error:
            raise RefusedError(f"Endpoint {self._url}: {error}.") from error
        except (http.NewConnectionError, http.ConnectTimeoutError, http.SSLError) as error:
            raise unreachable(self._url, error.__cause__ or error, "not executed") from error
        except http.TimeoutError as error:
            raise too_late(self._url, timeout_seconds) from error
        except (http.HTTPError, OSError) as error:
            if _speaks_otherwise(error):
                raise CallError(
                    f"{self._url} does not speak HTTP. Is it a gRPC port? Then write grpc://…",
                    "final",
                ) from error
            raise unreachable(self._url, error.__cause__ or error, "unknown") from error


def _speaks_otherwise(error: BaseException) -> bool:
    """Tell an answer that is no HTTP from none; a connection that was closed is the latter."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, BadStatusLine):
        cause = cause.__cause__ or cause.__context__
    return cause is not None and not isinstance(cause, RemoteDisconnected)


def _path(target: Target) -> str:
    path = f"/v1/models/{quote(target.model or '', safe='')}"
    if target.version is not None:
        path += f"/versions/{target.version}"
    if target.label is not None:
        path += f"/labels/{quote(target.label, safe='')}"
    return path
