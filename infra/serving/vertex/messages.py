"""Between our own records and Google's messages. Loads Google's client, so it is imported late."""

from collections.abc import Mapping
from typing import Any, Final

from infra.serving.vertex.library import package, v1
from infra.serving.vertex.records import (
    DeployedRecord,
    EndpointRecord,
    OperationRecord,
    VersionRecord,
    identity_alias,
    owner_labels,
    version_labels,
)
from infra.serving.vertex.specs import (
    ContainerSpec,
    DeploymentSpec,
    EndpointKind,
    EndpointSpec,
    Machine,
    Scaling,
    VersionSpec,
)

_METRICS: Final = "aiplatform.googleapis.com/prediction/online"
CPU_METRIC: Final = f"{_METRICS}/cpu/utilization"
GPU_METRIC: Final = f"{_METRICS}/accelerator/duty_cycle"
# The reference asks for a time-out above the period.
_PROBE_SECONDS: Final = 10
_PROBE_TIMEOUT_SECONDS: Final = 11
# What the service gives a deployment if nothing is said, and what it gives at most.
_DEPLOYMENT_SECONDS: Final = 1_800
_MOST_DEPLOYMENT_SECONDS: Final = 7_200


def model_message(spec: VersionSpec) -> Any:
    """Ask for a version in the registry."""
    return v1.Model(
        display_name=f"{spec.owner.model} ({spec.owner.stack})",
        description=f"Published versions of {spec.owner.model}, registered by servestack.",
        version_description=spec.description,
        version_aliases=[identity_alias(spec)],
        labels=version_labels(spec),
        artifact_uri=spec.artifact_uri,
        container_spec=_container(spec.container),
        encryption_spec=_encryption(spec.kms_key),
    )


def _container(container: ContainerSpec) -> Any:
    if not container.port:
        return v1.ModelContainerSpec(image_uri=container.image)
    seconds = container.startup_seconds
    return v1.ModelContainerSpec(
        image_uri=container.image,
        command=container.command,
        args=container.args,
        env=[v1.EnvVar(name=name, value=value) for name, value in sorted(container.env.items())],
        ports=[v1.Port(container_port=container.port)],
        predict_route=container.predict_route,
        health_route=container.health_route,
        # The server listens when the version is loaded. Without a probe for that time, the one
        # for liveness has it restarted after 40 s.
        startup_probe=v1.Probe(
            http_get=v1.Probe.HttpGetAction(path=container.health_route, port=container.port),
            period_seconds=_PROBE_SECONDS,
            timeout_seconds=_PROBE_TIMEOUT_SECONDS,
            failure_threshold=-(-seconds // _PROBE_SECONDS),
        ),
        deployment_timeout={
            "seconds": min(_DEPLOYMENT_SECONDS + seconds, _MOST_DEPLOYMENT_SECONDS)
        },
    )


def endpoint_message(spec: EndpointSpec) -> Any:
    """Ask for an endpoint."""
    message = v1.Endpoint(
        display_name=f"{spec.owner.model} ({spec.owner.stack})",
        labels={**spec.labels, **owner_labels(spec.owner)},
        dedicated_endpoint_enabled=spec.kind == "dedicated",
        encryption_spec=_encryption(spec.kms_key),
    )
    if spec.kind == "private-service-connect":
        message.private_service_connect_config = v1.PrivateServiceConnectConfig(
            enable_private_service_connect=True, project_allowlist=spec.allowed_projects
        )
    return message


def deployed_model(spec: DeploymentSpec, version: VersionRecord) -> Any:
    """Ask for a deployment."""
    api = package(beta=bool(spec.idle_seconds))
    message = _mutable(spec)
    message.model = version.name
    message.display_name = f"{spec.owner.model} {spec.key.version}"
    message.service_account = spec.service_account
    message.enable_access_logging = spec.access_logging
    resources = message.dedicated_resources
    resources.machine_spec = _machine(spec.machine, api)
    resources.spot = spec.machine.spot
    if spec.idle_seconds:
        resources.initial_replica_count = spec.scaling.min_replicas
        resources.scale_to_zero_spec = api.DedicatedResources.ScaleToZeroSpec(
            idle_scaledown_period={"seconds": spec.idle_seconds}
        )
    return message


def mutation(spec: DeploymentSpec) -> tuple[Any, list[str]]:
    """Ask a running deployment to change, and name the fields that may."""
    logging = "enable_container_logging" if spec.idle_seconds else "disable_container_logging"
    resources = ("min_replica_count", "max_replica_count", "autoscaling_metric_specs")
    return _mutable(spec), [*(f"dedicated_resources.{name}" for name in resources), logging]


def _mutable(spec: DeploymentSpec) -> Any:
    api, scaling = package(beta=bool(spec.idle_seconds)), spec.scaling
    targets = {CPU_METRIC: scaling.cpu_percent, GPU_METRIC: scaling.gpu_percent}
    resources = api.DedicatedResources(
        min_replica_count=0 if spec.idle_seconds else scaling.min_replicas,
        max_replica_count=scaling.max_replicas,
        autoscaling_metric_specs=[
            api.AutoscalingMetricSpec(metric_name=name, target=percent)
            for name, percent in targets.items()
            if percent
        ],
    )
    if spec.idle_seconds:
        logging = {"enable_container_logging": spec.container_logging}
    else:
        logging = {"disable_container_logging": not spec.container_logging}
    return api.DeployedModel(id=spec.deployed_id, dedicated_resources=resources, **logging)


def _machine(machine: Machine, api: Any) -> Any:
    if not machine.accelerator:
        return api.MachineSpec(machine_type=machine.type)
    return api.MachineSpec(
        machine_type=machine.type,
        accelerator_type=api.AcceleratorType[machine.accelerator],
        accelerator_count=machine.accelerator_count,
    )


def _encryption(kms_key: str) -> Any:
    return v1.EncryptionSpec(kms_key_name=kms_key) if kms_key else None


def read_version(message: Any) -> VersionRecord:
    """Read a version of the registry."""
    return VersionRecord(
        # Listed versions are named with or without their number.
        model=message.name.partition("@")[0],
        version_id=message.version_id,
        aliases=tuple(message.version_aliases),
        labels=dict(message.labels),
        description=message.version_description,
        deployed_to=tuple(entry.endpoint for entry in message.deployed_models),
    )


def read_endpoint(message: Any) -> EndpointRecord:
    """Read an endpoint."""
    private = message.private_service_connect_config
    kind: EndpointKind = "dedicated" if message.dedicated_endpoint_enabled else "public"
    if private.enable_private_service_connect:
        kind = "private-service-connect"
    return EndpointRecord(
        name=message.name,
        labels=dict(message.labels),
        etag=message.etag,
        kind=kind,
        dns=message.dedicated_endpoint_dns.removeprefix("https://"),
        service_attachment=private.service_attachment,
        traffic=dict(message.traffic_split),
        deployed={entry.id: _read_deployed(entry) for entry in message.deployed_models},
        updated_at=message.update_time.timestamp() if message.update_time else 0.0,
    )


def _read_deployed(message: Any) -> DeployedRecord:
    resources = message.dedicated_resources
    targets: Mapping[str, int] = {
        entry.metric_name: entry.target for entry in resources.autoscaling_metric_specs
    }
    machine = resources.machine_spec
    return DeployedRecord(
        deployed_id=message.id,
        model=message.model.partition("@")[0],
        version_id=message.model_version_id,
        machine=Machine(
            type=machine.machine_type,
            accelerator=machine.accelerator_type.name if machine.accelerator_type else "",
            accelerator_count=machine.accelerator_count,
            spot=resources.spot,
        ),
        scaling=Scaling(
            min_replicas=resources.min_replica_count,
            max_replicas=resources.max_replica_count,
            cpu_percent=targets.get(CPU_METRIC, 0),
            gpu_percent=targets.get(GPU_METRIC, 0),
        ),
        service_account=message.service_account,
        access_logging=message.enable_access_logging,
        container_logging=not message.disable_container_logging,
    )


def read_operation(message: Any) -> OperationRecord:
    """Read where a long operation stands."""
    metadata = v1.DeployModelOperationMetadata()
    stage = ""
    if message.metadata.Unpack(metadata._pb):  # noqa: SLF001 - the plain message inside
        stage = metadata.deployment_stage.name.replace("_", " ").lower()
    return OperationRecord(
        name=message.name,
        done=message.done,
        error_code=message.error.code,
        error=message.error.message,
        stage="" if "unspecified" in stage else stage,
    )
