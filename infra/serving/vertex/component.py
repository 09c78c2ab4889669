"""A model served by Vertex AI: the component that a stack's program declares.

Takes plain arguments and gives Pulumi's own order its meaning: registered, deployed, traffic
shifted, names moved; then, of what is not wanted any more, the deployment stopped before its
version goes. What another version or machine needs is another resource beside the old, named by its
content, so nothing is ever replaced. Which versions exist, and what fits, is checked before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import pulumi

from infra.serving.vertex.aliases import wanted_aliases
from infra.serving.vertex.resources import (
    Aliases,
    Deployment,
    Endpoint,
    RegistryVersion,
    Traffic,
)
from infra.serving.vertex.specs import (
    AliasesSpec,
    DeploymentSpec,
    EndpointSpec,
    TrafficSpec,
    VersionSpec,
)

COMPONENT_TYPE: Final = "servestack:serving:VertexModel"


@dataclass(frozen=True, kw_only=True)
class VertexModelArgs:
    """What is registered, and what of it runs with which percentage of the requests.

    `split` is by published version and empty where nothing shall run; `labels` are the user's.
    """

    endpoint: EndpointSpec
    versions: tuple[VersionSpec, ...]
    deployments: tuple[DeploymentSpec, ...] = ()
    split: Mapping[int, int] = field(default_factory=dict)
    stable: int | None = None
    canary: int | None = None
    labels: Mapping[str, int] = field(default_factory=dict)


class VertexModel(pulumi.ComponentResource):
    """A model in the registry, and behind an endpoint."""

    dns: pulumi.Output[str]
    service_attachment: pulumi.Output[str]

    def __init__(
        self, name: str, args: VertexModelArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(COMPONENT_TYPE, name, None, opts)
        versions = {
            spec.version: RegistryVersion(
                f"{name}-{spec.version}-{spec.container.digest[:8]}", spec, self._after()
            )
            for spec in args.versions
        }
        endpoint = Endpoint(name, args.endpoint, self._after())
        deployments = {
            spec.key.version: Deployment(
                f"{name}-{spec.key.version}-{spec.deployed_id}",
                spec,
                self._after(endpoint, versions[spec.key.version]),
            )
            for spec in args.deployments
        }
        serving: list[pulumi.Resource] = [*versions.values()]
        if args.split:
            ids = {spec.key.version: spec.deployed_id for spec in args.deployments}
            traffic = TrafficSpec(
                place=args.endpoint.place,
                owner=args.endpoint.owner,
                endpoint_id=args.endpoint.endpoint_id,
                split={ids[version]: share for version, share in args.split.items()},
            )
            serving.append(Traffic(name, traffic, self._after(endpoint, *deployments.values())))
        if args.versions:
            # Last, so that a name never means what does not serve.
            Aliases(name, _aliases(args), self._after(*serving))
        self.dns = endpoint.dns
        self.service_attachment = endpoint.service_attachment
        self.register_outputs({"dns": self.dns, "service_attachment": self.service_attachment})

    def _after(self, *others: pulumi.Resource) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, depends_on=list(others))


def _aliases(args: VertexModelArgs) -> AliasesSpec:
    first = args.versions[0]
    keys = {spec.version: spec.key for spec in args.versions}
    wanted = wanted_aliases(
        stable=args.stable, canary=args.canary, labels=args.labels, versions=tuple(keys)
    )
    return AliasesSpec(
        place=first.place,
        owner=first.owner,
        model_id=first.model_id,
        aliases={alias: keys[version] for alias, version in sorted(wanted.items())},
        adopt=first.adopt,
    )
