"""What is to be published, before any store has seen it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from model_export.source import SourceFile


@dataclass(frozen=True, kw_only=True)
class Draft:
    """One request to publish; `version` is None for the next free number."""

    model: str
    version: int | None
    files: tuple[SourceFile, ...]
    labels: Mapping[str, str]
    metrics: Mapping[str, float]
    # Who signs, and the graph that is signed; empty for a version without a signature.
    signed: str = ""

    @property
    def digest(self) -> str:
        """Tell a run that goes on from one that asks for something else.

        Of the files it knows paths and sizes; their bytes are compared where it matters.
        """
        asked = [
            self.model,
            self.version,
            sorted((file.path, file.size_bytes) for file in self.files),
            dict(self.labels),
            dict(self.metrics),
            self.signed,
        ]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
