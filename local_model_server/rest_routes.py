"""Which thing a REST path means. Pure; the paths are TF Serving's."""

import enum
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from local_model_server.domain import Code, ServingError

_MAX_VERSION: Final = 2**63 - 1
_FLAGS: Final = re.IGNORECASE | re.ASCII
_SPEC: Final = r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?"
_CALL: Final = re.compile(_SPEC + r":(classify|regress|predict)", _FLAGS)
_STATUS: Final = re.compile(_SPEC + r"(/metadata)?", _FLAGS)
_ALL_MODELS: Final = re.compile(r"/v1/models/?", _FLAGS)


class Action(enum.Enum):
    """What is asked of a model; the values are TF Serving's `API` labels in its metrics."""

    PREDICT = "predict"
    CLASSIFY = "classify"
    REGRESS = "regress"
    STATUS = "status"
    METADATA = "metadata"


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """A path, understood."""

    action: Action
    model: str
    version: int | None
    label: str | None


@lru_cache(maxsize=256)
def find_route(method: str, target: str) -> Route:
    """Understand a request line; ServingError with TF Serving's code and words."""
    path = unquote(target.partition("?")[0])
    # HEAD asks for what GET gives, without its body.
    reads = method in ("GET", "HEAD")
    match = _CALL.fullmatch(path) if method == "POST" else None
    if match is not None:
        action = Action(match[4].lower())
    elif reads and (match := _STATUS.fullmatch(path)) is not None:
        action = Action.METADATA if match[4] else Action.STATUS
    elif reads and _ALL_MODELS.fullmatch(path):
        raise ServingError(Code.INVALID_ARGUMENT, "Missing model name in request.")
    elif path.lower().startswith("/v1/"):
        raise ServingError(Code.INVALID_ARGUMENT, f"Malformed request: {method} {path}")
    else:
        raise ServingError(Code.NOT_FOUND, f"Not found: {path}; models are under /v1/models/")
    version = int(match[2]) if match[2] else None
    if version is not None and version > _MAX_VERSION:
        raise ServingError(
            Code.INVALID_ARGUMENT, f"Failed to convert version: {match[2]} to numeric."
        )
    return Route(action=action, model=match[1], version=version, label=match[3])
