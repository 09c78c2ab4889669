"""Tensors survive the wire in every dtype, in TF Serving's own fields."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from tensorflow_serving.apis.predict_pb2 import PredictResponse

from local_model_server.domain import ServingError
from local_model_server.tensors import array_of, put_tensors

_NUMBERS = st.sampled_from(
    ["f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "bool", "c8", "f2"]
)
_SHAPES = array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)


@given(_NUMBERS.flatmap(lambda dtype: arrays(np.dtype(dtype), _SHAPES)))
def test_numbers_come_back_as_they_went(array: np.ndarray[Any, Any]) -> None:
    response = PredictResponse()
    put_tensors({"y": array}, response.outputs)
    for proto in (response.outputs["y"], tf.make_tensor_proto(array)):
        for back in (array_of("y", proto), tf.make_ndarray(proto)):
            assert back.dtype == array.dtype
            np.testing.assert_array_equal(back, array)


@given(arrays(object, _SHAPES, elements=st.binary(max_size=5)))
def test_strings_come_back_as_they_went(array: np.ndarray[Any, Any]) -> None:
    response = PredictResponse()
    put_tensors({"y": array}, response.outputs)
    np.testing.assert_array_equal(array_of("y", response.outputs["y"]), array)


def test_floats_are_answered_in_float_val_as_by_tf_serving() -> None:
    response = PredictResponse()
    put_tensors({"y": np.array([1.5, 2.5], np.float32)}, response.outputs)
    assert list(response.outputs["y"].float_val) == [1.5, 2.5]
    assert response.outputs["y"].tensor_content == b""


def test_a_tensor_that_does_not_hold_what_its_shape_says_is_refused() -> None:
    proto = tf.make_tensor_proto(np.zeros(3, np.float32))
    proto.tensor_shape.dim[0].size = 7
    with pytest.raises(ServingError, match="tensor parsing error: x"):
        array_of("x", proto)
