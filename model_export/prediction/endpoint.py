"""Where predictions come from, as one text: a server over REST or gRPC, or a cloud's endpoint.

Pure: reads and checks the text, opens nothing.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import SplitResult, unquote, urlsplit

from model_export.errors import RefusedError

FORMS: Final = "http://HOST:PORT, grpc://HOST:PORT, vertex://PROJECT/REGION/ENDPOINT or sagemaker://REGION/NAME"
_MODEL_IN_PATH: Final = re.compile(r"/v1/models(?:/(?P<model>[^/:]+).*)?$")


@dataclass(frozen=True, kw_only=True)
class RestEndpoint:
    """A server's REST interface; `model` is named where the address of a model was given."""

    url: str
    model: str | None = None

    @property
    def name(self) -> str:
        """Name it in messages."""
        return self.url


@dataclass(frozen=True, kw_only=True)
class GrpcEndpoint:
    """A server's gRPC interface."""

    address: str
    is_encrypted: bool = False

    @property
    def name(self) -> str:
        """Name it in messages."""
        return self.address


@dataclass(frozen=True, kw_only=True)
class VertexEndpoint:
    """An endpoint of Vertex AI; a dedicated one is reached at a host of its own."""

    project: str
    region: str
    endpoint: str
    host: str | None = None

    @property
    def name(self) -> str:
        """Name it in messages."""
        return f"vertex://{self.project}/{self.region}/{self.endpoint}"


@dataclass(frozen=True, kw_only=True)
class SageMakerEndpoint:
    """A real-time endpoint of SageMaker."""

    region: str
    endpoint: str

    @property
    def name(self) -> str:
        """Name it in messages."""
        return f"sagemaker://{self.region}/{self.endpoint}"


Endpoint = RestEndpoint | GrpcEndpoint | VertexEndpoint | SageMakerEndpoint


def parse_endpoint(text: str) -> Endpoint:
    """Read an endpoint; HOST:PORT alone is gRPC."""
    try:
        parts = urlsplit(text if "://" in text else f"grpc://{text}")
        port = parts.port if parts.scheme in {"http", "https", "grpc", "grpcs"} else None
    except ValueError as error:
        raise RefusedError(f"Endpoint {text}: {error}.") from error
    if "@" in parts.netloc:
        # Named without them: what is told ends up in logs.
        raise RefusedError(
            f"Endpoint {parts.scheme}://…@{parts.netloc.rpartition('@')[2]}: a user and a password "
            "in a URL are not sent by any of these protocols; leave them out."
        )
    match parts.scheme:
        case "http" | "https" if parts.hostname:
            return _rest(parts)
        case "grpc" | "grpcs" if parts.hostname and port and parts.path in {"", "/"}:
            return GrpcEndpoint(address=parts.netloc, is_encrypted=parts.scheme == "grpcs")
        case "vertex" if names := _names(parts, 3):
            key, _, host = parts.query.partition("=")
            if key in {"", "host"}:
                return VertexEndpoint(
                    project=names[0], region=names[1], endpoint=names[2], host=host or None
                )
        case "sagemaker" if names := _names(parts, 2):
            return SageMakerEndpoint(region=names[0], endpoint=names[1])
    raise RefusedError(f"Endpoint {text!r}: write {FORMS}.")


def _rest(parts: SplitResult) -> RestEndpoint:
    # The address of a model, as a stack's outputs give it, names its server and the model.
    found = _MODEL_IN_PATH.search(parts.path)
    prefix = parts.path[: found.start()] if found else parts.path
    return RestEndpoint(
        url=f"{parts.scheme}://{parts.netloc}{prefix.rstrip('/')}",
        model=unquote(found["model"]) if found and found["model"] else None,
    )


def _names(parts: SplitResult, count: Literal[2, 3]) -> list[str]:
    """Give the names of a cloud's endpoint, or none where there are more or fewer."""
    names = [parts.netloc, *parts.path.strip("/").split("/")]
    return names if len(names) == count and all(names) else []
