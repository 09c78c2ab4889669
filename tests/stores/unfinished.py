"""A publish that is broken off, for the tests of what becomes of it."""

from pathlib import Path

import pytest

from model_export.draft import Draft
from model_export.object_store import ObjectStore
from model_export.source import list_files

# As the proxies tell calls apart.
MODEL = "heart-1"


def draft(model: Path, version: int | None = None) -> Draft:
    """Ask for a version of the model's directory."""
    return Draft(model=MODEL, version=version, files=list_files(model), labels={}, metrics={})


def stop_before_the_graph(store: ObjectStore, model: Path, version: int | None = None) -> None:
    """Send everything but the last file, then fail."""

    def interrupt() -> None:
        with store.begin(draft(model, version)) as upload:
            upload.send(list_files(model)[:-1], lambda _: None)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
