"""What each sample gives back once it is trained."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue


@dataclass(frozen=True, kw_only=True)
class TrainedSample:
    """A Keras model, its accuracy on rows it has not seen, and rows that a client may send."""

    model: Any
    accuracy: float
    instances: tuple[Mapping[str, JsonValue], ...]
