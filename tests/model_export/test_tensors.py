"""Rows to tensors and back."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pydantic import JsonValue

from model_export import wire
from model_export.errors import ModelExportError, RefusedError
from model_export.manifest import TensorSpec
from model_export.tensors import as_dtype, columns, from_tensor, rows, to_array, to_tensor

_DTYPES = ["float16", "float32", "float64", "int8", "int16", "int32", "int64"]
_DTYPES += ["uint8", "uint16", "uint32", "uint64", "bool"]
_FLOAT = TensorSpec(dtype="float32", shape=(None,))


@given(
    st.sampled_from(_DTYPES).flatmap(
        lambda dtype: arrays.arrays(dtype, arrays.array_shapes(max_dims=3, min_side=0))
    )
)
def test_a_tensor_comes_back_as_it_was_sent(array: Any) -> None:
    back = from_tensor(to_tensor(array))
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


def test_strings_come_back_as_bytes() -> None:
    spec = TensorSpec(dtype="string", shape=(None, 2))
    array = to_array("words", [["a", "é"], ["", {"b64": "/wA="}]], spec)
    assert from_tensor(to_tensor(array)).tolist() == [[b"a", "é".encode()], [b"", b"\xff\x00"]]


@pytest.mark.parametrize(
    ("dtype", "field", "sent", "read"),
    [
        (1, "float", [1.5], [1.5, 1.5, 1.5]),
        (9, "int64", [1, 2], [1, 2, 2]),
        (19, "half", [0x3E00], [1.5, 1.5, 1.5]),
        (10, "bool", [True, False, True], [True, False, True]),
    ],
)
def test_values_that_are_not_packed_are_read_and_the_last_is_repeated(
    dtype: int, field: str, sent: list[Any], read: list[Any]
) -> None:
    tensor = wire.message("Tensor")(dtype=dtype)
    tensor.shape.dims.add(size=3)
    getattr(tensor, field).extend(sent)
    assert from_tensor(tensor).tolist() == read


def test_rows_become_columns_by_name_or_bare_where_there_is_one_input() -> None:
    two = {"a": _FLOAT, "b": _FLOAT}
    assert columns([{"a": 1, "b": 2}, {"b": 4, "a": 3}], two) == {"a": [1, 3], "b": [2, 4]}
    assert columns([1, {"a": 2}, [3]], {"a": _FLOAT}) == {"a": [1, 2, [3]]}
    assert columns([{"b64": "AA=="}], {"a": _FLOAT}) == {"a": [{"b64": "AA=="}]}


@pytest.mark.parametrize(
    ("instances", "said"),
    [
        ([], "no instances"),
        ([1, 2], "Instance 0 is a bare value, but the signature has several inputs"),
        ([{"a": 1, "b": 2}, {"a": 1}], "Instance 1 has a; the signature takes a, b"),
        ([{"a": 1, "b": 2, "c": 3}], "Instance 0 has a, b, c; the signature takes a, b"),
    ],
)
def test_rows_that_do_not_fit_the_signature_are_refused(
    instances: list[JsonValue], said: str
) -> None:
    with pytest.raises(RefusedError, match=said):
        columns(instances, {"a": _FLOAT, "b": _FLOAT})


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("int32", [1.5]),
        ("int32", [2**31]),
        ("uint8", [-1]),
        ("uint8", [300]),
        ("float32", ["1"]),
        ("float32", [None]),
        ("float32", [[1], [1, 2]]),
        ("float32", [{"a": 1}]),
        ("bool", [1]),
        ("int32", [True]),
        ("string", [1]),
        ("string", [{"b64": "?"}]),
        ("complex64", [1]),
        ("bfloat16", [1]),
    ],
)
def test_a_value_that_is_not_of_the_dtype_is_refused_with_the_inputs_name(
    dtype: str, values: list[JsonValue]
) -> None:
    with pytest.raises(RefusedError, match=f"^Input 'x' cannot be read as {dtype}"):
        to_array("x", values, TensorSpec(dtype=dtype, shape=(None,)))


def test_outputs_become_rows_bare_where_there_is_one() -> None:
    assert rows({"y": np.array([[1], [2]])}, 2) == ([1], [2])
    words = np.array([b"a", b"\xff"], dtype=object)
    assert rows({"y": np.array([1, 2]), "s": words, "s_bytes": words}, 2) == (
        {"y": 1, "s": "a", "s_bytes": {"b64": "YQ=="}},
        {"y": 2, "s": "\ufffd", "s_bytes": {"b64": "/w=="}},
    )


def test_a_short_float_is_written_as_short_as_it_reads_back_the_same() -> None:
    numbers = [[0.1, 1e-30], [float("inf"), 16777216.0]]
    assert rows({"y": np.array(numbers, np.float32)}, 2) == tuple(numbers)
    assert rows({"y": np.array([0.1], np.float16)}, 1) == (0.1,)
    assert rows({"y": np.array([0.1 + 0.2])}, 1) == (0.1 + 0.2,)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [([1, 2], "float32"), ([1.5], "float16"), ([1, 255], "uint8"), ([True], "bool")],
)
def test_an_array_is_given_the_dtype_of_the_input(values: list[Any], dtype: str) -> None:
    given = as_dtype("x", np.array(values), TensorSpec(dtype=dtype, shape=(None,)))
    assert given.dtype == dtype
    assert given.tolist() == values


def test_an_array_of_texts_becomes_bytes() -> None:
    spec = TensorSpec(dtype="string", shape=(None,))
    assert as_dtype("x", ["é", "a"], spec).tolist() == ["é".encode(), b"a"]
    assert as_dtype("x", np.array([b"a", b"bc"]), spec).tolist() == [b"a", b"bc"]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [([1.5], "int32"), ([256], "uint8"), ([-1], "uint8"), ([1], "bool"), (["1"], "float32")],
)
def test_an_array_that_would_lose_something_is_refused(values: list[Any], dtype: str) -> None:
    with pytest.raises(RefusedError, match=f"^Input 'x' is .*; the signature takes {dtype}"):
        as_dtype("x", np.array(values), TensorSpec(dtype=dtype, shape=(None,)))


@pytest.mark.parametrize("output", [np.array(1.0), np.array([1.0])])
def test_an_output_without_the_batch_dimension_is_no_answer_in_rows(output: Any) -> None:
    with pytest.raises(ModelExportError, match="Output 'y' has the shape"):
        rows({"y": output}, 2)
