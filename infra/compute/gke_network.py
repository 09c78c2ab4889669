"""A network of the stack's own for private nodes: they reach the internet, nobody reaches them."""

from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_gcp as gcp

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
        network = gcp.compute.Network(
            name,
            gcp.compute.NetworkArgs(
                name=args.name, project=args.project, auto_create_subnetworks=False
            ),
            child,
        )
        subnetwork = gcp.compute.Subnetwork(
            name,
            gcp.compute.SubnetworkArgs(
                name=args.name,
                project=args.project,
                region=args.region,
                network=network.id,
                ip_cidr_range=_NODES_BLOCK,
                # Nodes without an address of their own reach Google's services by this.
                private_ip_google_access=True,
                secondary_ip_ranges=[
                    gcp.compute.SubnetworkSecondaryIpRangeArgs(
                        range_name=PODS_RANGE, ip_cidr_range=_PODS_BLOCK
                    ),
                    gcp.compute.SubnetworkSecondaryIpRangeArgs(
                        range_name=SERVICES_RANGE, ip_cidr_range=_SERVICES_BLOCK
                    ),
                ],
            ),
            child,
        )
        router = gcp.compute.Router(
            name,
            gcp.compute.RouterArgs(
                name=args.name, project=args.project, region=args.region, network=network.id
            ),
            child,
        )
        # Images of other registries, such as tensorflow/serving, are out there.
        gcp.compute.RouterNat(
            name,
            gcp.compute.RouterNatArgs(
                name=args.name,
                project=args.project,
                region=args.region,
                router=router.name,
                nat_ip_allocate_option="AUTO_ONLY",
                source_subnetwork_ip_ranges_to_nat="ALL_SUBNETWORKS_ALL_IP_RANGES",
            ),
            child,
        )
        self.network = network.id
        self.subnetwork = subnetwork.id
        self.register_outputs({"network": self.network})
