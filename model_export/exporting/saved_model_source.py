"""SavedModel directories of TensorFlow 1 and 2, taken up again."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from model_export.errors import RefusedError
from model_export.exporting.callee import Callee
from model_export.exporting.function_source import spec_of
from model_export.graph import parse_graphs
from model_export.layout import SAVED_MODEL_NAME
from model_export.manifest import Signature
from model_export.savedmodel import SERVE_TAG, parse_saved_model

SERVING_DEFAULT: Final = "serving_default"
# TensorFlow 1's variables, which TensorFlow 2 runs but cannot write again.
_REFERENCE_VARIABLES: Final = {"Variable", "VariableV2", "TemporaryVariable"}


@dataclass(frozen=True, kw_only=True)
class SavedSource:
    """A SavedModel that was read but not loaded."""

    directory: Path
    signatures: Mapping[str, Signature]
    operations: frozenset[str]


def read_saved(directory: Path) -> SavedSource:
    """Read the graph; what is no SavedModel is refused."""
    location = directory / SAVED_MODEL_NAME
    try:
        document = location.read_bytes()
    except OSError as error:
        raise RefusedError(
            f"{directory} is not a SavedModel: {SAVED_MODEL_NAME}: {error.strerror}. Give the "
            "directory that tf.saved_model.save wrote, or a .keras file."
        ) from error
    summary = parse_saved_model(document, str(location))
    operations = frozenset(
        name
        for graph in parse_graphs(document, str(location))
        if SERVE_TAG in graph.tags
        for name in graph.operations
    )
    return SavedSource(directory=directory, signatures=summary.signatures, operations=operations)


def default_signature(saved: SavedSource) -> str:
    """Find which signature becomes `serving_default`."""
    if SERVING_DEFAULT in saved.signatures:
        return SERVING_DEFAULT
    if len(saved.signatures) == 1:
        return next(iter(saved.signatures))
    raise RefusedError(
        f"{saved.directory} has no signature 'serving_default'; say which of "
        f"{', '.join(saved.signatures)} it shall be, as in --signature "
        f"serving_default={next(iter(saved.signatures))}."
    )


def saved_callees(saved: SavedSource) -> dict[str, Callee]:
    """Load it, each signature as something to call."""
    import tensorflow as tf  # noqa: PLC0415 loads TensorFlow, which only an export pays for

    if old := sorted(_REFERENCE_VARIABLES & saved.operations):
        raise RefusedError(
            f"{saved.directory} holds variables of TensorFlow 1 ({', '.join(old)}), which "
            "TensorFlow 2 cannot write again: the model can be exported and published as it is, "
            "but nothing can be attached or renamed. Train or convert it with resource variables "
            "for that."
        )
    try:
        loaded = tf.saved_model.load(str(saved.directory), tags=[SERVE_TAG])
    # Whatever TensorFlow raises for files that are not whole.
    except Exception as error:
        first = (str(error).strip() or repr(error)).splitlines()[0]
        raise RefusedError(f"{saved.directory} cannot be loaded: {first}") from error
    return {name: _callee(name, loaded, loaded.signatures[name]) for name in saved.signatures}


def _callee(name: str, loaded: Any, function: Any) -> Callee:
    inputs = function.structured_input_signature[1]
    return Callee(
        title=f"signature '{name}'",
        call=lambda tensors: function(**tensors),
        inputs={key: spec_of(inputs[key]) for key in sorted(inputs)},
        kept=(loaded,),
    )
