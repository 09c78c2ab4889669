"""TensorProto to array and back, the quick way for what is common."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.core.framework import types_pb2

from local_model_server.domain import Code, ServingError
from local_model_server.signatures import Tensors

if TYPE_CHECKING:
    from google.protobuf.internal.containers import MessageMap
    from tensorflow.core.framework.tensor_pb2 import TensorProto

# The field of TensorProto that holds each dtype's values, as TF Serving answers.
_VALUE_FIELDS: Final = {
    types_pb2.DT_FLOAT: "float_val",
    types_pb2.DT_DOUBLE: "double_val",
    types_pb2.DT_INT64: "int64_val",
    types_pb2.DT_UINT32: "uint32_val",
    types_pb2.DT_UINT64: "uint64_val",
    types_pb2.DT_BOOL: "bool_val",
    types_pb2.DT_STRING: "string_val",
    types_pb2.DT_INT32: "int_val",
    types_pb2.DT_INT16: "int_val",
    types_pb2.DT_INT8: "int_val",
    types_pb2.DT_UINT16: "int_val",
    types_pb2.DT_UINT8: "int_val",
}
_DTYPES: Final = {
    number: np.dtype(tf.as_dtype(number).as_numpy_dtype)
    for number in _VALUE_FIELDS
    if number != types_pb2.DT_STRING
}
_NUMBERS: Final = {dtype: number for number, dtype in _DTYPES.items()}


def array_of(alias: str, proto: "TensorProto") -> NDArray[Any]:
    """Read a request's tensor."""
    dtype = _DTYPES.get(proto.dtype)
    try:
        if dtype is not None and proto.tensor_content:
            shape = [dim.size for dim in proto.tensor_shape.dim]
            return np.frombuffer(proto.tensor_content, dtype=dtype).reshape(shape)
        array: NDArray[Any] = tf.make_ndarray(proto)
    except (TypeError, ValueError) as error:
        raise ServingError(
            Code.INVALID_ARGUMENT, f"tensor parsing error: {alias}: {error}"
        ) from error
    return array


def put_tensors(outputs: Tensors, protos: "MessageMap[str, TensorProto]") -> None:
    """Write an answer's tensors into a message."""
    for alias, array in outputs.items():
        proto = protos[alias]
        number = _NUMBERS.get(array.dtype)
        if array.dtype.kind == "O":
            number = types_pb2.DT_STRING
        if number is None:
            proto.CopyFrom(tf.make_tensor_proto(array))
            continue
        proto.dtype = number
        add = proto.tensor_shape.dim.add
        for size in array.shape:
            add(size=size)
        getattr(proto, _VALUE_FIELDS[number]).extend(array.reshape(-1).tolist())
