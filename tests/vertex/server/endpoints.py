"""EndpointService: what can be asked, and what runs behind it."""

from typing import Any

import grpc
from google.cloud import aiplatform_v1 as v1
from google.protobuf import empty_pb2

from tests.vertex.server.api_error import ApiError, exists, invalid, missing, precondition
from tests.vertex.server.world import World, check_endpoint, check_labels

_MUTABLE = {
    "dedicated_resources.min_replica_count",
    "dedicated_resources.max_replica_count",
    "dedicated_resources.required_replica_count",
    "dedicated_resources.autoscaling_metric_specs",
    "disable_container_logging",
    "enable_container_logging",
}


def create_endpoint(world: World, request: Any) -> Any:
    name = f"{world.canonical(request.parent)}/endpoints/{request.endpoint_id}"
    check_endpoint(request.endpoint_id, request.endpoint)
    if name in world.endpoints:
        raise exists(f"Endpoint {name} exists already.")
    world.require_idle(name)

    def create() -> Any:
        stored = v1.Endpoint.deserialize(v1.Endpoint.serialize(request.endpoint))
        stored.name = name
        if stored.dedicated_endpoint_enabled:
            stored.dedicated_endpoint_dns = (
                f"https://{request.endpoint_id}.europe-west4-123.prediction.vertexai.goog"
            )
        if stored.private_service_connect_config.enable_private_service_connect:
            stored.private_service_connect_config.service_attachment = (
                f"projects/tenant/regions/europe-west4/serviceAttachments/{request.endpoint_id}"
            )
        world.endpoints[name] = stored
        world.splits.pop(name, None)
        world.touch(stored)
        return stored

    metadata = v1.CreateEndpointOperationMetadata()
    return world.operations.start("CreateEndpoint", name, metadata, create)


def get_endpoint(world: World, request: Any) -> Any:
    return world.require_endpoint(world.canonical(request.name))


def update_endpoint(world: World, request: Any) -> Any:
    endpoint = world.require_endpoint(world.canonical(request.endpoint.name))
    if request.endpoint.etag and request.endpoint.etag != endpoint.etag:
        raise ApiError(
            grpc.StatusCode.ABORTED,
            f"Endpoint {endpoint.name} was changed meanwhile: etag mismatch.",
        )
    for path in request.update_mask.paths:
        if path == "traffic_split":
            world.split(endpoint, dict(request.endpoint.traffic_split))
        elif path in {"labels", "description", "display_name"}:
            check_labels(request.endpoint.labels)
            setattr(endpoint, path, getattr(request.endpoint, path))
        else:
            raise invalid(f"{path} cannot be updated.")
    world.touch(endpoint)
    return endpoint


def delete_endpoint(world: World, request: Any) -> Any:
    name = world.canonical(request.name)
    endpoint = world.require_endpoint(name)
    world.require_idle(name)
    if endpoint.deployed_models:
        raise precondition(f"Endpoint {name} has deployed models.")

    def delete() -> Any:
        world.endpoints.pop(name, None)
        return empty_pb2.Empty()

    return world.operations.start("DeleteEndpoint", name, v1.DeleteOperationMetadata(), delete)


def deploy_model(world: World, request: Any, *, beta: Any = None) -> Any:
    name = world.canonical(request.endpoint)
    endpoint = world.require_endpoint(name)
    world.require_idle(name)
    message = request.deployed_model
    version = world.version(world.canonical(message.model))
    world.check_deployed(endpoint, message, is_beta=beta is not None)
    stored = v1.DeployedModel.deserialize(v1.DeployedModel.serialize(message))
    stored.model = version.name
    stored.model_version_id = version.version_id

    def deploy() -> Any:
        if version.labels.get("servestack-version") in world.broken:
            raise precondition("Model server exited unexpectedly.")
        endpoint.deployed_models.append(stored)
        if request.traffic_split:
            new = {
                stored.id if key == "0" else key: share
                for key, share in request.traffic_split.items()
            }
            world.split(endpoint, new)
        if beta is not None:
            world.beta[stored.id] = beta
        world.touch(endpoint)
        return v1.DeployModelResponse(deployed_model=stored)

    metadata = v1.DeployModelOperationMetadata(
        deployment_stage=v1.DeploymentStage.ADDING_NODES_TO_CLUSTER
    )
    return world.operations.start("DeployModel", name, metadata, deploy)


def undeploy_model(world: World, request: Any) -> Any:
    name = world.canonical(request.endpoint)
    endpoint = world.require_endpoint(name)
    world.require_idle(name)
    ids = [entry.id for entry in endpoint.deployed_models]
    if request.deployed_model_id not in ids:
        raise missing(f"DeployedModel {request.deployed_model_id} is not in {name}.")
    if endpoint.traffic_split.get(request.deployed_model_id) and not request.traffic_split:
        raise precondition(f"DeployedModel {request.deployed_model_id} has traffic.")

    def undeploy() -> Any:
        for index, entry in enumerate(endpoint.deployed_models):
            if entry.id == request.deployed_model_id:
                del endpoint.deployed_models[index]
                break
        world.touch(endpoint)
        return v1.UndeployModelResponse()

    metadata = v1.UndeployModelOperationMetadata()
    return world.operations.start("UndeployModel", name, metadata, undeploy)


def mutate_deployed_model(world: World, request: Any) -> Any:
    name = world.canonical(request.endpoint)
    endpoint = world.require_endpoint(name)
    world.require_idle(name)
    wrong = set(request.update_mask.paths) - _MUTABLE
    if wrong:
        raise invalid(f"{sorted(wrong)} cannot be mutated.")
    found = next(
        (entry for entry in endpoint.deployed_models if entry.id == request.deployed_model.id), None
    )
    if found is None:
        raise missing(f"DeployedModel {request.deployed_model.id} is not in {name}.")
    world.check_quota(
        endpoint, found.id, request.deployed_model.dedicated_resources.max_replica_count
    )

    def mutate() -> Any:
        for path in request.update_mask.paths:
            section, _, attribute = path.rpartition(".")
            if attribute == "enable_container_logging":
                continue
            source = getattr(request.deployed_model, section) if section else request.deployed_model
            target = getattr(found, section) if section else found
            setattr(target, attribute, getattr(source, attribute))
        world.touch(endpoint)
        return v1.MutateDeployedModelResponse(deployed_model=found)

    metadata = v1.MutateDeployedModelOperationMetadata()
    return world.operations.start("MutateDeployedModel", name, metadata, mutate)
