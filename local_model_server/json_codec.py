"""TF Serving's REST JSON for predict: documents to arrays and back.

Pure: knows inputs by name and TensorFlow's dtype number, not models and not HTTP. Shapes are
checked by whoever runs the model. Numbers never pass through a Python loop unless something is
wrong with them: orjson reads and writes, numpy converts.
"""

import base64
import binascii
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import ml_dtypes
import numpy as np
import orjson
from numpy.typing import NDArray

from local_model_server.domain import Code, ServingError

# TensorFlow's DataType numbers are its wire format; its package takes seconds to import.
_STRING: Final = 7
_DTYPES: Final[Mapping[int, tuple[str, Any]]] = {
    1: ("float", np.float32),
    2: ("double", np.float64),
    3: ("int32", np.int32),
    4: ("uint8", np.uint8),
    5: ("int16", np.int16),
    6: ("int8", np.int8),
    _STRING: ("string", np.object_),
    9: ("int64", np.int64),
    10: ("bool", np.bool_),
    14: ("bfloat16", ml_dtypes.bfloat16),
    17: ("uint16", np.uint16),
    19: ("half", np.float16),
    22: ("uint32", np.uint32),
    23: ("uint64", np.uint64),
}
_FLOATS: Final = frozenset({1, 2, 14, 19})
_BOOL: Final = 10
# Whole numbers up to here are exact in a float; TF Serving refuses those above.
_EXACT: Final = {1: 2**24 - 1, 2: 2**53 - 1}
_JSON_TYPES: Final = {
    type(None): "Null",
    bool: "Boolean",
    dict: "Object",
    list: "Array",
    str: "String",
}
_BYTES_SUFFIX: Final = "_bytes"
_SHOWN_CHARACTERS: Final = 80

Array = NDArray[Any]


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


def invalid(message: str) -> ServingError:
    """Make the error for what a client got wrong."""
    return ServingError(Code.INVALID_ARGUMENT, message)


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
            name: _array(name, columns[name], dtype, has_booleans=booleans)
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
                f"Expecting object but got {_json_type(item)} at item {index} of input list"
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


def is_base64(value: object) -> bool:
    """Tell whether this stands for bytes."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def _is_named(value: object) -> bool:
    return isinstance(value, dict) and not is_base64(value)


def _array(name: str, value: Any, dtype: int, *, has_booleans: bool) -> Array:
    if dtype not in _DTYPES:
        raise ServingError(
            Code.UNIMPLEMENTED, f"Input {name}: JSON has no form for TensorFlow's dtype {dtype}"
        )
    if dtype == _STRING:
        return _strings(name, value)
    try:
        array: Array = np.array(value)
    except (ValueError, OverflowError):
        # Either ragged, or values of many kinds; the search says which.
        _refuse_wrong_value(name, value, dtype)
        raise invalid(
            f"Input {name}: Encountered lists of unequal size or depth; at each level all must "
            "have the same"
        ) from None
    kind = array.dtype.kind
    if dtype == _BOOL:
        if kind == "b" or not array.size:
            return array.astype(np.bool_, copy=False)
    elif kind in "iu" or not array.size or (kind == "f" and dtype in _FLOATS):
        if has_booleans:
            # numpy takes true for 1 beside other numbers.
            _refuse_wrong_value(name, value, dtype)
        converted = _to_float(array, dtype) if dtype in _FLOATS else _to_integer(array, dtype)
        if converted is not None:
            return converted
    _refuse_wrong_value(name, value, dtype)
    # What is left: numpy takes a mixture of uint64 and smaller numbers for floats.
    return np.array(value, dtype=_DTYPES[dtype][1])


def _to_integer(array: Array, dtype: int) -> Array | None:
    """Convert whole numbers; None when one is out of range."""
    target = _DTYPES[dtype][1]
    if array.size and array.dtype != target:
        limits = np.iinfo(target)
        if int(array.min()) < limits.min or int(array.max()) > limits.max:
            return None
    return array.astype(target, copy=False)


def _to_float(array: Array, dtype: int) -> Array | None:
    """Convert numbers; None when one is too large or not exact. Wants errstate over="raise"."""
    if array.dtype.kind != "f" and array.size:
        exact = _EXACT.get(dtype, math.inf)
        if int(array.min()) < -exact or int(array.max()) > exact:
            return None
    try:
        return array.astype(_DTYPES[dtype][1], copy=False)
    except FloatingPointError:
        return None


def _refuse_wrong_value(name: str, value: Any, dtype: int) -> None:
    """Raise for the first value that is wrong by itself, if there is one."""
    dtype_name, target = _DTYPES[dtype]
    for leaf in _leaves(value):
        if type(leaf) is bool:
            right = dtype == _BOOL
        elif dtype in _FLOATS:
            right = type(leaf) in (int, float)
        elif dtype == _BOOL:
            right = False
        else:
            right = type(leaf) is int
        if not right:
            raise invalid(
                f"Input {name}: JSON Value: {shown(leaf)} Type: {_json_type(leaf)} is not of "
                f"expected type: {dtype_name}"
            )
        if type(leaf) is int and dtype not in _FLOATS:
            limits = np.iinfo(target)
            if not limits.min <= leaf <= limits.max:
                raise invalid(f"Input {name}: JSON Value: {leaf} does not fit into {dtype_name}")
        if dtype in _FLOATS and _to_float(np.array(leaf), dtype) is None:
            raise invalid(
                f"Input {name}: Cannot convert JSON value: {shown(leaf)} to {dtype_name} without "
                "loss of precision."
            )


def _leaves(value: Any) -> Iterator[Any]:
    """Give the values in lists, first to last; lists may be nested deeper than Python recurses."""
    rest = [value]
    while rest:
        item = rest.pop()
        if isinstance(item, list):
            rest.extend(reversed(item))
        else:
            yield item


def _strings(name: str, value: Any) -> Array:
    try:
        array = np.array(value, dtype=np.object_)
    except ValueError:
        raise invalid(f"Input {name}: Encountered lists of unequal size or depth") from None
    flat = [_bytes_of(name, leaf) for leaf in array.reshape(-1)]
    result = np.empty(len(flat), dtype=np.object_)
    result[:] = flat
    return result.reshape(array.shape)


def _bytes_of(name: str, leaf: Any) -> bytes:
    if isinstance(leaf, str):
        return leaf.encode()
    if is_base64(leaf):
        return decode_base64(leaf["b64"], f"Input {name}")
    if isinstance(leaf, list):
        raise invalid(f"Input {name}: Encountered lists of unequal size or depth")
    raise invalid(
        f"Input {name}: JSON Value: {shown(leaf)} Type: {_json_type(leaf)} is not of expected "
        "type: string"
    )


def decode_base64(text: str, where: str) -> bytes:
    """Read base64, in the usual or the URL-safe alphabet, with its padding or without."""
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise invalid(f"{where}: Unable to base64 decode {shown(text)}") from None


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


def shown(value: Any) -> str:
    """Write a value for an error message, cut to what a person reads."""
    if isinstance(value, list | dict):
        return "[...]" if isinstance(value, list) else "{...}"
    if isinstance(value, str) and len(value) > _SHOWN_CHARACTERS:
        value = value[:_SHOWN_CHARACTERS] + "..."
    return json.dumps(value, ensure_ascii=False)


def _json_type(value: object) -> str:
    return _JSON_TYPES.get(type(value), "Number")


def encode_error(message: str) -> bytes:
    """Write the body of every error."""
    return json.dumps({"error": message}, separators=(",", ":")).encode() + b"\n"
