"""From a live Keras model to a SavedModel that a server and a client can rely on.

Owns the signature: Keras 3 names it after internals and drops `serving_default` in silence, so
names, dtypes and the open batch dimension are set here and asserted on what was written. Writes
the warm-up records that a server replays before it serves, and the sample that goes into the
manifest.
"""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import JsonValue

from model_export import wire
from model_export.errors import ModelExportError, RefusedError
from model_export.export_record import EXPORT_RECORD_PATH, ExportRecord, dump_export_record
from model_export.layout import SAVED_MODEL_NAME
from model_export.manifest import Sample, Signature, TensorSpec
from model_export.savedmodel import parse_saved_model
from model_export.tensors import columns, rows, to_array, to_tensor

SIGNATURE_NAME: Final = "serving_default"
WARMUP_PATH: Final = "assets.extra/tf_serving_warmup_requests"
# TF Serving loads no more of them.
_MAX_WARMUP_RECORDS: Final = 1000
# What Keras calls an input that nobody named.
_UNNAMED: Final = "keras_tensor"


def export_model(
    model: Any, directory: Path, *, instances: Sequence[Mapping[str, JsonValue]] = ()
) -> Signature:
    """Write a built Keras model with named inputs as a SavedModel and give its signature.

    The directory must not exist; it appears when all of it is written. `instances` are rows as a
    client sends them: the written model itself answers them, which goes into the sample, and the
    server warms up on each of them.
    """
    if directory.exists():
        raise RefusedError(f"{directory} exists already; choose another directory or remove it.")
    if len(instances) > _MAX_WARMUP_RECORDS:
        raise RefusedError(f"A server warms up on at most {_MAX_WARMUP_RECORDS} instances.")
    expected = _signature(model)
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=f".{directory.name}-", dir=directory.parent
    ) as temporary:
        written = Path(temporary) / "model"
        _write(model, expected, written)
        _require_signature(written, expected)
        _write_extra(written, expected, instances)
        shutil.move(written, directory)
    return expected


def _signature(model: Any) -> Signature:
    inputs = _named(model.input, [tensor.name for tensor in model.inputs], model.inputs)
    for name in inputs:
        if name.startswith(_UNNAMED):
            raise RefusedError(
                f"Input '{name}' of model '{model.name}' was given no name, and clients would "
                "have to send that one; write keras.Input(..., name=…)."
            )
    return Signature(
        method_name="tensorflow/serving/predict",
        inputs={name: _tensor_spec(tensor) for name, tensor in inputs.items()},
        outputs={
            name: _tensor_spec(tensor)
            for name, tensor in _named(model.output, model.output_names, model.outputs).items()
        },
    )


def _named(structure: Any, names: Sequence[str], tensors: Sequence[Any]) -> dict[str, Any]:
    """Name a model's inputs or outputs: by key where the model has a dictionary of them."""
    return (
        dict(structure) if isinstance(structure, dict) else dict(zip(names, tensors, strict=True))
    )


def _tensor_spec(tensor: Any) -> TensorSpec:
    return TensorSpec(dtype=tensor.dtype, shape=(None, *tensor.shape[1:]))


def _write(model: Any, signature: Signature, directory: Path) -> None:
    import keras  # noqa: PLC0415 loads TensorFlow, which only an export pays for
    import tensorflow as tf  # noqa: PLC0415 likewise

    def serve(tensors: dict[str, Any]) -> dict[str, Any]:
        in_order = [tensors[name] for name in signature.inputs]
        named = isinstance(model.input, dict)
        given = tensors if named else keras.tree.pack_sequence_as(model.input, in_order)
        answer = model(given, training=False)
        return _named(answer, list(signature.outputs), keras.tree.flatten(answer))

    # Keras would write each variable of a model that it is told to track twice, once for the model
    # and once for the endpoint (Keras 3.15, 2026-11). A holder gives it the lookup tables alone.
    holder = tf.Module()
    holder.model = model
    archive = keras.export.ExportArchive()
    archive.track(holder)
    archive.add_endpoint(
        SIGNATURE_NAME,
        serve,
        input_signature=[
            {
                name: tf.TensorSpec(spec.shape, spec.dtype, name=name)
                for name, spec in signature.inputs.items()
            }
        ],
    )
    archive.write_out(directory, verbose=False)


def _require_signature(directory: Path, expected: Signature) -> None:
    location = directory / SAVED_MODEL_NAME
    signatures = parse_saved_model(location.read_bytes(), str(location)).signatures
    if signatures.get(SIGNATURE_NAME) != expected:
        raise ModelExportError(
            f"Keras wrote another signature than the model has: {signatures}, not {expected}."
        )


def _write_extra(
    directory: Path, signature: Signature, instances: Sequence[Mapping[str, JsonValue]]
) -> None:
    import keras  # noqa: PLC0415 loads TensorFlow, which only an export pays for
    import tensorflow as tf  # noqa: PLC0415 likewise

    (directory / EXPORT_RECORD_PATH).parent.mkdir(exist_ok=True)
    sample = None
    if instances:
        plain = [dict(instance) for instance in instances]
        sample = Sample(
            signature_name=SIGNATURE_NAME,
            instances=tuple(plain),
            predictions=_predictions(directory, signature, plain),
        )
        with tf.io.TFRecordWriter(str(directory / WARMUP_PATH)) as writer:
            for instance in plain:
                writer.write(_warmup_record(signature, instance))
    record = ExportRecord(keras_version=keras.__version__, sample=sample)
    (directory / EXPORT_RECORD_PATH).write_bytes(dump_export_record(record))


def _predictions(
    directory: Path, signature: Signature, instances: Sequence[JsonValue]
) -> tuple[JsonValue, ...]:
    import tensorflow as tf  # noqa: PLC0415 loads TensorFlow, which only an export pays for

    loaded = tf.saved_model.load(str(directory))
    outputs = loaded.signatures[SIGNATURE_NAME](
        **{
            name: tf.constant(to_array(name, values, signature.inputs[name]))
            for name, values in columns(instances, signature.inputs).items()
        }
    )
    return rows({name: tensor.numpy() for name, tensor in outputs.items()}, len(instances))


def _warmup_record(signature: Signature, instance: JsonValue) -> bytes:
    log = wire.message("PredictionLog")()
    request = log.predict_log.request
    # The server fills in its own name for the model.
    request.model_spec.signature_name = SIGNATURE_NAME
    for name, values in columns([instance], signature.inputs).items():
        tensor = to_tensor(to_array(name, values, signature.inputs[name]))
        request.inputs[name].CopyFrom(tensor)
    document: bytes = log.SerializeToString()
    return document
