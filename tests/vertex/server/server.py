"""A server that speaks Vertex AI's gRPC protocol, for the real client on the wire.

Owns the wire: TLS, tokens, which method is which function, and the places where a test can stop the
world: before a change is looked at, while an operation runs, or before its answer is sent. What is
kept and which rules hold is `world`'s.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import grpc
from google.api import httpbody_pb2  # type: ignore[import-untyped]
from google.cloud import aiplatform_v1 as v1
from google.cloud import aiplatform_v1beta1 as beta
from google.longrunning import operations_pb2  # type: ignore[import-untyped]
from google.protobuf import empty_pb2

from tests.vertex.server import endpoints, jobs, models, prediction
from tests.vertex.server.api_error import ApiError, invalid, missing
from tests.vertex.server.credentials import Credentials, make_credentials
from tests.vertex.server.rest import running_rest
from tests.vertex.server.world import World

_PACKAGE: Final = "/google.cloud.aiplatform.v1."
Phase = Literal["asked", "done"]

# By method: the function, the request's class and the answer's.
_Method = tuple[Callable[..., Any], Any, Any]
_LONG: Final = operations_pb2.Operation
_METHODS: Final[dict[str, _Method]] = {
    "ModelService/UploadModel": (models.upload_model, v1.UploadModelRequest, _LONG),
    "ModelService/GetModel": (models.get_model, v1.GetModelRequest, v1.Model),
    "ModelService/ListModelVersions": (
        models.list_model_versions,
        v1.ListModelVersionsRequest,
        v1.ListModelVersionsResponse,
    ),
    "ModelService/UpdateModel": (models.update_model, v1.UpdateModelRequest, v1.Model),
    "ModelService/MergeVersionAliases": (
        models.merge_version_aliases,
        v1.MergeVersionAliasesRequest,
        v1.Model,
    ),
    "ModelService/DeleteModelVersion": (
        models.delete_model_version,
        v1.DeleteModelVersionRequest,
        _LONG,
    ),
    "ModelService/DeleteModel": (models.delete_model, v1.DeleteModelRequest, _LONG),
    "EndpointService/CreateEndpoint": (endpoints.create_endpoint, v1.CreateEndpointRequest, _LONG),
    "EndpointService/GetEndpoint": (endpoints.get_endpoint, v1.GetEndpointRequest, v1.Endpoint),
    "EndpointService/UpdateEndpoint": (
        endpoints.update_endpoint,
        v1.UpdateEndpointRequest,
        v1.Endpoint,
    ),
    "EndpointService/DeleteEndpoint": (endpoints.delete_endpoint, v1.DeleteEndpointRequest, _LONG),
    "EndpointService/DeployModel": (endpoints.deploy_model, v1.DeployModelRequest, _LONG),
    "EndpointService/UndeployModel": (endpoints.undeploy_model, v1.UndeployModelRequest, _LONG),
    "EndpointService/MutateDeployedModel": (
        endpoints.mutate_deployed_model,
        v1.MutateDeployedModelRequest,
        _LONG,
    ),
    "JobService/CreateBatchPredictionJob": (
        jobs.create_job,
        v1.CreateBatchPredictionJobRequest,
        v1.BatchPredictionJob,
    ),
    "JobService/GetBatchPredictionJob": (
        jobs.get_job,
        v1.GetBatchPredictionJobRequest,
        v1.BatchPredictionJob,
    ),
    "JobService/ListBatchPredictionJobs": (
        jobs.list_jobs,
        v1.ListBatchPredictionJobsRequest,
        v1.ListBatchPredictionJobsResponse,
    ),
    "JobService/CancelBatchPredictionJob": (
        jobs.cancel_job,
        v1.CancelBatchPredictionJobRequest,
        empty_pb2.Empty,
    ),
}
_CHANGES: Final = ("Upload", "Update", "Merge", "Delete", "Create", "Deploy", "Undeploy", "Mutate")


@dataclass(kw_only=True)
class Stop:
    """A place where a call is kept waiting, and the test that waits for it to come there."""

    method: str
    phase: Phase
    reached: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)


@dataclass(kw_only=True)
class VertexServer:
    """A running server. `calls` has every change that was asked for, in order."""

    credentials: Credentials
    world: World = field(default_factory=World)
    calls: list[str] = field(default_factory=list)
    failures: dict[str, list[ApiError]] = field(default_factory=dict)
    stops: list[Stop] = field(default_factory=list)
    lock: Any = field(default_factory=threading.RLock)
    address: str = ""
    rest_address: str = ""

    def __post_init__(self) -> None:
        self.router = prediction.Router(world=self.world, locked=self.locked)

    @contextmanager
    def locked(self) -> Iterator[World]:
        with self.lock:
            self.world.operations.pass_time()
            yield self.world

    def reset(self) -> None:
        """Forget everything; a client's channel stays good."""
        with self.lock:
            self.world.__init__()  # type: ignore[misc] # the same object, since handlers hold it
            self.calls.clear()
            self.failures.clear()
            for stop in self.stops:
                stop.released.set()
            self.stops.clear()
            self.router.__init__(world=self.world, locked=self.locked)  # type: ignore[misc]

    def fail(self, method: str, error: ApiError, times: int = 1) -> None:
        """Refuse the next calls of a method."""
        self.failures.setdefault(method, []).extend([error] * times)

    def wait_for_operation(self, method: str, seconds: float) -> None:
        """Wait until an operation of that method is under way."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with self.lock:
                entries = self.world.operations.all.values()
                if any(entry.method == method and not entry.done for entry in entries):
                    return
            time.sleep(0.02)
        raise AssertionError(f"no {method} is under way")

    def stop(self, method: str, phase: Phase) -> Stop:
        """Keep the next call of a method waiting, before it is done or before it is answered."""
        stop = Stop(method=method, phase=phase)
        self.stops.append(stop)
        return stop

    def call(self, method: str, function: Callable[..., Any], request: Any, context: Any) -> Any:
        metadata = dict(context.invocation_metadata())
        try:
            _require_token(metadata)
            self._wait_at(method, "asked")
            with self.lock:
                if self.failures.get(method):
                    raise self.failures[method].pop(0)
            answer = self._answer(method, function, request)
            self._wait_at(method, "done")
        except ApiError as error:
            error.abort(context)
        return answer

    def _answer(self, method: str, function: Callable[..., Any], request: Any) -> Any:
        if method in {"RawPredict", "Predict"}:
            return function(self.router, request)
        with self.locked() as world:
            answer = function(world, request)
            if method.startswith(_CHANGES):
                self.calls.append(method)
            return answer

    def _wait_at(self, method: str, phase: Phase) -> None:
        found = next(
            (stop for stop in self.stops if (stop.method, stop.phase) == (method, phase)), None
        )
        if found is not None:
            self.stops.remove(found)
            found.reached.set()
            found.released.wait(60)

    # What is under way, whoever's it is.

    def get_operation(self, world: World, request: Any) -> Any:
        operation = world.operations.all.get(world.canonical(request.name))
        if operation is None:
            raise missing(f"Operation {request.name} is not found.")
        return world.operations.message(operation)

    def list_operations(self, world: World, request: Any) -> Any:
        if request.filter:
            raise invalid(f"The filter {request.filter} is not known.")
        parent = world.canonical(request.name)
        found = [entry for entry in world.operations.all.values() if entry.parent == parent]
        # A page holds two, so that whoever reads has to ask for the next.
        at = int(request.page_token or 0)
        return operations_pb2.ListOperationsResponse(
            operations=[world.operations.message(entry) for entry in found[at : at + 2]],
            next_page_token=str(at + 2) if at + 2 < len(found) else "",
        )

    def methods(self) -> dict[str, _Method]:
        table = {f"{_PACKAGE}{name}": entry for name, entry in _METHODS.items()}
        table[f"{_PACKAGE}PredictionService/RawPredict"] = (
            prediction.raw_predict,
            v1.RawPredictRequest,
            httpbody_pb2.HttpBody,
        )
        table[f"{_PACKAGE}PredictionService/Predict"] = (
            prediction.predict,
            v1.PredictRequest,
            v1.PredictResponse,
        )
        newer = _PACKAGE.replace(".v1.", ".v1beta1.")
        table[f"{newer}EndpointService/DeployModel"] = (
            _deploy_beta,
            beta.DeployModelRequest,
            _LONG,
        )
        table[f"{newer}EndpointService/MutateDeployedModel"] = (
            _mutate_beta,
            beta.MutateDeployedModelRequest,
            _LONG,
        )
        waiting = "/google.longrunning.Operations/"
        table[f"{waiting}GetOperation"] = (
            self.get_operation,
            operations_pb2.GetOperationRequest,
            _LONG,
        )
        table[f"{waiting}ListOperations"] = (
            self.list_operations,
            operations_pb2.ListOperationsRequest,
            operations_pb2.ListOperationsResponse,
        )
        return table


def _require_token(metadata: dict[str, Any]) -> None:
    if not str(metadata.get("authorization", "")).startswith("Bearer "):
        raise ApiError(grpc.StatusCode.UNAUTHENTICATED, "There is no token.")


def _deploy_beta(world: World, request: Any) -> Any:
    older = v1.DeployModelRequest.deserialize(beta.DeployModelRequest.serialize(request))
    return endpoints.deploy_model(world, older, beta=request.deployed_model)


def _mutate_beta(world: World, request: Any) -> Any:
    serialized = beta.MutateDeployedModelRequest.serialize(request)
    return endpoints.mutate_deployed_model(
        world, v1.MutateDeployedModelRequest.deserialize(serialized)
    )


class _Handler(grpc.GenericRpcHandler):
    def __init__(self, server: VertexServer) -> None:
        self.server = server
        self.methods = server.methods()

    def service(self, details: Any) -> Any:
        if details.method not in self.methods:
            return None
        function, request, answer = self.methods[details.method]
        name = details.method.rpartition("/")[2]
        return grpc.unary_unary_rpc_method_handler(
            partial(self.server.call, name, function), _reader(request), _writer(answer)
        )


def _reader(kind: Any) -> Any:
    return kind.deserialize if hasattr(kind, "deserialize") else kind.FromString


def _writer(kind: Any) -> Any:
    return kind.serialize if hasattr(kind, "serialize") else kind.SerializeToString


@contextmanager
def running_server(directory: Path) -> Iterator[VertexServer]:
    server = VertexServer(credentials=make_credentials(directory))
    wire = grpc.server(ThreadPoolExecutor(32), handlers=[_Handler(server)])
    secure = grpc.ssl_server_credentials([(server.credentials.key, server.credentials.certificate)])
    port = wire.add_secure_port("localhost:0", secure)
    wire.start()
    server.address = f"localhost:{port}"
    key = directory / "server.key"
    key.write_bytes(server.credentials.key)
    certificate = Path(server.credentials.environment["REQUESTS_CA_BUNDLE"])
    with running_rest(server.router, key, certificate) as server.rest_address:
        yield server
    server.reset()
    wire.stop(None).wait()
