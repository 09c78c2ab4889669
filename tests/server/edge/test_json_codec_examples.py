"""TF Serving's JSON for classify and regress. Loads TensorFlow for the protocol's messages."""

import json
from typing import Any

import pytest

from local_model_server.domain import Code, ServingError
from local_model_server.json_codec import parse_document
from local_model_server.json_codec_examples import (
    decode_examples,
    encode_classification,
    encode_regression,
)

# The messages bring TensorFlow with them, which takes seconds to import.
pytestmark = pytest.mark.slow


def _decode(document: object) -> Any:
    return decode_examples(parse_document(json.dumps(document).encode()))


def _refusal(document: object) -> str:
    with pytest.raises(ServingError) as caught:
        _decode(document)
    assert caught.value.code is Code.INVALID_ARGUMENT
    return caught.value.message


def test_features_take_their_kind_from_their_values() -> None:
    features = {"f": 0.5, "i": [1, 2], "b": True, "s": ["a", {"b64": "/w=="}], "empty": []}
    (example,) = _decode({"examples": [features]}).example_list.examples
    feature = example.features.feature
    assert list(feature["f"].float_list.value) == [0.5]
    assert list(feature["i"].int64_list.value) == [1, 2]
    assert list(feature["b"].int64_list.value) == [1]
    assert list(feature["s"].bytes_list.value) == [b"a", b"\xff"]
    assert feature["empty"].WhichOneof("kind") is None


def test_a_context_goes_with_all_examples() -> None:
    result = _decode({"context": {"c": 1.0}, "examples": [{"f": 2.0}, {"f": 3.0}]})
    with_context = result.example_list_with_context
    assert list(with_context.context.features.feature["c"].float_list.value) == [1.0]
    assert len(with_context.examples) == 2


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({}, "key 'examples' is expected"),
        ({"examples": {}}, "Expecting 'examples' value to be a list/array"),
        ({"examples": []}, "'examples' value is an empty array"),
        ({"examples": [1]}, "examples[0]: Example must be JSON object but got 1"),
        ({"examples": [{"f": None}]}, "Feature: f has element with unexpected JSON type: null"),
        ({"examples": [{"f": [[1]]}]}, "Feature: f has element with unexpected JSON type"),
        ({"examples": [{"f": [1, 0.5]}]}, "in feature: f expecting type: int64, got float"),
        ({"examples": [{"f": 2**63}]}, "Only int64 is supported"),
        ({"examples": [{"f": 1e39}]}, "Cannot convert JSON value: 1e+39 to float"),
        ({"examples": [{}], "context": 1}, "context: Example must be JSON object"),
    ],
)
def test_what_is_no_example_is_refused(document: object, words: str) -> None:
    assert words in _refusal(document)


def test_classifications_are_pairs_of_label_and_score() -> None:
    from tensorflow_serving.apis.classification_pb2 import (  # noqa: PLC0415 - takes seconds
        ClassificationResult,
    )

    result = ClassificationResult()
    classes = result.classifications.add().classes
    classes.add(label="sick", score=0.1)
    classes.add(label="well", score=0.9)
    assert json.loads(encode_classification(result)) == {
        "results": [[["sick", 0.1], ["well", 0.9]]]
    }
    with pytest.raises(ServingError, match="empty ClassificationResults"):
        encode_classification(ClassificationResult())


def test_regressions_are_numbers() -> None:
    from tensorflow_serving.apis.regression_pb2 import (  # noqa: PLC0415 - takes seconds
        RegressionResult,
    )

    result = RegressionResult()
    result.regressions.add(value=0.1)
    result.regressions.add(value=float("nan"))
    assert encode_regression(result) == b'{"results":[0.1,NaN]}'
    with pytest.raises(ServingError, match="empty RegressionResults"):
        encode_regression(RegressionResult())
