"""TF Serving's JSON for predict: what comes in, what goes out, and what is refused."""

import base64
import json
import math
import timeit
from typing import Any

import ml_dtypes
import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from local_model_server.domain import Code, ServingError
from local_model_server.json_codec import (
    decode_predict,
    encode_error,
    encode_predict,
    parse_document,
)

FLOAT, DOUBLE, INT32, UINT8, STRING, INT64, BOOL, BFLOAT16, HALF, UINT64 = (
    1,
    2,
    3,
    4,
    7,
    9,
    10,
    14,
    19,
    23,
)
_SHAPES = hnp.array_shapes(min_dims=1, max_dims=3, max_side=4)


def _decode(body: bytes | str, **dtypes: int) -> tuple[dict[str, NDArray[Any]], bool]:
    return decode_predict(parse_document(body.encode() if isinstance(body, str) else body), dtypes)


def _refusal(body: bytes | str, **dtypes: int) -> str:
    with pytest.raises(ServingError) as caught:
        _decode(body, **dtypes)
    assert caught.value.code is Code.INVALID_ARGUMENT
    return caught.value.message


def _round_trip(array: NDArray[Any], dtype: int, *, row: bool) -> NDArray[Any]:
    """Send what was answered: outputs as inputs."""
    body = encode_predict({"x": array}, row=row)
    answer, request = ("predictions", "instances") if row else ("outputs", "inputs")
    inputs, was_row = _decode(body.replace(answer.encode(), request.encode(), 1), x=dtype)
    assert was_row is row
    return inputs["x"]


def _same(left: NDArray[Any], right: NDArray[Any]) -> bool:
    return (
        left.dtype == right.dtype
        and left.shape == right.shape
        and np.array_equal(left, right, equal_nan=left.dtype.kind == "f")
    )


@given(hnp.arrays(np.float32, _SHAPES), st.booleans())
def test_every_float_survives_the_way_there_and_back(array: NDArray[Any], row: bool) -> None:  # noqa: FBT001 - drawn
    assert _same(_round_trip(array, FLOAT, row=row), array)


@given(hnp.arrays(np.float64, _SHAPES), st.booleans())
def test_every_double_survives_the_way_there_and_back(array: NDArray[Any], row: bool) -> None:  # noqa: FBT001 - drawn
    assert _same(_round_trip(array, DOUBLE, row=row), array)


@given(hnp.arrays(np.int64, _SHAPES), st.booleans())
def test_every_int64_is_exact(array: NDArray[Any], row: bool) -> None:  # noqa: FBT001 - drawn
    assert _same(_round_trip(array, INT64, row=row), array)


@given(hnp.arrays(np.uint64, _SHAPES))
def test_every_uint64_is_exact(array: NDArray[Any]) -> None:
    assert _same(_round_trip(array, UINT64, row=True), array)


@given(hnp.arrays(np.float16, _SHAPES))
def test_every_half_survives(array: NDArray[Any]) -> None:
    assert _same(_round_trip(array, HALF, row=True), array)


@given(hnp.arrays(np.bool_, _SHAPES))
def test_booleans_survive(array: NDArray[Any]) -> None:
    assert _same(_round_trip(array, BOOL, row=False), array)


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=5))
def test_bytes_survive_as_base64(values: list[bytes]) -> None:
    array = np.array(values, dtype=np.object_)
    body = encode_predict({"x_bytes": array}, row=True)
    inputs, _ = _decode(body.replace(b"predictions", b"instances"), x_bytes=STRING)
    assert inputs["x_bytes"].tolist() == values


@given(st.lists(st.text(max_size=8), min_size=1, max_size=5))
def test_texts_survive_as_they_are(values: list[str]) -> None:
    array = np.array([value.encode() for value in values], dtype=np.object_)
    assert _round_trip(array, STRING, row=True).tolist() == [value.encode() for value in values]


@given(st.binary(max_size=40))
def test_no_body_is_answered_by_anything_but_an_error_of_the_client(body: bytes) -> None:
    try:
        _decode(body, x=FLOAT)
    except ServingError as error:
        assert error.code is Code.INVALID_ARGUMENT  # noqa: PT017 - a body may be right


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(_JSON, st.sampled_from([FLOAT, INT32, STRING, BOOL, UINT64, BFLOAT16]))
def test_any_json_value_is_converted_or_refused(value: Any, dtype: int) -> None:
    for key in ("instances", "inputs"):
        try:
            inputs, _ = _decode(json.dumps({key: value}), x=dtype)
        except ServingError as error:
            assert error.code is Code.INVALID_ARGUMENT  # noqa: PT017 - a value may be right
        else:
            assert inputs["x"].dtype != np.object_ or dtype == STRING


def test_rows_of_named_inputs_become_columns() -> None:
    inputs, row = _decode(
        '{"instances": [{"age": 63, "sex": "m"}, {"sex": "f", "age": 41}]}', age=FLOAT, sex=STRING
    )
    assert row
    assert inputs["age"].tolist() == [63.0, 41.0]
    assert inputs["age"].dtype == np.float32
    assert inputs["sex"].tolist() == [b"m", b"f"]


def test_columns_of_named_inputs_stay_columns() -> None:
    inputs, row = _decode('{"inputs": {"a": [[1, 2]], "b": true}}', a=INT32, b=BOOL)
    assert not row
    assert inputs["a"].shape == (1, 2)
    assert inputs["b"].shape == ()


def test_a_single_input_may_be_named_or_not() -> None:
    for body in ('{"instances": [1, 2]}', '{"instances": [{"x": 1}, {"x": 2}]}'):
        assert _decode(body, x=FLOAT)[0]["x"].tolist() == [1.0, 2.0]
    for body in ('{"inputs": [1, 2]}', '{"inputs": {"x": [1, 2]}}'):
        assert _decode(body, x=FLOAT)[0]["x"].tolist() == [1.0, 2.0]


def test_base64_stands_for_bytes_with_or_without_padding() -> None:
    raw = bytes(range(250, 256))
    usual = base64.b64encode(raw).decode()
    url_safe = base64.urlsafe_b64encode(raw + b"x").decode().rstrip("=")
    body = json.dumps({"instances": [{"b64": usual}, {"b64": url_safe}, "text"]})
    assert _decode(body, x=STRING)[0]["x"].tolist() == [raw, raw + b"x", b"text"]
    assert "Unable to base64 decode" in _refusal('{"instances": [{"b64": "*"}]}', x=STRING)


def test_bare_nan_and_infinity_are_numbers() -> None:
    (values, _) = _decode('{"instances": [NaN, Infinity, -Infinity, 1]}', x=FLOAT)
    assert str(values["x"].tolist()) == "[nan, inf, -inf, 1.0]"


def test_a_large_integer_is_exact_to_the_last_digit() -> None:
    body = '{"instances": [9223372036854775807, -9223372036854775808]}'
    assert _decode(body, x=INT64)[0]["x"].tolist() == [2**63 - 1, -(2**63)]


def test_numpys_choice_of_float_for_mixed_uint64_loses_nothing() -> None:
    body = '{"instances": [1, 18446744073709551615]}'
    assert _decode(body, x=UINT64)[0]["x"].tolist() == [1, 2**64 - 1]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", "The document is empty"),
        ('{"instances": [1', "JSON Parse error"),
        ('{"instances": [NaN', "JSON Parse error"),
        ("[1]", "Is not object"),
        ("{}", "Missing 'inputs' or 'instances' key"),
        ('{"instances": [1], "inputs": [1]}', "only one of 'inputs' or 'instances'"),
        ('{"instances": 1}', "Expecting 'instances' to be a list/array"),
        ('{"instances": []}', "No values in 'instances' array"),
        ('{"instances": [{"y": 1}]}', "they must be equal to: x"),
        ('{"instances": [{"x": 1}, 2]}', "Expecting object but got Number at item 1"),
        ('{"instances": [1, {"x": 2}]}', "Expecting value/list but got object at item 1"),
        ('{"inputs": {"y": 1}}', "Missing named input: x in 'inputs' object."),
        ('{"instances": [[1], [1, 2]]}', "Input x: Encountered lists of unequal size"),
        ('{"instances": [1, [2]]}', "Input x: Encountered lists of unequal size"),
        ('{"instances": [1, "a"]}', 'JSON Value: "a" Type: String is not of expected type: float'),
        ('{"instances": [1, true]}', "JSON Value: true Type: Boolean is not of expected type"),
        ('{"instances": [1, null]}', "JSON Value: null Type: Null is not of expected type: float"),
        ('{"instances": ["1"]}', "is not of expected type: float"),
        ('{"instances": [1e39]}', "Cannot convert JSON value: 1e+39 to float without loss"),
        ('{"instances": [16777217]}', "Cannot convert JSON value: 16777217 to float without loss"),
    ],
)
def test_what_is_no_float_input_is_refused_by_name(body: str, words: str) -> None:
    assert words in _refusal(body, x=FLOAT)


@pytest.mark.parametrize(
    ("dtype", "body", "words"),
    [
        (INT32, '{"instances": [1.5]}', "JSON Value: 1.5 Type: Number is not of expected type"),
        (INT32, '{"instances": [2147483648]}', "2147483648 does not fit into int32"),
        (UINT8, '{"instances": [-1]}', "-1 does not fit into uint8"),
        (INT64, '{"instances": [9223372036854775808]}', "does not fit into int64"),
        (UINT64, '{"instances": [18446744073709551616]}', "is not of expected type: uint64"),
        (BOOL, '{"instances": [true, 1]}', "JSON Value: 1 Type: Number is not of expected type"),
        (STRING, '{"instances": ["a", 1]}', "JSON Value: 1 Type: Number is not of expected type"),
        (STRING, '{"instances": [["a"], ["b", "c"]]}', "lists of unequal size"),
        (STRING, '{"instances": [["a"], "b"]}', "lists of unequal size"),
        (STRING, '{"instances": ["a", {"c": 1}]}', "got object at item 1"),
        (HALF, '{"instances": [1e6]}', "without loss of precision"),
    ],
)
def test_a_value_of_the_wrong_dtype_is_refused_with_its_input(
    dtype: int, body: str, words: str
) -> None:
    assert words in _refusal(body, x=dtype)


def test_a_dtype_without_a_json_form_is_unimplemented() -> None:
    with pytest.raises(ServingError, match="Input x: JSON has no form") as caught:
        _decode('{"instances": [1]}', x=8)
    assert caught.value.code is Code.UNIMPLEMENTED


def test_a_plain_list_cannot_feed_two_inputs() -> None:
    assert "required: a, b" in _refusal('{"instances": [1]}', a=FLOAT, b=FLOAT)
    assert "required: a, b" in _refusal('{"inputs": [1]}', a=FLOAT, b=FLOAT)


@pytest.mark.parametrize("dtype", [FLOAT, STRING])
@pytest.mark.parametrize("depth", [70, 900])
def test_deep_nesting_is_refused_not_followed(dtype: int, depth: int) -> None:
    assert "unequal size or depth" in _refusal(
        '{"instances": ' + "[" * depth + "]" * depth + "}", x=dtype
    )
    assert "JSON Parse error" in _refusal('{"instances": NaN' + "[" * 100_000, x=dtype)


def test_the_signature_is_named_by_a_string() -> None:
    assert parse_document(b'{"signature_name": "other"}').signature_name == "other"
    assert parse_document(b"{}").signature_name == ""
    with pytest.raises(ServingError, match="'signature_name' key must be a string"):
        _ = parse_document(b'{"signature_name": 1}').signature_name


def test_floats_are_printed_with_the_fewest_digits() -> None:
    values = np.array([0.1, 1.0, 1e-7, 16777216.0], dtype=np.float32)
    assert json.loads(encode_predict({"y": values}, row=True)) == {
        "predictions": [0.1, 1.0, 1e-7, 16777216.0]
    }
    with_nan = np.array([0.1, math.nan, -math.inf], dtype=np.float32)
    assert encode_predict({"y": with_nan}, row=True) == b'{"predictions":[0.1,NaN,-Infinity]}'


def test_a_single_output_stands_bare_and_several_by_name() -> None:
    y = np.array([[1, 2], [3, 4]], dtype=np.int32)
    z = np.array([b"a", b"b"], dtype=np.object_)
    assert encode_predict({"y": y}, row=True) == b'{"predictions":[[1,2],[3,4]]}'
    assert encode_predict({"y": y}, row=False) == b'{"outputs":[[1,2],[3,4]]}'
    assert json.loads(encode_predict({"y": y, "z": z}, row=True)) == {
        "predictions": [{"y": [1, 2], "z": "a"}, {"y": [3, 4], "z": "b"}]
    }
    assert json.loads(encode_predict({"y": y, "z": z}, row=False)) == {
        "outputs": {"y": [[1, 2], [3, 4]], "z": ["a", "b"]}
    }


def test_scalar_outputs_need_the_column_form() -> None:
    scalar = {"y": np.array(0.5, dtype=np.float32)}
    assert encode_predict(scalar, row=False) == b'{"outputs":0.5}'
    with pytest.raises(ServingError, match="Tensor name: y has no batch dimension"):
        encode_predict(scalar, row=True)


def test_outputs_of_unequal_batch_sizes_need_the_column_form() -> None:
    outputs = {"y": np.zeros(2), "z": np.zeros(3)}
    assert encode_predict(outputs, row=False) == b'{"outputs":{"y":[0.0,0.0],"z":[0.0,0.0,0.0]}}'
    with pytest.raises(ServingError, match="z has inconsistent batch size: 3 expecting: 2"):
        encode_predict(outputs, row=True)


def test_bytes_that_are_no_text_lead_to_the_suffix() -> None:
    outputs = {"image": np.array([b"\xff"], dtype=np.object_)}
    with pytest.raises(ServingError, match="name it image_bytes in the signature"):
        encode_predict(outputs, row=True)


def test_bfloat16_and_views_are_written_too() -> None:
    assert encode_predict({"y": np.array([1.5], ml_dtypes.bfloat16)}, row=True) == (
        b'{"predictions":[1.5]}'
    )
    turned = np.arange(6, dtype=np.float32).reshape(2, 3).T
    assert encode_predict({"y": turned}, row=True) == (
        b'{"predictions":[[0.0,3.0],[1.0,4.0],[2.0,5.0]]}'
    )


def test_complex_outputs_are_refused() -> None:
    with pytest.raises(ServingError, match="Failed to write JSON value for tensor type: complex64"):
        encode_predict({"y": np.zeros(1, np.complex64)}, row=True)


def test_an_error_is_an_object_with_its_message() -> None:
    assert json.loads(encode_error('a "quoted"\nline')) == {"error": 'a "quoted"\nline'}


def test_an_image_is_decoded_without_a_loop_over_its_numbers() -> None:
    image = np.random.default_rng(0).random((1, 28, 28), dtype=np.float32)
    body = orjson.dumps({"instances": image}, option=orjson.OPT_SERIALIZE_NUMPY)
    assert _same(_decode(body, x=FLOAT)[0]["x"], image)
    # The best of many, and beside something else: a slow machine is slow for both.
    decoding = min(timeit.repeat(lambda: _decode(body, x=FLOAT), number=1, repeat=200))
    parsing = min(timeit.repeat(lambda: json.loads(body), number=1, repeat=200))
    # About 0.6 times; with a loop over the numbers it would be more than 6 times.
    assert decoding < 3 * parsing
