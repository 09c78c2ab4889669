"""TF Serving's gRPC services, PredictionService and ModelService, as plain functions of a request.

Finds the version that a message names and holds it; what an inference message means is
inference's matter, how errors become statuses grpc_server's.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_pb2,
    predict_pb2,
    regression_pb2,
)

from local_model_server import inference
from local_model_server.configuration import model_configs_of
from local_model_server.domain import (
    Code,
    Dispatcher,
    Manager,
    Metrics,
    Servable,
    ServingError,
)
from local_model_server.manager import Lease, ModelManager
from local_model_server.version_requests import VersionRequest

_METADATA_FIELD: Final = "signature_def"

Call = Callable[[Any], Awaitable[Any]]


@dataclass(frozen=True, kw_only=True)
class Method:
    """One method of a service, with its message classes.

    Named here and not read from the service's descriptor: tensorflow-serving-api's module of
    ModelService cannot be imported under protobuf's present runtime.
    """

    call: Call
    request: Any
    response: Any


@dataclass(frozen=True, kw_only=True)
class PredictionService:
    """Inference and metadata."""

    manager: ModelManager
    dispatcher: Dispatcher
    metrics: Metrics

    def methods(self) -> Mapping[str, Method]:
        """Give each method under its name in the service."""
        return {
            "Predict": Method(
                call=self._on_version(inference.predict),
                request=predict_pb2.PredictRequest,
                response=predict_pb2.PredictResponse,
            ),
            "Classify": Method(
                call=self._on_version(inference.classify),
                request=classification_pb2.ClassificationRequest,
                response=classification_pb2.ClassificationResponse,
            ),
            "Regress": Method(
                call=self._on_version(inference.regress),
                request=regression_pb2.RegressionRequest,
                response=regression_pb2.RegressionResponse,
            ),
            "MultiInference": Method(
                call=self._multi_inference,
                request=inference_pb2.MultiInferenceRequest,
                response=inference_pb2.MultiInferenceResponse,
            ),
            "GetModelMetadata": Method(
                call=self._get_model_metadata,
                request=get_model_metadata_pb2.GetModelMetadataRequest,
                response=get_model_metadata_pb2.GetModelMetadataResponse,
            ),
        }

    def _on_version(self, infer: Callable[[Dispatcher, Servable, Any], Awaitable[Any]]) -> Call:
        async def method(request: Any) -> Any:
            with self._lease(request) as servable, VersionRequest(self.metrics, servable):
                return await infer(self.dispatcher, servable, request)

        return method

    async def _multi_inference(self, request: Any) -> Any:
        if not request.tasks:
            raise ServingError(Code.INVALID_ARGUMENT, "Inference request has no tasks")
        with self._lease(request.tasks[0]) as servable, VersionRequest(self.metrics, servable):
            return await inference.multi_inference(self.dispatcher, servable, request)

    async def _get_model_metadata(self, request: Any) -> Any:
        if not request.metadata_field:
            raise ServingError(
                Code.INVALID_ARGUMENT,
                "GetModelMetadataRequest must specify at least one metadata_field",
            )
        for field in request.metadata_field:
            if field != _METADATA_FIELD:
                raise ServingError(
                    Code.INVALID_ARGUMENT, f"Metadata field {field} is not supported"
                )
        with self._lease(request) as servable:
            signatures = get_model_metadata_pb2.SignatureDefMap()
            for name, signature in servable.signatures.items():
                signatures.signature_def[name].CopyFrom(signature)
            response = get_model_metadata_pb2.GetModelMetadataResponse()
            response.model_spec.name = servable.name
            response.model_spec.version.value = servable.version
            response.metadata[_METADATA_FIELD].Pack(signatures)
            return response

    def _lease(self, request: Any) -> Lease:
        spec = _spec(request)
        return self.manager.lease(spec.name, **_version_choice(spec))


@dataclass(frozen=True, kw_only=True)
class ModelService:
    """States of versions, and the configuration."""

    manager: Manager

    def methods(self) -> Mapping[str, Method]:
        """Give each method under its name in the service."""
        return {
            "GetModelStatus": Method(
                call=self._get_model_status,
                request=get_model_status_pb2.GetModelStatusRequest,
                response=get_model_status_pb2.GetModelStatusResponse,
            ),
            "HandleReloadConfigRequest": Method(
                call=self._handle_reload_config,
                request=model_management_pb2.ReloadConfigRequest,
                response=model_management_pb2.ReloadConfigResponse,
            ),
        }

    async def _get_model_status(self, request: Any) -> Any:
        spec = _spec(request)
        response = get_model_status_pb2.GetModelStatusResponse()
        for status in self.manager.statuses(spec.name, **_version_choice(spec)):
            told = response.model_version_status.add()
            told.version = status.version
            told.state = int(status.state)
            told.status.error_code = int(status.code)
            told.status.error_message = status.message
        return response

    async def _handle_reload_config(self, request: Any) -> Any:
        if request.config.WhichOneof("config") != "model_config_list":
            raise ServingError(
                Code.INVALID_ARGUMENT,
                "ServerModelConfig type not supported by HandleReloadConfigRequest. "
                "Only ModelConfigList is currently supported",
            )
        await self.manager.reload(model_configs_of(request.config))
        response = model_management_pb2.ReloadConfigResponse()
        response.status.error_code = int(Code.OK)
        return response


def model_name(request: Any) -> str:
    """Find the model that a request is about, for the metrics."""
    holder = request.tasks[0] if getattr(request, "tasks", None) else request
    return str(holder.model_spec.name) if hasattr(holder, "model_spec") else ""


def _spec(request: Any) -> model_pb2.ModelSpec:
    if not request.HasField("model_spec"):
        raise ServingError(Code.INVALID_ARGUMENT, "Missing ModelSpec")
    return request.model_spec


def _version_choice(spec: model_pb2.ModelSpec) -> dict[str, Any]:
    if spec.HasField("version"):
        return {"version": spec.version.value}
    return {"label": spec.version_label} if spec.version_label else {}
