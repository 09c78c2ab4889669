"""What each model on Vertex AI needs: decided from its configuration and its manifests. Pure.

What a version's manifest says of it (its TensorFlow, its size) is looked at here, before anything
is declared. Whether Google has quota or accelerators left, only Google knows.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from infra.compute.gcp_accelerators import is_known_machine
from infra.config import ModelConfig
from infra.config.rules.vertex import server_settings
from infra.config.vertex_values import VertexContainer
from infra.errors import ServestackError
from infra.gcp_names import endpoint_id, image_repository, registry_model_id
from infra.labels import stack_labels
from infra.platforms.published import Manifests
from infra.platforms.serving import serving_settings
from infra.platforms.stack import RunningStack
from infra.serving.vertex.component import VertexModelArgs
from infra.serving.vertex.container import prebuilt_image, tf_serving_container
from infra.serving.vertex.images import VertexImagesArgs
from infra.serving.vertex.machines import (
    DEFAULT_MACHINE,
    accelerator_name,
    default_machine,
    usable_bytes,
)
from infra.serving.vertex.specs import (
    ContainerSpec,
    DeploymentSpec,
    EndpointSpec,
    Machine,
    Owner,
    Place,
    Scaling,
    VersionSpec,
)
from model_export.layout import version_path
from model_export.manifest import Manifest

_IMAGE: Final = "tensorflow/serving:2.19.1"
_DEFAULT_PERCENT: Final = 60
_GIB: Final = 2**30
_ACCELERATOR_PAGE: Final = "https://cloud.google.com/vertex-ai/docs/general/locations#accelerators"


@dataclass(frozen=True, kw_only=True)
class VertexPlan:
    """What is known of the place; `accounts` has whom each model's server runs as."""

    stack: RunningStack
    project: str
    region: str
    bucket_url: str
    manifests: Manifests
    accounts: Mapping[str, str]

    @property
    def images(self) -> VertexImagesArgs:
        """Describe the stack's own repository of images."""
        return VertexImagesArgs(
            project=self.project,
            region=self.region,
            repository=image_repository(self.stack.name),
            labels=stack_labels(self.stack.name, self.stack.config.labels),
        )

    def decide(self, models: Iterable[str]) -> Mapping[str, VertexModelArgs]:
        """Decide all; refuse, all at once, what cannot serve."""
        config = self.stack.config
        served = {name: config.models[name] for name in models if config.models[name].version}
        problems = [
            f"{self.stack.file_name}: servestack:models.{name}.{problem}"
            for name, model in served.items()
            for problem in self._problems(name, model)
        ]
        if problems:
            raise ServestackError("\n".join(problems))
        return {name: self._args(name, model) for name, model in served.items()}

    def account(self, name: str) -> str:
        """Give whom a model's server runs as."""
        return self.stack.config.models[name].vertex.service_account or self.accounts[name]

    def needs_images(self, planned: Iterable[VertexModelArgs]) -> bool:
        """Tell whether any container comes through the stack's own repository."""
        start = self.images.image("")
        return any(
            spec.container.image.startswith(start) for args in planned for spec in args.versions
        )

    def _problems(self, name: str, model: ModelConfig) -> Iterator[str]:
        for version in _registered(model):
            manifest = self.manifests[name, version]
            tensorflow = manifest.tensorflow_version
            if model.vertex.container is VertexContainer.PREBUILT and (
                self._prebuilt(model, manifest) is None
            ):
                yield (
                    f"vertex.container: version {version} was made by TensorFlow {tensorflow}, and "
                    "the prebuilt containers end with 2.15. Remove the line, or write: container: "
                    "tensorflow-serving"
                )
            machine = _machine(model)
            room = usable_bytes(machine.type)
            if room is not None and manifest.size_bytes > room:
                yield (
                    f"vertex.machine_type: version {version} has {manifest.size_bytes / _GIB:.1f} "
                    f"GiB, and {machine.type} has room for {room / _GIB:.1f} GiB. Write a machine "
                    "with more memory"
                )

    def _args(self, name: str, model: ModelConfig) -> VertexModelArgs:
        place = Place(
            project=self.project,
            region=self.region,
            api_host=self.stack.config.gcp.vertex_host or "",
        )
        owner = Owner(stack=self.stack.name, model=name)
        labels = stack_labels(self.stack.name, self.stack.config.labels)
        own = model.vertex
        endpoint = EndpointSpec(
            place=place,
            owner=owner,
            endpoint_id=planned_endpoint(self.stack.name, name, model),
            kind=own.endpoint.value,
            allowed_projects=own.allowed_projects,
            labels=labels,
            kms_key=own.kms_key or "",
            adopt=own.adopt,
        )
        versions = tuple(
            self._version(name, model, version, endpoint) for version in _registered(model)
        )
        is_paused = self.stack.config.paused
        shares = model.traffic or dict.fromkeys(model.pinned_versions, 100)
        return VertexModelArgs(
            endpoint=endpoint,
            versions=versions,
            deployments=()
            if is_paused
            else tuple(
                self._deployment(name, model, spec, endpoint)
                for spec in versions
                if spec.version in shares
            ),
            split={} if is_paused else shares,
            stable=model.pinned_version,
            canary=model.canary.version if model.canary else None,
            labels=model.labels,
        )

    def _version(
        self, name: str, model: ModelConfig, version: int, endpoint: EndpointSpec
    ) -> VersionSpec:
        manifest = self.manifests[name, version]
        container = self._container(name, model, manifest)
        is_prebuilt = not container.port
        return VersionSpec(
            place=endpoint.place,
            owner=endpoint.owner,
            model_id=model.vertex.model_id or registry_model_id(stack=self.stack.name, model=name),
            version=version,
            digest=manifest.digest,
            container=container,
            artifact_uri=f"{self.bucket_url}/{version_path(name, version)}" if is_prebuilt else "",
            description=_description(manifest),
            labels=endpoint.labels,
            kms_key=endpoint.kms_key,
            adopt=model.vertex.adopt,
        )

    def _container(self, name: str, model: ModelConfig, manifest: Manifest) -> ContainerSpec:
        prebuilt = self._prebuilt(model, manifest)
        wanted = model.vertex.container
        if prebuilt and wanted is not VertexContainer.TF_SERVING:
            settings = wanted is VertexContainer.PREBUILT or not server_settings(model)
            if settings and model.vertex.image is None:
                return ContainerSpec(image=prebuilt)
        suffix = "-gpu" if model.gpu else ""
        return tf_serving_container(
            serving_settings(
                name,
                # Aliases are the registry's; in the server they would make another container.
                model.model_copy(update={"labels": {}}),
                versions=(manifest.version,),
                rest_port=0,
                grpc_port=0,
                base_path=f"{self.bucket_url}/{name}",
            ),
            image=model.vertex.image or self.images.image(f"{_IMAGE}{suffix}"),
            size_bytes=manifest.size_bytes,
        )

    def _prebuilt(self, model: ModelConfig, manifest: Manifest) -> str | None:
        return prebuilt_image(
            manifest.tensorflow_version, region=self.region, gpu=model.gpu is not None
        )

    def _deployment(
        self, name: str, model: ModelConfig, version: VersionSpec, endpoint: EndpointSpec
    ) -> DeploymentSpec:
        own = model.vertex
        return DeploymentSpec(
            place=endpoint.place,
            owner=endpoint.owner,
            endpoint_id=endpoint.endpoint_id,
            model_id=version.model_id,
            key=version.key,
            machine=_machine(model),
            scaling=_scaling(model),
            service_account=self.account(name),
            access_logging=own.access_logging,
            container_logging=own.container_logging,
            idle_seconds=own.scale_to_zero_seconds or 0,
            drain_seconds=own.drain_seconds,
        )


def planned_endpoint(stack: str, name: str, model: ModelConfig) -> str:
    """Give the number of a model's endpoint, which is known before there is one."""
    own = model.vertex
    return own.endpoint_id or endpoint_id(
        stack=stack,
        model=name,
        settings=f"{own.endpoint} {own.allowed_projects} {own.kms_key}",
    )


def notes(args: VertexModelArgs) -> Iterator[str]:
    """Say what is left to Google to judge, and what a user would not expect."""
    for spec in args.deployments[:1]:
        machine = spec.machine
        if not is_known_machine(machine.type):
            yield f"{machine.type} is not known here, so it is not checked"
        if machine.accelerator:
            yield (
                f"whether {spec.place.region} has {machine.accelerator} for Vertex AI is not "
                f"checked: {_ACCELERATOR_PAGE}"
            )
        if spec.idle_seconds:
            yield "scaling to zero is a preview feature of Vertex AI"


def _registered(model: ModelConfig) -> tuple[int, ...]:
    return tuple(sorted({*model.pinned_versions, *model.vertex.keep_versions}))


def _machine(model: ModelConfig) -> Machine:
    wanted, spot = model.vertex.machine_type, model.vertex.spot
    if model.gpu is None:
        return Machine(type=wanted or DEFAULT_MACHINE, spot=spot)
    return Machine(
        type=wanted or default_machine(model.gpu.type, model.gpu.count),
        accelerator=accelerator_name(model.gpu.type) or "",
        accelerator_count=model.gpu.count,
        spot=spot,
    )


def _scaling(model: ModelConfig) -> Scaling:
    gpu = (model.vertex.target_gpu_percent or _DEFAULT_PERCENT) if model.gpu else 0
    if model.autoscaling is None:
        fixed = model.replicas or 1
        return Scaling(
            min_replicas=fixed,
            max_replicas=fixed,
            cpu_percent=_DEFAULT_PERCENT,
            gpu_percent=gpu,
        )
    return Scaling(
        min_replicas=model.autoscaling.min_replicas,
        max_replicas=model.autoscaling.max_replicas,
        cpu_percent=model.autoscaling.target_cpu_percent,
        gpu_percent=gpu,
    )


def _description(manifest: Manifest) -> str:
    commit = f", commit {manifest.git_commit[:12]}" if manifest.git_commit else ""
    made = f"{manifest.created_at:%Y-%m-%d}"
    return (
        f"Version {manifest.version} of {manifest.model}, TensorFlow "
        f"{manifest.tensorflow_version}, {made}{commit}, {manifest.digest}"
    )
