"""All that the service keeps, and the rules that hold for it whoever asks.

The rules are those of the API's reference, and stricter where it leaves something open: one thing
at a time is changed at a model or an endpoint. Projects come back by number, as they really do.
"""

import itertools
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import grpc
from google.cloud import aiplatform_v1 as v1

from tests.vertex.server.api_error import ApiError, exists, invalid, missing, precondition, quota
from tests.vertex.server.operations import Operations

NUMBERS: Final = {"example-ml": "123456789012", "other-project": "210987654321"}
_ALIAS: Final = re.compile(r"[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]")
_MODEL_ID: Final = re.compile(r"[a-z_][a-z0-9_-]{0,62}")
_ENDPOINT_ID: Final = re.compile(r"[1-9][0-9]{0,8}|[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_DEPLOYED_ID: Final = re.compile(r"[0-9]{1,10}")
_LABEL: Final = re.compile(r"[a-z0-9_-]{0,63}")
_ACCELERATORS: Final = {
    "n1": {"", "NVIDIA_TESLA_T4", "NVIDIA_TESLA_P4", "NVIDIA_TESLA_P100", "NVIDIA_TESLA_V100"},
    "g2": {"NVIDIA_L4"},
    "a2": {"NVIDIA_TESLA_A100", "NVIDIA_A100_80GB"},
    "a3": {"NVIDIA_H100_80GB", "NVIDIA_H100_MEGA_80GB", "NVIDIA_H200_141GB"},
}
_REGISTRY: Final = re.compile(r"([a-z0-9-]+-docker\.pkg\.dev|([a-z]+\.)?gcr\.io)/.+")


@dataclass(kw_only=True)
class Model:
    """A registry model: the message of each version by the registry's number."""

    versions: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))


@dataclass(kw_only=True)
class World:
    """One server's whole state. Held under one lock by whoever calls."""

    operations: Operations = field(default_factory=Operations)
    models: dict[str, Model] = field(default_factory=dict)
    endpoints: dict[str, Any] = field(default_factory=dict)
    splits: dict[str, list[tuple[float, dict[str, int]]]] = field(default_factory=dict)
    beta: dict[str, Any] = field(default_factory=dict)
    jobs: dict[str, Any] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    held_jobs: set[str] = field(default_factory=set)
    replica_quota: int = 100
    regions: frozenset[str] = frozenset({"europe-west4", "us-central1"})
    etags: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    # Names.

    def canonical(self, name: str) -> str:
        """Give a name with the project's number; refuse projects and regions that are not there."""
        found = re.fullmatch(r"projects/([^/]+)/locations/([^/]+)(/.*)?", name)
        if found is None:
            raise invalid(f"{name} is no resource name")
        project, region, rest = found.groups()
        number = NUMBERS.get(project, project if project in NUMBERS.values() else None)
        if number is None:
            raise ApiError(
                grpc.StatusCode.PERMISSION_DENIED,
                f"Permission denied on resource project {project}.",
                reason="CONSUMER_INVALID",
            )
        if region not in self.regions:
            raise invalid(f"Location {region} is not served by this host")
        return f"projects/{number}/locations/{region}{rest or ''}"

    def require_idle(self, name: str) -> None:
        running = self.operations.running(name)
        if running:
            raise precondition(f"There are other operations running on {name}: {running[0].name}.")

    # The registry.

    def require_model(self, name: str) -> Model:
        model = self.models.get(name)
        if model is None:
            raise missing(f"Model {name} is not found.")
        return model

    def version(self, name: str) -> Any:
        """Find a version by name, name@number or name@alias."""
        base, _, wanted = name.partition("@")
        model = self.require_model(base)
        wanted = wanted or "default"
        for number, message in model.versions.items():
            if wanted == number or wanted in message.version_aliases:
                return self.shown(base, message)
        raise missing(f"Model version {name} is not found.")

    def shown(self, base: str, message: Any) -> Any:
        """Give a version as it is returned: merged labels, and where it is deployed."""
        copy = v1.Model.deserialize(v1.Model.serialize(message))
        copy.name = base
        copy.container_spec = None
        copy.labels = {**self.models[base].labels, **message.labels}
        copy.deployed_models = [
            v1.DeployedModelRef(endpoint=endpoint.name, deployed_model_id=entry.id)
            for endpoint in self.endpoints.values()
            for entry in endpoint.deployed_models
            if entry.model == base and entry.model_version_id == message.version_id
        ]
        return copy

    def register(self, base: str, message: Any, *, is_new: bool) -> Any:
        model = self.models.setdefault(base, Model())
        if is_new:
            model.labels = dict(message.labels)
        stored = v1.Model.deserialize(v1.Model.serialize(message))
        stored.version_id = str(next(model.numbers))
        aliases = list(message.version_aliases)
        stored.version_aliases = []
        model.versions[stored.version_id] = stored
        for alias in aliases + (["default"] if len(model.versions) == 1 else []):
            self.move_alias(model, stored.version_id, alias)
        return v1.UploadModelResponse(model=base, model_version_id=stored.version_id)

    def move_alias(self, model: Model, number: str, alias: str) -> None:
        if _ALIAS.fullmatch(alias) is None:
            raise invalid(f"Version alias {alias} does not match {_ALIAS.pattern}.")
        for other in model.versions.values():
            if alias in other.version_aliases:
                other.version_aliases.remove(alias)
        model.versions[number].version_aliases.append(alias)

    # Endpoints.

    def require_endpoint(self, name: str) -> Any:
        endpoint = self.endpoints.get(name)
        if endpoint is None:
            raise missing(f"Endpoint {name} is not found.")
        return endpoint

    def touch(self, endpoint: Any) -> None:
        endpoint.etag = f"etag-{next(self.etags)}"
        endpoint.update_time = datetime.now(UTC)

    def split(self, endpoint: Any, split: dict[str, int]) -> None:
        ids = {entry.id for entry in endpoint.deployed_models}
        if split and sum(split.values()) != 100:
            raise invalid(f"Traffic split {split} does not add up to 100.")
        if any(share < 0 for share in split.values()) or not split.keys() <= ids:
            raise invalid(f"Traffic split {split} names what is not deployed: {sorted(ids)}.")
        endpoint.traffic_split = split
        self.splits.setdefault(endpoint.name, []).append((time.monotonic(), dict(split)))

    def check_deployed(self, endpoint: Any, message: Any, *, is_beta: bool) -> None:
        if _DEPLOYED_ID.fullmatch(message.id) is None:
            raise invalid(f"DeployedModel.id {message.id} is not 1 to 10 digits.")
        if message.id in {entry.id for entry in endpoint.deployed_models}:
            raise exists(f"DeployedModel {message.id} exists already in {endpoint.name}.")
        resources = message.dedicated_resources
        fewest = resources.min_replica_count
        if fewest < (0 if is_beta else 1):
            raise invalid("min_replica_count must be at least 1.")
        if resources.max_replica_count < max(fewest, 1):
            raise invalid("max_replica_count must not be less than min_replica_count.")
        self.check_quota(endpoint, message.id, resources.max_replica_count)
        check_machine(resources.machine_spec)

    def check_quota(self, endpoint: Any, deployed_id: str, replicas: int) -> None:
        used = sum(
            entry.dedicated_resources.max_replica_count
            for other in self.endpoints.values()
            for entry in other.deployed_models
            if (other.name, entry.id) != (endpoint.name, deployed_id)
        )
        if used + replicas > self.replica_quota:
            raise quota(
                "The following quotas are exceeded: CustomModelServingCPUsPerProjectPerRegion"
            )


def check_labels(labels: Any) -> None:
    for name, value in labels.items():
        if _LABEL.fullmatch(name) is None or _LABEL.fullmatch(value) is None:
            raise invalid(f"Label {name}={value} is not allowed.")


def check_upload(model_id: str, message: Any) -> None:
    if model_id and _MODEL_ID.fullmatch(model_id) is None:
        raise invalid(f"Model id {model_id} is not allowed.")
    container = message.container_spec
    if _REGISTRY.fullmatch(container.image_uri) is None:
        raise invalid(f"Image {container.image_uri} is not in Artifact Registry.")
    if any(entry.name.startswith("AIP_") for entry in container.env):
        raise invalid("Environment variables that start with AIP_ are reserved.")
    for route in (container.predict_route, container.health_route):
        if route and not route.startswith("/"):
            raise invalid(f"Route {route} does not start with /.")
    if message.artifact_uri and not message.artifact_uri.startswith("gs://"):
        raise invalid(f"artifact_uri {message.artifact_uri} is not in Cloud Storage.")
    check_labels(message.labels)


def check_endpoint(endpoint_id: str, message: Any) -> None:
    if _ENDPOINT_ID.fullmatch(endpoint_id) is None:
        raise invalid(f"Endpoint id {endpoint_id} is not allowed.")
    check_labels(message.labels)


def check_machine(machine: Any) -> None:
    family = machine.machine_type.partition("-")[0]
    accelerator = machine.accelerator_type.name if machine.accelerator_type else ""
    allowed = _ACCELERATORS.get(family, {""})
    if accelerator not in allowed or bool(accelerator) != bool(machine.accelerator_count):
        raise invalid(
            f"Machine type {machine.machine_type} is not supported with accelerator "
            f"{accelerator or 'none'} x {machine.accelerator_count}."
        )
