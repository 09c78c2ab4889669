"""SavedModels without TensorFlow: a valid `saved_model.pb` takes microseconds to write."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from model_export import wire
from model_export.directory_store import DirectoryStore

MakeModel = Callable[..., Path]


def _saved_model(tags: tuple[str, ...], signatures: tuple[str, ...]) -> bytes:
    document = wire.message("SavedModel")(saved_model_schema_version=1)
    graph = document.meta_graphs.add()
    graph.meta_info.tags.extend(tags)
    graph.meta_info.tensorflow_version = "2.20.0"
    for name in signatures:
        definition = graph.signatures[name]
        definition.method_name = "tensorflow/serving/predict"
        definition.inputs["x"].dtype = 1
        definition.inputs["x"].shape.dims.add(size=-1)
        definition.outputs["y"].dtype = 1
        definition.outputs["y"].shape.unknown_rank = True
    written: bytes = document.SerializeToString()
    return written


@pytest.fixture
def make_model(tmp_path: Path) -> MakeModel:
    """Give a function that writes a SavedModel directory."""

    def make(
        name: str = "model",
        *,
        tags: tuple[str, ...] = ("serve",),
        signatures: tuple[str, ...] = ("serving_default",),
        files: Mapping[str, bytes] | None = None,
    ) -> Path:
        directory = tmp_path / name
        everything: dict[str, Any] = {
            "saved_model.pb": _saved_model(tags, signatures),
            "variables/variables.index": b"index",
            "variables/variables.data-00000-of-00001": b"values",
            **(files or {}),
        }
        for path, content in everything.items():
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_bytes(content)
        return directory

    return make


@pytest.fixture
def model(make_model: MakeModel) -> Path:
    """Give a small valid SavedModel."""
    return make_model()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give an empty directory to keep a store in."""
    root = tmp_path / "store"
    root.mkdir()
    return root


@pytest.fixture
def store(root: Path) -> DirectoryStore:
    """Give an empty store."""
    return DirectoryStore(root)
