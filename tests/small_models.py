"""Models that are written in no time and that nobody loads: a SavedModel, or a manifest alone."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from model_export import wire
from model_export.manifest import Manifest


def make_saved_model(
    directory: Path,
    *,
    tensorflow: str = "2.20.0",
    dtype: int = 1,
    files: Mapping[str, bytes] | None = None,
) -> Path:
    """Write a valid SavedModel of one signature, and these files beside it."""
    document = wire.message("SavedModel")(saved_model_schema_version=1)
    graph = document.meta_graphs.add()
    graph.meta_info.tags.append("serve")
    graph.meta_info.tensorflow_version = tensorflow
    signature = graph.signatures["serving_default"]
    signature.method_name = "tensorflow/serving/predict"
    signature.inputs["x"].dtype = signature.outputs["y"].dtype = dtype
    contents = {"saved_model.pb": document.SerializeToString(), **(files or {})}
    for path, content in contents.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(content)
    return directory


def bare_manifest(model: str, version: int, *, tensorflow: str = "2.20.0") -> Manifest:
    """Give what a preview reads of a version; it has no files."""
    return Manifest(
        model=model,
        version=version,
        files=(),
        signatures={},
        tensorflow_version=tensorflow,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        created_by="test",
    )
