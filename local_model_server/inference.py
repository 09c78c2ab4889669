"""What each inference message means on a version that is held: requests in, responses out.

Shared by gRPC and by warm-up, whose recorded requests are the same messages.
"""

from typing import TYPE_CHECKING

from tensorflow_serving.apis.classification_pb2 import (
    ClassificationRequest,
    ClassificationResponse,
)
from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest, MultiInferenceResponse
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse
from tensorflow_serving.apis.regression_pb2 import RegressionRequest, RegressionResponse

from local_model_server.domain import DEFAULT_SIGNATURE, Code, Dispatcher, Servable, ServingError
from local_model_server.signatures import CLASSIFY_METHOD, REGRESS_METHOD
from local_model_server.tensors import array_of, put_tensors

if TYPE_CHECKING:
    from tensorflow_serving.apis.model_pb2 import ModelSpec


async def predict(
    dispatcher: Dispatcher, servable: Servable, request: PredictRequest
) -> PredictResponse:
    """Run any signature on tensors."""
    inputs = {alias: array_of(alias, proto) for alias, proto in request.inputs.items()}
    signature_name = request.model_spec.signature_name
    outputs = await dispatcher.run(servable, signature_name, inputs, request.output_filter)
    response = PredictResponse()
    put_tensors(outputs, response.outputs)
    _answer_spec(response.model_spec, servable, signature_name)
    return response


async def classify(
    dispatcher: Dispatcher, servable: Servable, request: ClassificationRequest
) -> ClassificationResponse:
    """Run a classification signature on examples."""
    signature_name = request.model_spec.signature_name
    result = await dispatcher.classify(servable, signature_name, request.input)
    response = ClassificationResponse(result=result)
    _answer_spec(response.model_spec, servable, signature_name)
    return response


async def regress(
    dispatcher: Dispatcher, servable: Servable, request: RegressionRequest
) -> RegressionResponse:
    """Run a regression signature on examples."""
    signature_name = request.model_spec.signature_name
    result = await dispatcher.regress(servable, signature_name, request.input)
    response = RegressionResponse(result=result)
    _answer_spec(response.model_spec, servable, signature_name)
    return response


async def multi_inference(
    dispatcher: Dispatcher, servable: Servable, request: MultiInferenceRequest
) -> MultiInferenceResponse:
    """Run several signatures on the same examples."""
    _check_tasks(request)
    response = MultiInferenceResponse()
    for task in request.tasks:
        signature_name = task.model_spec.signature_name
        result = response.results.add()
        if task.method_name == CLASSIFY_METHOD:
            answer = await dispatcher.classify(servable, signature_name, request.input)
            result.classification_result.CopyFrom(answer)
        else:
            numbers = await dispatcher.regress(servable, signature_name, request.input)
            result.regression_result.CopyFrom(numbers)
        _answer_spec(result.model_spec, servable, signature_name)
    return response


def _check_tasks(request: MultiInferenceRequest) -> None:
    if len({task.model_spec.name for task in request.tasks}) > 1:
        raise ServingError(
            Code.INVALID_ARGUMENT,
            "All ModelSpecs in a MultiInferenceRequest must access the same model name.",
        )
    seen: set[str] = set()
    for task in request.tasks:
        name = task.model_spec.signature_name or DEFAULT_SIGNATURE
        if name in seen:
            raise ServingError(Code.INVALID_ARGUMENT, f"Duplicate evaluation of signature: {name}")
        seen.add(name)
        if task.method_name not in (CLASSIFY_METHOD, REGRESS_METHOD):
            raise ServingError(
                Code.UNIMPLEMENTED, f"Unsupported signature method_name: {task.method_name}"
            )


def _answer_spec(spec: "ModelSpec", servable: Servable, signature_name: str) -> None:
    spec.name = servable.name
    spec.version.value = servable.version
    spec.signature_name = signature_name or DEFAULT_SIGNATURE
