"""TF Serving's REST JSON for classify and regress: tf.Examples in, results out.

Pure. Imports the protocol's messages, and TensorFlow with them, only when an example is read.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from local_model_server.json_codec import Document, dump
from local_model_server.json_codec_values import decode_base64, invalid, is_base64, shown

if TYPE_CHECKING:
    from tensorflow.core.example.example_pb2 import Example
    from tensorflow_serving.apis.classification_pb2 import ClassificationResult
    from tensorflow_serving.apis.input_pb2 import Input
    from tensorflow_serving.apis.regression_pb2 import RegressionResult

_INT64: Final = np.iinfo(np.int64)
_MAX_FLOAT: Final = float(np.finfo(np.float32).max)
_LISTS: Final = {"int64_list": "int64", "float_list": "float", "bytes_list": "bytes"}


def decode_examples(document: Document) -> "Input":
    """Convert `examples`, and `context` that belongs to each, into the protocol's Input."""
    from tensorflow_serving.apis.input_pb2 import Input  # noqa: PLC0415 - takes seconds

    fields = document.fields
    examples = fields.get("examples")
    if "examples" not in fields:
        raise invalid("When method is classify or regress, key 'examples' is expected")
    if not isinstance(examples, list):
        raise invalid("Expecting 'examples' value to be a list/array")
    if not examples:
        raise invalid("'examples' value is an empty array")
    result = Input()
    target = result.example_list
    if "context" in fields:
        target = result.example_list_with_context
        _fill(target.context, fields["context"], "context")
    for index, example in enumerate(examples):
        _fill(target.examples.add(), example, f"examples[{index}]")
    return result


def _fill(example: "Example", features: Any, where: str) -> None:
    if not isinstance(features, dict):
        raise invalid(f"{where}: Example must be JSON object but got {shown(features)}")
    target = example.features.feature
    for name, content in features.items():
        kinds: dict[str, None] = {}
        values = []
        for item in content if isinstance(content, list) else [content]:
            kind, value = _value(f"{where}: Feature: {name}", item)
            kinds[kind] = None
            values.append(value)
        if len(kinds) > 1:
            first, second = (_LISTS[kind] for kind in list(kinds)[:2])
            raise invalid(
                f"{where}: Unexpected element type in feature: {name} expecting type: {first}, "
                f"got {second}"
            )
        feature = target[name]
        for kind in kinds:
            getattr(feature, kind).value.extend(values)


def _value(where: str, item: Any) -> tuple[str, int | float | bytes]:
    if isinstance(item, bool | int):
        if not _INT64.min <= item <= _INT64.max:
            raise invalid(f"{where} has element {item}. Only int64 is supported.")
        return "int64_list", int(item)
    if isinstance(item, float):
        if abs(item) > _MAX_FLOAT and np.isfinite(item):
            raise invalid(f"{where}: Cannot convert JSON value: {item} to float")
        return "float_list", item
    if isinstance(item, str):
        return "bytes_list", item.encode()
    if is_base64(item):
        return "bytes_list", decode_base64(item["b64"], where)
    raise invalid(f"{where} has element with unexpected JSON type: {shown(item)}")


def encode_classification(result: "ClassificationResult") -> bytes:
    """Write for each example its pairs of label and score."""
    if not result.classifications:
        raise invalid("Cannot convert empty ClassificationResults to JSON")
    return _dump_results(
        [
            [[entry.label, np.float32(entry.score)] for entry in classification.classes]
            for classification in result.classifications
        ]
    )


def encode_regression(result: "RegressionResult") -> bytes:
    """Write for each example its value."""
    if not result.regressions:
        raise invalid("Cannot convert empty RegressionResults to JSON")
    values = [regression.value for regression in result.regressions]
    return _dump_results(np.array(values, dtype=np.float32))


def _dump_results(results: Any) -> bytes:
    document: Mapping[str, Any] = {"results": results}
    return dump(document)
