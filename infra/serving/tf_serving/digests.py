"""Telling one specification from another by its content. Pure."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

_DIGEST_CHARACTERS: Final = 16


def specification_digest(arguments: object) -> str:
    """Digest typed arguments that hold plain values only."""
    document = json.dumps(_plain(arguments), sort_keys=True)
    return hashlib.sha256(document.encode()).hexdigest()[:_DIGEST_CHARACTERS]


def _plain(value: Any) -> Any:
    match value:
        case None | str() | int() | float():
            return value
        case Mapping():
            return {key: _plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
        case _ if type(value).__name__.endswith("Args"):
            return _plain(vars(value))
        case _:
            # An output is known only later: what is waited for would change with each preview.
            raise TypeError(type(value).__name__)
