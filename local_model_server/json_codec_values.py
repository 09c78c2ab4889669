"""JSON values to arrays of an input's dtype, and the words for those that do not fit.

Pure. Numbers never pass through a Python loop unless something is wrong with them.
"""

import base64
import binascii
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

import ml_dtypes
import numpy as np
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
_SHOWN_CHARACTERS: Final = 80

Array = NDArray[Any]


def invalid(message: str) -> ServingError:
    """Make the error for what a client got wrong."""
    return ServingError(Code.INVALID_ARGUMENT, message)


def to_array(name: str, value: Any, dtype: int, *, has_booleans: bool) -> Array:
    """Convert one input's value; ServingError names the input. Wants errstate over="raise"."""
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
                f"Input {name}: JSON Value: {shown(leaf)} Type: {json_type(leaf)} is not of "
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
        f"Input {name}: JSON Value: {shown(leaf)} Type: {json_type(leaf)} is not of expected "
        "type: string"
    )


def decode_base64(text: str, where: str) -> bytes:
    """Read base64, in the usual or the URL-safe alphabet, with its padding or without."""
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise invalid(f"{where}: Unable to base64 decode {shown(text)}") from None


def is_base64(value: object) -> bool:
    """Tell whether this stands for bytes."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def shown(value: Any) -> str:
    """Write a value for an error message, cut to what a person reads."""
    if isinstance(value, list | dict):
        return "[...]" if isinstance(value, list) else "{...}"
    if isinstance(value, str) and len(value) > _SHOWN_CHARACTERS:
        value = value[:_SHOWN_CHARACTERS] + "..."
    return json.dumps(value, ensure_ascii=False)


def json_type(value: object) -> str:
    """Name a value's JSON type as TF Serving does."""
    return _JSON_TYPES.get(type(value), "Number")
