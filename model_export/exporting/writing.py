"""Callables written as the signatures of one SavedModel, and asserted on what was written.

Keeps of the objects behind them what the signatures use: no state of an optimiser, no method.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any, Final

from model_export.errors import ModelExportError, RefusedError
from model_export.exporting.callee import Callee
from model_export.exporting.function_source import spec_of
from model_export.layout import SAVED_MODEL_NAME
from model_export.manifest import Signature
from model_export.savedmodel import SERVE_TAG, parse_saved_model

PREDICT_METHOD: Final = "tensorflow/serving/predict"
# Keras tells the whole story with its errors.
_MESSAGE_LENGTH: Final = 400


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One signature to write."""

    callee: Callee
    method_name: str = PREDICT_METHOD


def write(endpoints: Mapping[str, Endpoint], directory: Path) -> dict[str, Signature]:
    """Write a SavedModel and give its signatures, which are those that were asked for."""
    import tensorflow as tf  # noqa: PLC0415 loads TensorFlow, which only an export pays for

    functions = {name: _traced(name, endpoint) for name, endpoint in endpoints.items()}
    holder = tf.Module()
    holder.kept = list(
        _used(
            [thing for endpoint in endpoints.values() for thing in endpoint.callee.kept],
            list(functions.values()),
        )
    )
    try:
        tf.saved_model.save(holder, str(directory), signatures=functions)
    except AssertionError as error:
        if "untracked" not in str(error):
            raise
        raise RefusedError(
            "A function uses a variable or a table that belongs to nothing, so it would be lost. "
            "Make it an attribute of a tf.Module or a Keras layer, and give that one."
        ) from error
    except tf.errors.OpError as error:
        first = (str(error).strip() or repr(error)).splitlines()[0]
        raise ModelExportError(f"Cannot write the model: {first}. Nothing was exported.") from error
    _set_methods(directory, {name: one.method_name for name, one in endpoints.items()})
    expected = {
        name: Signature(
            method_name=endpoints[name].method_name,
            inputs={
                key: spec_of(spec)
                for key, spec in function.structured_input_signature[0][0].items()
            },
            outputs={key: spec_of(tensor) for key, tensor in function.structured_outputs.items()},
        )
        for name, function in functions.items()
    }
    location = directory / SAVED_MODEL_NAME
    written = parse_saved_model(location.read_bytes(), str(location)).signatures
    if written != expected:
        raise ModelExportError(
            f"TensorFlow wrote other signatures than were asked for: {written}, not {expected}."
        )
    return expected


def _traced(name: str, endpoint: Endpoint) -> Any:
    import tensorflow as tf  # noqa: PLC0415 loads TensorFlow, which only an export pays for

    callee = endpoint.callee
    specs = {
        key: tf.TensorSpec(spec.shape, spec.dtype, name=key)
        for key, spec in (callee.inputs or {}).items()
    }
    try:
        return tf.function(callee.answer, input_signature=[specs]).get_concrete_function()
    # Whatever the user's own functions raise while TensorFlow runs them on symbols.
    except Exception as error:
        # TensorFlow puts pages of its own before what a function said.
        metadata = getattr(error, "ag_error_metadata", None)
        said = metadata.cause_message if metadata else str(error)
        said = said.removeprefix(f"{type(error).__name__}: ")
        if isinstance(error, RefusedError):
            raise RefusedError(said) from error
        given = ", ".join(
            f"{key}: {spec.dtype}{_dims(spec.shape)}" for key, spec in (callee.inputs or {}).items()
        )
        raise RefusedError(
            f"Signature '{name}' ({callee.title}) cannot be traced with {given}: "
            f"{type(error).__name__}: {shorten(said, _MESSAGE_LENGTH)}"
        ) from error


def _dims(shape: Sequence[int | None] | None) -> str:
    return "" if shape is None else f"[{','.join('?' if n is None else str(n) for n in shape)}]"


def _used(roots: Sequence[Any], functions: Sequence[Any]) -> Iterator[Any]:
    """Find what the functions use among all that belongs to these objects."""
    import tensorflow as tf  # noqa: PLC0415 loads TensorFlow, which only an export pays for

    captured = {id(tensor) for function in functions for tensor in function.captured_inputs}
    seen: set[int] = set()
    for function in functions:
        for variable in function.variables:
            if id(variable) not in seen:
                seen.add(id(variable))
                yield variable
    for root in roots:
        if not isinstance(root, tf.__internal__.tracking.Trackable):
            continue
        for thing in tf.train.TrackableView(root).descendants():
            # Tables have a handle, files a path; variables were found before.
            handles = [getattr(thing, name, None) for name in ("resource_handle", "asset_path")]
            if id(thing) not in seen and any(
                handle is not None and id(handle) in captured for handle in handles
            ):
                seen.add(id(thing))
                yield thing


def _set_methods(directory: Path, methods: Mapping[str, str]) -> None:
    """Say which of TF Serving's calls a signature is for: TensorFlow 2 writes Predict always."""
    if set(methods.values()) == {PREDICT_METHOD}:
        return
    from tensorflow.core.protobuf import saved_model_pb2  # noqa: PLC0415 loads TensorFlow
    from tensorflow.python.saved_model import fingerprinting_utils  # noqa: PLC0415 likewise

    location = directory / SAVED_MODEL_NAME
    document = saved_model_pb2.SavedModel.FromString(location.read_bytes())
    for graph in document.meta_graphs:
        if SERVE_TAG in graph.meta_info_def.tags:
            for name, method in methods.items():
                graph.signature_def[name].method_name = method
    location.write_bytes(document.SerializeToString(deterministic=True))
    fingerprinting_utils.write_fingerprint(str(directory))
