"""Vertex AI's things as Pulumi resources: a thin skin over the modules that do the work.

The engine stores the provider objects in the state, by reference to this module; they hold nothing.
Nothing that speaks to Google is imported before something is done: a preview does not pay for it.
"""

from dataclasses import replace
from typing import Any

import pulumi
from pulumi import dynamic

from infra.serving.vertex.progress import Tell
from infra.serving.vertex.provider import PLACES, VertexProvider, inputs
from infra.serving.vertex.specs import (
    AliasesSpec,
    DeploymentSpec,
    EndpointSpec,
    Place,
    TrafficSpec,
    VersionSpec,
)


class VersionProvider(VertexProvider[VersionSpec]):
    """A published version in the registry."""

    spec_type = VersionSpec
    fixed = PLACES | {"owner", "model_id", "version", "digest", "container", "artifact_uri"}

    def name(self, spec: VersionSpec) -> str:
        """Name the version by our own number."""
        return f"{spec.place.model(spec.model_id)}@v{spec.version}-{spec.container.digest}"

    def ensure(self, spec: VersionSpec, old: VersionSpec | None, tell: Tell) -> dict[str, Any]:
        """Register or describe it."""
        from infra.serving.vertex.registry import ensure_version  # noqa: PLC0415 slow

        del old
        return {"version_id": ensure_version(_api(spec.place), spec, tell).version_id}

    def find(self, spec: VersionSpec) -> tuple[VersionSpec, dict[str, Any]] | None:
        """Read its description and labels."""
        from infra.serving.vertex.registry import find_version  # noqa: PLC0415 slow

        found = find_version(_api(spec.place), spec)
        if found is None:
            return None
        labels = {name: found.labels[name] for name in spec.labels if name in found.labels}
        seen = replace(spec, labels=labels, description=found.description)
        return seen, {"version_id": found.version_id}

    def remove(self, spec: VersionSpec, tell: Tell) -> None:
        """Take it out of the registry."""
        from infra.serving.vertex.registry import remove_version  # noqa: PLC0415 slow

        remove_version(_api(spec.place), spec, tell)


class EndpointProvider(VertexProvider[EndpointSpec]):
    """An endpoint."""

    spec_type = EndpointSpec
    fixed = PLACES | {"owner", "endpoint_id", "kind", "allowed_projects", "kms_key"}

    def name(self, spec: EndpointSpec) -> str:
        """Name the endpoint as the service does."""
        return spec.place.endpoint(spec.endpoint_id)

    def ensure(self, spec: EndpointSpec, old: EndpointSpec | None, tell: Tell) -> dict[str, Any]:
        """Make or label it."""
        from infra.serving.vertex.endpoints import ensure_endpoint  # noqa: PLC0415 slow

        del old
        found = ensure_endpoint(_api(spec.place), spec, tell)
        return {"dns": found.dns, "service_attachment": found.service_attachment}

    def find(self, spec: EndpointSpec) -> tuple[EndpointSpec, dict[str, Any]] | None:
        """Read its labels and addresses."""
        from infra.serving.vertex.endpoints import find_endpoint  # noqa: PLC0415 slow

        found = find_endpoint(_api(spec.place), spec)
        if found is None:
            return None
        labels = {name: found.labels[name] for name in spec.labels if name in found.labels}
        more = {"dns": found.dns, "service_attachment": found.service_attachment}
        return replace(spec, labels=labels, kind=found.kind), more

    def remove(self, spec: EndpointSpec, tell: Tell) -> None:
        """Remove it."""
        from infra.serving.vertex.endpoints import remove_endpoint  # noqa: PLC0415 slow

        remove_endpoint(_api(spec.place), spec, tell)


class DeploymentProvider(VertexProvider[DeploymentSpec]):
    """A version that runs."""

    spec_type = DeploymentSpec
    fixed = PLACES | {
        "owner",
        "endpoint_id",
        "model_id",
        "key",
        "machine",
        "service_account",
        "access_logging",
        "idle_seconds",
    }

    def name(self, spec: DeploymentSpec) -> str:
        """Name the deployment by its chosen number."""
        return f"{spec.place.endpoint(spec.endpoint_id)}/deployedModels/{spec.deployed_id}"

    def ensure(
        self, spec: DeploymentSpec, old: DeploymentSpec | None, tell: Tell
    ) -> dict[str, Any]:
        """Deploy or scale it."""
        from infra.serving.vertex.deployments import ensure_deployment  # noqa: PLC0415 slow

        del old
        ensure_deployment(_api(spec.place), spec, tell)
        return {"deployed_id": spec.deployed_id}

    def find(self, spec: DeploymentSpec) -> tuple[DeploymentSpec, dict[str, Any]] | None:
        """Read its scaling."""
        from infra.serving.vertex.deployments import read_deployment  # noqa: PLC0415 slow

        found = read_deployment(_api(spec.place), spec)
        return (found, {"deployed_id": spec.deployed_id}) if found else None

    def remove(self, spec: DeploymentSpec, tell: Tell) -> None:
        """Stop it."""
        from infra.serving.vertex.deployments import remove_deployment  # noqa: PLC0415 slow

        remove_deployment(_api(spec.place), spec, tell)


class TrafficProvider(VertexProvider[TrafficSpec]):
    """How an endpoint's requests are split."""

    spec_type = TrafficSpec
    fixed = PLACES | {"endpoint_id"}

    def name(self, spec: TrafficSpec) -> str:
        """Name it by its endpoint."""
        return f"{spec.place.endpoint(spec.endpoint_id)}/trafficSplit"

    def ensure(self, spec: TrafficSpec, old: TrafficSpec | None, tell: Tell) -> dict[str, Any]:
        """Split it."""
        from infra.serving.vertex.endpoints import ensure_traffic  # noqa: PLC0415 slow

        del old
        ensure_traffic(_api(spec.place), spec, tell)
        return {}

    def find(self, spec: TrafficSpec) -> tuple[TrafficSpec, dict[str, Any]] | None:
        """Read the split."""
        from infra.serving.vertex.endpoints import read_traffic  # noqa: PLC0415 slow

        found = read_traffic(_api(spec.place), spec)
        return (replace(spec, split=found), {}) if found is not None else None

    def remove(self, spec: TrafficSpec, tell: Tell) -> None:
        """Have nobody answered."""
        from infra.serving.vertex.endpoints import stop_traffic  # noqa: PLC0415 slow

        stop_traffic(_api(spec.place), spec, tell)


class AliasesProvider(VertexProvider[AliasesSpec]):
    """Names for versions of a registry model."""

    spec_type = AliasesSpec
    fixed = PLACES | {"model_id"}

    def name(self, spec: AliasesSpec) -> str:
        """Name them by their model."""
        return f"{spec.place.model(spec.model_id)}/versionAliases"

    def ensure(self, spec: AliasesSpec, old: AliasesSpec | None, tell: Tell) -> dict[str, Any]:
        """Move them."""
        from infra.serving.vertex.registry import ensure_aliases  # noqa: PLC0415 slow

        dropped = frozenset(old.aliases) - spec.aliases.keys() if old else frozenset()
        ensure_aliases(_api(spec.place), spec, frozenset(dropped), tell)
        return {}

    def find(self, spec: AliasesSpec) -> tuple[AliasesSpec, dict[str, Any]] | None:
        """Read where they are."""
        from infra.serving.vertex.registry import read_aliases  # noqa: PLC0415 slow

        found = read_aliases(_api(spec.place), spec)
        return (replace(spec, aliases=found), {}) if found is not None else None

    def remove(self, spec: AliasesSpec, tell: Tell) -> None:
        """Take them away."""
        from infra.serving.vertex.registry import remove_aliases  # noqa: PLC0415 slow

        remove_aliases(_api(spec.place), spec, tell)


class RegistryVersion(dynamic.Resource, module="servestack", name="VertexVersion"):
    """A version in the registry, with the number that the registry gave it."""

    version_id: pulumi.Output[str]

    def __init__(self, name: str, spec: VersionSpec, opts: pulumi.ResourceOptions) -> None:
        props = {**inputs(type(self), name, spec, opts), "version_id": None}
        super().__init__(VersionProvider(), name, props, opts)


class Endpoint(dynamic.Resource, module="servestack", name="VertexEndpoint"):
    """An endpoint, with the host of a dedicated one and the attachment of a private one."""

    dns: pulumi.Output[str]
    service_attachment: pulumi.Output[str]

    def __init__(self, name: str, spec: EndpointSpec, opts: pulumi.ResourceOptions) -> None:
        outputs = {"dns": None, "service_attachment": None}
        props = {**inputs(type(self), name, spec, opts), **outputs}
        super().__init__(EndpointProvider(), name, props, opts)


class Deployment(dynamic.Resource, module="servestack", name="VertexDeployment"):
    """A version that runs behind an endpoint."""

    deployed_id: pulumi.Output[str]

    def __init__(self, name: str, spec: DeploymentSpec, opts: pulumi.ResourceOptions) -> None:
        props = {**inputs(type(self), name, spec, opts), "deployed_id": None}
        super().__init__(DeploymentProvider(), name, props, opts)


class Traffic(dynamic.Resource, module="servestack", name="VertexTraffic"):
    """The split of an endpoint's requests."""

    def __init__(self, name: str, spec: TrafficSpec, opts: pulumi.ResourceOptions) -> None:
        props = inputs(type(self), name, spec, opts)
        super().__init__(TrafficProvider(), name, props, opts)


class Aliases(dynamic.Resource, module="servestack", name="VertexAliases"):
    """The names of a registry model's versions."""

    def __init__(self, name: str, spec: AliasesSpec, opts: pulumi.ResourceOptions) -> None:
        props = inputs(type(self), name, spec, opts)
        super().__init__(AliasesProvider(), name, props, opts)


def _api(place: Place) -> Any:
    from infra.serving.vertex.api import VertexApi  # noqa: PLC0415 slow

    return VertexApi(place)
