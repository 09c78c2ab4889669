"""A network of the stack's own for private nodes: they reach the internet, nobody reaches them."""

from dataclasses import dataclass
from typing import Final

import pulumi

from infra.compute.gcp_network_resources import Network, Router, RouterNat, Subnetwork

COMPONENT_TYPE: Final = "servestack:compute:GkeNetwork"
PODS_RANGE: Final = "pods"
SERVICES_RANGE: Final = "services"

_NODES_BLOCK: Final = "10.10.0.0/20"
_PODS_BLOCK: Final = "10.20.0.0/14"
_SERVICES_BLOCK: Final = "10.24.0.0/20"


@dataclass(frozen=True, kw_only=True)
class GkeNetworkArgs:
    """Where the network is; all that belongs to it has its name."""

    name: str
    project: str
    region: str


class GkeNetwork(pulumi.ComponentResource):
    """The network, its one subnetwork, and the way out."""

    network: pulumi.Output[str]
    subnetwork: pulumi.Output[str]

    def __init__(
        self, name: str, args: GkeNetworkArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(COMPONENT_TYPE, name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        network = Network(name, called=args.name, project=args.project, opts=child)
        subnetwork = Subnetwork(
            name,
            called=args.name,
            project=args.project,
            region=args.region,
            network=network.id,
            block=_NODES_BLOCK,
            ranges={PODS_RANGE: _PODS_BLOCK, SERVICES_RANGE: _SERVICES_BLOCK},
            opts=child,
        )
        router = Router(
            name,
            called=args.name,
            project=args.project,
            region=args.region,
            network=network.id,
            opts=child,
        )
        # Images of other registries, such as tensorflow/serving, are out there.
        RouterNat(
            name,
            called=args.name,
            project=args.project,
            region=args.region,
            router=args.name,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[router]),
        )
        self.network = network.id
        self.subnetwork = subnetwork.id
        self.register_outputs({"network": self.network})
