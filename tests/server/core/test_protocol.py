"""Every kind of model and every method, through real sockets with the real client stubs."""

import concurrent.futures

import grpc
import numpy as np
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    inference_pb2,
    predict_pb2,
    regression_pb2,
)

from tests.server.core.running import RunningServer, predict_request

pytestmark = pytest.mark.slow


def examples(request_input: object, *values: float) -> None:
    for value in values:
        example = request_input.example_list.examples.add()  # type: ignore[attr-defined]
        example.features.feature["x"].float_list.value.append(value)


def refused(call: object, *arguments: object) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments)  # type: ignore[operator]
    return caught.value.code().name, caught.value.details() or ""


def test_a_tensorflow_1_model_answers_with_float_values_and_its_version(
    zoo: RunningServer,
) -> None:
    answer = zoo.predict("tf1", {"x": np.array([[1.0], [4.0]], np.float32)})
    assert list(answer.outputs["y"].float_val) == [2.5, 4.0]
    assert [dim.size for dim in answer.outputs["y"].tensor_shape.dim] == [2, 1]
    assert answer.model_spec.name == "tf1"
    assert answer.model_spec.version.value == 1
    assert answer.model_spec.signature_name == "serving_default"


def test_classify_and_regress_run_on_examples(zoo: RunningServer) -> None:
    request = classification_pb2.ClassificationRequest()
    request.model_spec.name = "tf1"
    request.model_spec.signature_name = "classify"
    examples(request.input, 2.0, 6.0)
    rows = zoo.prediction.Classify(request).result.classifications
    assert [(row.classes[0].label, row.classes[0].score) for row in rows] == [("y", 3), ("y", 5)]
    question = regression_pb2.RegressionRequest()
    question.model_spec.name = "tf1"
    question.model_spec.signature_name = "regress"
    examples(question.input, 2.0)
    assert [one.value for one in zoo.prediction.Regress(question).result.regressions] == [3.0]


def test_examples_share_their_context(zoo: RunningServer) -> None:
    request = regression_pb2.RegressionRequest()
    request.model_spec.name = "tf1"
    request.model_spec.signature_name = "regress"
    shared = request.input.example_list_with_context
    shared.context.features.feature["x"].float_list.value.append(8.0)
    shared.examples.add()
    assert [one.value for one in zoo.prediction.Regress(request).result.regressions] == [6.0]


def test_multi_inference_answers_each_task_and_refuses_one_twice(zoo: RunningServer) -> None:
    request = inference_pb2.MultiInferenceRequest()
    for method in ("regress", "classify"):
        task = request.tasks.add(method_name=f"tensorflow/serving/{method}")
        task.model_spec.name = "tf1"
        task.model_spec.signature_name = method
    examples(request.input, 2.0)
    first, second = zoo.prediction.MultiInference(request).results
    assert first.regression_result.regressions[0].value == 3.0
    assert second.classification_result.classifications[0].classes[0].score == 3.0
    request.tasks.add().CopyFrom(request.tasks[0])
    code, text = refused(zoo.prediction.MultiInference, request)
    assert (code, text) == ("INVALID_ARGUMENT", "Duplicate evaluation of signature: regress")


def test_strings_go_through_a_table_from_an_asset(zoo: RunningServer) -> None:
    answer = zoo.predict("words", {"words": [b"beta", b"nothing"]})
    assert list(answer.outputs["index"].int64_val) == [1, -1]
    assert list(answer.outputs["shout"].string_val) == [b"BETA", b"NOTHING"]


def test_the_tflite_model_is_preferred_where_there_is_one(zoo: RunningServer) -> None:
    answer = zoo.predict("lite", {"x": np.zeros(3, np.float32)})
    assert list(answer.outputs["version"].float_val) == [1001.0] * 3
    assert refused(zoo.predict, "lite", {"x": np.zeros(3, np.float64)})[0] == "INVALID_ARGUMENT"


def test_an_output_filter_gives_only_what_was_asked_for(zoo: RunningServer) -> None:
    answer = zoo.predict("words", {"words": [b"beta"]}, filter_=("index",))
    assert list(answer.outputs) == ["index"]


@pytest.mark.parametrize(
    ("inputs", "spec", "code", "text"),
    [
        ({}, {}, "INVALID_ARGUMENT", "Missing but required: {x}"),
        ({"x": [[1.0]], "z": 1.0}, {}, "INVALID_ARGUMENT", "Sent extra: {z}"),
        ({"x": [[1]]}, {}, "INVALID_ARGUMENT", "Expects input x to be float32 but int32"),
        ({"x": [1.0]}, {}, "INVALID_ARGUMENT", "to have shape [?,1] but [1] is provided"),
        ({"x": [[1.0]]}, {"signature": "no"}, "FAILED_PRECONDITION", 'key "no" not found'),
        ({"x": [[1.0]]}, {"version": 9}, "NOT_FOUND", "request: Specific(tf1, 9)"),
        ({"x": [[1.0]]}, {"label": "no"}, "INVALID_ARGUMENT", "servable version label: no"),
        (
            {"x": [[1.0]]},
            {"filter_": ("q",)},
            "INVALID_ARGUMENT",
            "alias not found in signature: q",
        ),
    ],
)
def test_a_wrong_request_gets_tf_servings_code_and_a_clear_line(
    zoo: RunningServer, inputs: dict[str, object], spec: dict[str, object], code: str, text: str
) -> None:
    got_code, got_text = refused(lambda: zoo.predict("tf1", inputs, **spec))  # type: ignore[arg-type]
    assert got_code == code
    assert text in got_text


def test_a_request_without_a_model_or_for_an_unknown_one_is_refused(zoo: RunningServer) -> None:
    assert refused(zoo.prediction.Predict, predict_pb2.PredictRequest())[1] == "Missing ModelSpec"
    assert refused(zoo.predict, "nobody", {}) == (
        "NOT_FOUND",
        "Servable not found for request: Latest(nobody)",
    )


def test_a_tensor_whose_bytes_do_not_fit_its_shape_is_refused(zoo: RunningServer) -> None:
    request = predict_request("tf1", {"x": np.zeros((2, 1), np.float32)})
    request.inputs["x"].tensor_content = b"short"
    code, text = refused(zoo.prediction.Predict, request)
    assert code == "INVALID_ARGUMENT"
    assert "tensor parsing error: x" in text


def test_metadata_holds_the_signatures(zoo: RunningServer) -> None:
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "tf1"
    answer = zoo.prediction.GetModelMetadata(request)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(signatures)
    assert {"serving_default", "classify", "regress"} <= set(signatures.signature_def)
    request.metadata_field[0] = "weather"
    assert refused(zoo.prediction.GetModelMetadata, request)[1] == (
        "Metadata field weather is not supported"
    )


def test_only_the_latest_version_is_loaded_by_default(zoo: RunningServer) -> None:
    assert zoo.states("versioned") == {3: "AVAILABLE"}


def test_health_says_serving_once_every_model_answers(zoo: RunningServer) -> None:
    stub = health_pb2_grpc.HealthStub(zoo.channel)
    answer = stub.Check(health_pb2.HealthCheckRequest())
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_a_message_of_many_megabytes_passes(zoo: RunningServer) -> None:
    x = np.arange(3_000_000, dtype=np.float32)
    answer = zoo.predict("versioned", {"x": x})
    assert np.array_equal(tf.make_ndarray(answer.outputs["x"]), x)


def test_a_slow_request_does_not_hold_up_quick_ones(zoo: RunningServer) -> None:
    with concurrent.futures.ThreadPoolExecutor() as pool:
        slow = pool.submit(zoo.predict, "slow", {"steps": 400_000})
        answers = 0
        while not slow.done():
            zoo.predict("versioned", {"x": np.zeros(1, np.float32)})
            answers += not slow.done()
        assert slow.result().outputs["steps"].int_val[0] == 400_000
    assert answers >= 5


def test_a_deadline_is_kept_and_the_server_goes_on(zoo: RunningServer) -> None:
    request = predict_request("slow", {"steps": 200_000})
    with pytest.raises(grpc.RpcError) as caught:
        zoo.prediction.Predict(request, timeout=0.05)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert zoo.predict("slow", {"steps": 3}).outputs["steps"].int_val[0] == 3
