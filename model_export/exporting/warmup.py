"""Rows as a client sends them: what the written model answers, and the server's warm-up."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray
from pydantic import JsonValue

from model_export import wire
from model_export.errors import RefusedError
from model_export.exporting.examples import CLASSIFY_METHOD, REGRESS_METHOD
from model_export.manifest import Sample, Signature, TensorSpec
from model_export.reasons import reason_line
from model_export.tensors import columns, rows, to_array, to_tensor

WARMUP_PATH: Final = "assets.extra/tf_serving_warmup_requests"
# MultiInference has none: a server wants one input tensor for all its signatures, and TensorFlow 2
# writes one for each.
_LOGS: Final = {CLASSIFY_METHOD: "classify_log", REGRESS_METHOD: "regress_log"}
# TF Serving loads no more of them.
MAX_WARMUP_RECORDS: Final = 1000


def write_warmup(
    directory: Path,
    signature_name: str,
    signature: Signature,
    instances: Sequence[Mapping[str, JsonValue] | JsonValue],
    of_examples: Mapping[str, str],
) -> Sample:
    """Let the written model answer the rows, and write each as a warm-up record.

    `of_examples` gives the methods of the signatures that take the same rows as tf.Examples: these
    are warmed up on as many rows as there is room for, those of Predict all being there.
    """
    import tensorflow as tf  # noqa: PLC0415 loads TensorFlow, which only an export pays for

    if len(instances) > MAX_WARMUP_RECORDS:
        raise RefusedError(f"A server warms up on at most {MAX_WARMUP_RECORDS} instances.")
    plain: list[JsonValue] = [
        dict(instance) if isinstance(instance, Mapping) else instance for instance in instances
    ]
    sample = Sample(
        signature_name=signature_name,
        instances=tuple(plain),
        predictions=_predictions(directory, signature_name, signature, plain),
    )
    (directory / WARMUP_PATH).parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(directory / WARMUP_PATH)) as writer:
        for instance in plain:
            writer.write(_record(signature_name, signature, instance))
        room = (MAX_WARMUP_RECORDS - len(plain)) // max(len(of_examples), 1)
        for name, method in of_examples.items():
            for instance in plain[:room]:
                writer.write(_examples_record(name, method, signature, instance))
    return sample


def _predictions(
    directory: Path, signature_name: str, signature: Signature, instances: Sequence[JsonValue]
) -> tuple[JsonValue, ...]:
    import tensorflow as tf  # noqa: PLC0415 loads TensorFlow, which only an export pays for

    given = {
        name: tf.constant(_fitting(name, values, signature.inputs[name]))
        for name, values in columns(instances, signature.inputs).items()
    }
    loaded = tf.saved_model.load(str(directory))
    try:
        outputs = loaded.signatures[signature_name](**given)
    except (tf.errors.OpError, ValueError, TypeError) as error:
        raise RefusedError(
            f"The model does not answer the instances: {reason_line(error)}"
        ) from error
    return rows({name: tensor.numpy() for name, tensor in outputs.items()}, len(instances))


def _fitting(name: str, values: Sequence[JsonValue], spec: TensorSpec) -> NDArray[Any]:
    """Read the values of one input; a row of another shape would fail deep in the graph."""
    array = to_array(name, values, spec)
    if spec.shape is None:
        return array
    wanted, given = spec.shape[1:], array.shape[1:]
    if len(wanted) != len(given) or any(
        size not in (None, is_) for size, is_ in zip(wanted, given, strict=True)
    ):
        raise RefusedError(
            f"Input '{name}': the instances give {_dims(given)} for a row; the signature takes "
            f"{_dims(wanted)}."
        )
    return array


def _dims(shape: Sequence[int | None]) -> str:
    if not shape:
        return "a single value"
    return f"[{','.join('?' if size is None else str(size) for size in shape)}]"


def _record(signature_name: str, signature: Signature, instance: JsonValue) -> bytes:
    log = wire.message("PredictionLog")()
    request = log.predict_log.request
    # The server fills in its own name for the model.
    request.model_spec.signature_name = signature_name
    for name, values in columns([instance], signature.inputs).items():
        tensor = to_tensor(to_array(name, values, signature.inputs[name]))
        request.inputs[name].CopyFrom(tensor)
    document: bytes = log.SerializeToString()
    return document


def _examples_record(
    signature_name: str, method: str, signature: Signature, instance: JsonValue
) -> bytes:
    log = wire.message("PredictionLog")()
    request = getattr(log, _LOGS[method]).request
    request.model_spec.signature_name = signature_name
    example = request.input.example_list.examples.add()
    for name, values in columns([instance], signature.inputs).items():
        array = to_array(name, values, signature.inputs[name]).ravel()
        feature = example.features.feature[name]
        if array.dtype == object:
            feature.bytes.value.extend(array)
        elif array.dtype.kind == "f":
            feature.float.value.extend(array.tolist())
        else:
            try:
                feature.int64.value.extend(map(int, array.tolist()))
            except ValueError as error:
                raise RefusedError(
                    f"Input '{name}': a tf.Example holds no integer over {2**63 - 1}. Leave such "
                    "instances out, or classify and regress."
                ) from error
    document: bytes = log.SerializeToString()
    return document
