"""Rows of JSON to tensors on the wire and back, by TF Serving's rules for its REST row form."""

import base64
import binascii
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import JsonValue

from model_export import wire
from model_export.errors import ModelExportError, RefusedError
from model_export.manifest import TensorSpec

# Which field of a Tensor carries a dtype's values where they are not packed into `content`.
_VALUE_FIELDS: Final = {
    "float32": "float",
    "float64": "double",
    "int8": "int",
    "int16": "int",
    "int32": "int",
    "uint8": "int",
    "uint16": "int",
    "string": "string",
    "int64": "int64",
    "bool": "bool",
    "float16": "half",
    "uint32": "uint32",
    "uint64": "uint64",
}
# NumPy's own names for its dtypes are slow to ask for, and this is done for each request.
_ARRAY_DTYPES: Final[Mapping[str, np.dtype[Any]]] = {
    name: np.dtype(object if name == "string" else name) for name in _VALUE_FIELDS
}
_NUMBERS: Final = {
    _ARRAY_DTYPES[name]: number for number, name in wire.DTYPES.items() if name in _ARRAY_DTYPES
}
_READ: Final = {number: (wire.DTYPES[number], dtype) for dtype, number in _NUMBERS.items()}
# Which kinds of JSON values (numpy's letters) stand for a dtype's kind: 1 may be meant as 1.0,
# but 1.5 is no integer and "1" is no number.
_ACCEPTED_KINDS: Final = {"f": "fiu", "i": "iu", "u": "iu", "b": "b"}
_DOUBLE_BYTES: Final = 8


class InstanceError(RefusedError):
    """One of the rows does not fit the signature, whatever the others are."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(f"Instance {index} {reason}")
        self.reason = f"The instance {reason}"


def columns(
    instances: Sequence[JsonValue], inputs: Mapping[str, TensorSpec]
) -> dict[str, list[JsonValue]]:
    """Turn rows into one column for each input of the signature."""
    if not instances:
        raise RefusedError("There are no instances to predict; give a list of at least one.")
    rows: list[dict[str, JsonValue]] = []
    for index, instance in enumerate(instances):
        if isinstance(instance, dict) and "b64" not in instance:
            row = instance
        elif len(inputs) == 1:
            row = {next(iter(inputs)): instance}
        else:
            raise InstanceError(
                index,
                "is a bare value, but the signature has several inputs: give an object with "
                f"{', '.join(inputs)}.",
            )
        if row.keys() != inputs.keys():
            raise InstanceError(
                index,
                f"has {', '.join(sorted(row)) or 'nothing'}; the signature takes "
                f"{', '.join(sorted(inputs))}.",
            )
        rows.append(row)
    return {name: [row[name] for row in rows] for name in inputs}


def to_array(name: str, values: Sequence[JsonValue], spec: TensorSpec) -> NDArray[Any]:
    """Read the values of one input as its dtype; strings become bytes."""
    try:
        if spec.dtype == "string":
            return np.array(_to_bytes(values), dtype=object)
        return _numeric(values, np.dtype(spec.dtype))
    except (ValueError, OverflowError, TypeError, binascii.Error) as error:
        raise RefusedError(
            f"Input '{name}' cannot be read as {spec.dtype}, of one shape in every instance: "
            f"{error}."
        ) from error


def as_dtype(name: str, values: ArrayLike, spec: TensorSpec) -> NDArray[Any]:
    """Give an array of the input's dtype; nothing is lost but a float's last digits."""
    array = np.asarray(values)
    if array.dtype == _ARRAY_DTYPES.get(spec.dtype) and array.dtype != object:
        return array
    if spec.dtype == "string" or array.dtype == object:
        return to_array(name, array.tolist(), spec)
    kind = np.dtype(spec.dtype).kind if spec.dtype in _VALUE_FIELDS else ""
    if array.dtype.kind in _ACCEPTED_KINDS.get(kind, ""):
        cast = array.astype(spec.dtype)
        if kind == "f" or np.array_equal(cast, array):
            return cast
    raise RefusedError(f"Input '{name}' is {array.dtype}; the signature takes {spec.dtype}.")


def to_tensor(array: NDArray[Any]) -> Any:
    """Make the message for one input."""
    tensor = wire.message("Tensor")()
    fill_tensor(tensor, array)
    return tensor


def fill_tensor(tensor: Any, array: NDArray[Any]) -> None:
    """Write one input into its message."""
    tensor.dtype = _NUMBERS[array.dtype]
    dims = tensor.shape.dims
    for size in array.shape:
        dims.add(size=size)
    if array.dtype == object:
        tensor.string.extend(array.ravel().tolist())
    else:
        tensor.content = array.tobytes()


def from_tensor(tensor: Any) -> NDArray[Any]:
    """Read a message, packed or not."""
    number = tensor.dtype
    if number not in _READ:
        raise ModelExportError(
            f"The server answered with a {wire.DTYPES.get(number, number)} tensor, which JSON "
            "cannot hold."
        )
    name, dtype = _READ[number]
    shape = tuple([dim.size for dim in tensor.shape.dims])
    if content := tensor.content:
        return np.frombuffer(content, dtype).reshape(shape).copy()
    values = list(getattr(tensor, _VALUE_FIELDS[name]))
    if name == "float16":
        return _filled(np.array(values, np.uint16).view(dtype), shape)
    return _filled(np.array(values, dtype), shape)


def rows(outputs: Mapping[str, NDArray[Any]], count: int) -> tuple[JsonValue, ...]:
    """Turn a batch of outputs into rows: bare values where there is one output."""
    for name, array in outputs.items():
        if array.ndim == 0 or len(array) != count:
            raise ModelExportError(
                f"Output '{name}' has the shape {list(array.shape)} for {count} instances: it has "
                "no batch dimension, so it cannot be given back in rows."
            )
    listed = {name: _json(name, _plain(array)) for name, array in sorted(outputs.items())}
    if len(listed) == 1:
        return tuple(next(iter(listed.values())))
    return tuple({name: column[index] for name, column in listed.items()} for index in range(count))


def _numeric(values: Sequence[JsonValue], dtype: np.dtype[Any]) -> NDArray[Any]:
    given = np.array(values)
    if given.size and given.dtype.kind not in _ACCEPTED_KINDS.get(dtype.kind, ""):
        raise ValueError(f"{given.flat[0]!r} is no {dtype}")
    # An integer that is too large is refused on reading, but would be cut by a conversion.
    return given.astype(dtype) if dtype.kind == "f" else np.array(values, dtype=dtype)


def _to_bytes(value: Any) -> Any:
    if isinstance(value, list):
        return [_to_bytes(element) for element in value]
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, dict) and value.keys() == {"b64"} and isinstance(value["b64"], str):
        return base64.b64decode(value["b64"], validate=True)
    raise ValueError(f"{value!r} is no string")


def _plain(array: NDArray[Any]) -> Any:
    """Give Python's values; of a short float the shortest that reads as the same, 0.1 as 0.1."""
    if array.dtype.kind == "f" and array.itemsize < _DOUBLE_BYTES:
        array = array.astype(str).astype(float)
    return array.tolist()


def _json(name: str, value: Any) -> Any:
    """Strings as text, or as base64 where the output's name ends with `_bytes`."""
    if isinstance(value, list):
        return [_json(name, element) for element in value]
    if isinstance(value, bytes):
        if name.endswith("_bytes"):
            return {"b64": base64.b64encode(value).decode()}
        return value.decode(errors="replace")
    return value


def _filled(values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Repeat the last value up to the shape, which is how TensorFlow shortens a constant."""
    missing = math.prod(shape) - values.size
    return (
        np.pad(values, (0, missing), mode="edge").reshape(shape)
        if missing
        else values.reshape(shape)
    )
