"""TF Serving's REST JSON for predict: documents to arrays and back.

Pure: knows inputs by name and TensorFlow's dtype number, not models and not HTTP. Shapes are
checked by whoever runs the model. Numbers never pass through a Python loop unless something is
wrong with them: orjson reads and writes, numpy converts.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import ml_dtypes
import numpy as np
import orjson

from local_model_server.json_codec_values import (
    Array,
    invalid,
    is_base64,
    json_type,
    shown,
    to_array,
)

_BYTES_SUFFIX: Final = "_bytes"


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A request's JSON object; `has_booleans` is false only where there surely is none."""

    fields: Mapping[str, Any]
    has_booleans: bool

    @property
    def signature_name(self) -> str:
        """The signature it names, empty for the default one."""
        name = self.fields.get("signature_name", "")
        if not isinstance(name, str):
            raise invalid("'signature_name' key must be a string value")
        return name


def parse_document(body: bytes) -> Document:
    """Read a request's body, bare NaN, Infinity and -Infinity included."""
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if b"NaN" not in body and b"Infinity" not in body:
            raise invalid(f"JSON Parse error: {error.msg} at offset: {error.pos}") from None
        fields = _parse_with_nan(body)
    if not isinstance(fields, dict):
        raise invalid(f"JSON Value: {shown(fields)} Is not object")
    # A search for one letter is many times as fast as one for a word, and mostly finds nothing.
    has_booleans = (b"u" in body and b"true" in body) or (b"f" in body and b"false" in body)
    return Document(fields=fields, has_booleans=has_booleans)


def _parse_with_nan(body: bytes) -> Any:
    try:
        return json.loads(body)
    except json.JSONDecodeError as error:
        raise invalid(f"JSON Parse error: {error.msg} at offset: {error.pos}") from None
    except (ValueError, RecursionError) as error:
        raise invalid(f"JSON Parse error: {error}") from None


def decode_predict(document: Document, dtypes: Mapping[str, int]) -> tuple[dict[str, Array], bool]:
    """Convert `instances` or `inputs` for inputs of these dtypes; true beside it for `instances`.

    Strings become object arrays of bytes. ServingError names the input that does not fit.
    """
    fields = document.fields
    if not dtypes:
        raise invalid("The signature has no inputs; it cannot be called over REST")
    if ("instances" in fields) == ("inputs" in fields):
        if "inputs" in fields:
            raise invalid(
                "Not formatted correctly: expecting only one of 'inputs' or 'instances' keys"
            )
        raise invalid("Missing 'inputs' or 'instances' key")
    row = "instances" in fields
    columns = (
        _columns_of_instances(fields["instances"], dtypes)
        if row
        else _columns_of_inputs(fields["inputs"], dtypes)
    )
    booleans = document.has_booleans
    with np.errstate(over="raise"):
        arrays = {
            name: to_array(name, columns[name], dtype, has_booleans=booleans)
            for name, dtype in dtypes.items()
        }
    return arrays, row


def _columns_of_instances(instances: Any, dtypes: Mapping[str, int]) -> Mapping[str, Any]:
    if not isinstance(instances, list):
        raise invalid("Expecting 'instances' to be a list/array")
    if not instances:
        raise invalid("No values in 'instances' array")
    if not _is_named(instances[0]):
        if len(dtypes) > 1:
            raise invalid(
                "instances is a plain list, but expecting list of objects as multiple input "
                f"tensors are required: {', '.join(sorted(dtypes))}"
            )
        for index, item in enumerate(instances):
            # A dict would be refused as a wrong dtype; this says what is meant.
            if type(item) is dict and _is_named(item):
                raise invalid(f"Expecting value/list but got object at item {index} of input list")
        return {next(iter(dtypes)): instances}
    wanted = dtypes.keys()
    for index, item in enumerate(instances):
        if not _is_named(item):
            raise invalid(
                f"Expecting object but got {json_type(item)} at item {index} of input list"
            )
        if item.keys() != wanted:
            raise invalid(
                f"Failed to process element: {index} of 'instances' list. Its keys are "
                f"{', '.join(sorted(item)) or 'none'}; they must be equal to: "
                f"{', '.join(sorted(wanted))}"
            )
    return {name: [item[name] for item in instances] for name in wanted}


def _columns_of_inputs(inputs: Any, dtypes: Mapping[str, int]) -> Mapping[str, Any]:
    if not _is_named(inputs):
        if len(dtypes) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple input tensors "
                f"are required: {', '.join(sorted(dtypes))}"
            )
        return {next(iter(dtypes)): inputs}
    for name in dtypes:
        if name not in inputs:
            raise invalid(f"Missing named input: {name} in 'inputs' object.")
    plain: Mapping[str, Any] = inputs
    return plain


def _is_named(value: object) -> bool:
    return isinstance(value, dict) and not is_base64(value)


def encode_predict(outputs: Mapping[str, Array], *, row: bool) -> bytes:
    """Write `predictions` (row form) or `outputs` (column form).

    A single output stands without its name. Floats have the fewest digits that read back the same.
    """
    if not outputs:
        raise invalid("Cannot convert empty tensor map to JSON")
    arrays = {name: _writable(name, array) for name, array in outputs.items()}
    key = "predictions" if row else "outputs"
    if row:
        _check_batch(outputs)
    if len(arrays) == 1:
        return dump({key: next(iter(arrays.values()))})
    if not row:
        return dump({key: arrays})
    names = tuple(arrays)
    rows = zip(*arrays.values(), strict=True)
    return dump({key: [dict(zip(names, items, strict=True)) for items in rows]})


def _check_batch(outputs: Mapping[str, Array]) -> None:
    size = None
    for name, array in outputs.items():
        if not array.ndim:
            raise invalid(
                f"Tensor name: {name} has no batch dimension; ask with 'inputs' (column form)"
            )
        if size not in (None, len(array)):
            raise invalid(
                f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {size}; "
                "ask with 'inputs' (column form)"
            )
        size = len(array)


def _writable(name: str, array: Array) -> Any:
    """Give what `dump` can write: an array, a numpy scalar, or lists of strings."""
    if array.dtype.kind in "OS":
        return _texts(name, array.tolist())
    if array.dtype == ml_dtypes.bfloat16:
        array = array.astype(np.float32)
    if array.dtype.kind not in "fiub":
        raise invalid(f"Failed to write JSON value for tensor type: {array.dtype}")
    return np.ascontiguousarray(array) if array.ndim else array[()]


def _texts(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_texts(name, item) for item in value]
    data: bytes = value if isinstance(value, bytes) else str(value).encode()
    if name.endswith(_BYTES_SUFFIX):
        return {"b64": base64.b64encode(data).decode()}
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise invalid(
            f"Output {name} holds bytes that are not UTF-8 text; name it {name}{_BYTES_SUFFIX} in "
            "the signature to have them in base64"
        ) from None


def dump(document: Mapping[str, Any]) -> bytes:
    """Write JSON with numpy values in it, and bare NaN, Infinity and -Infinity."""
    text = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    # orjson writes null for what is not finite; a text with that word in it only costs time.
    if b"null" not in text:
        return text
    return json.dumps(_plain(document), ensure_ascii=False, separators=(",", ":")).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, np.floating) or (
        isinstance(value, np.ndarray) and value.dtype.kind == "f"
    ):
        # By way of text: a float32 as a double would have digits that mean nothing.
        return np.asarray(value).astype(np.str_).astype(np.float64).tolist()
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def encode_error(message: str) -> bytes:
    """Write the body of every error."""
    return json.dumps({"error": message}, separators=(",", ":")).encode() + b"\n"
