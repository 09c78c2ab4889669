"""The four resources of Compute Engine that a network is made of, by their tokens.

`pulumi_gcp.compute` has some five hundred classes, and importing it takes longer than all else that
a preview does (docs/adr/0012). What is wrong in here, the tests see by that very package's types.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pulumi

NETWORK_TYPE: Final = "gcp:compute/network:Network"
SUBNETWORK_TYPE: Final = "gcp:compute/subnetwork:Subnetwork"
ROUTER_TYPE: Final = "gcp:compute/router:Router"
NAT_TYPE: Final = "gcp:compute/routerNat:RouterNat"


class Network(pulumi.CustomResource):
    """A network without subnetworks of its own accord."""

    def __init__(
        self, name: str, *, called: str, project: str, opts: pulumi.ResourceOptions
    ) -> None:
        properties = {"name": called, "project": project, "autoCreateSubnetworks": False}
        super().__init__(NETWORK_TYPE, name, properties, opts)


class Subnetwork(pulumi.CustomResource):
    """A subnetwork in a region, with ranges for pods and services by their names.

    Nodes without an address of their own reach Google's services from it.
    """

    def __init__(
        self,
        name: str,
        *,
        called: str,
        project: str,
        region: str,
        network: pulumi.Input[str],
        block: str,
        ranges: Mapping[str, str],
        opts: pulumi.ResourceOptions,
    ) -> None:
        properties: dict[str, Any] = {
            "name": called,
            "project": project,
            "region": region,
            "network": network,
            "ipCidrRange": block,
            "privateIpGoogleAccess": True,
            "secondaryIpRanges": _ranges(ranges),
        }
        super().__init__(SUBNETWORK_TYPE, name, properties, opts)


class Router(pulumi.CustomResource):
    """A router of a network in a region."""

    def __init__(
        self,
        name: str,
        *,
        called: str,
        project: str,
        region: str,
        network: pulumi.Input[str],
        opts: pulumi.ResourceOptions,
    ) -> None:
        properties = {"name": called, "project": project, "region": region, "network": network}
        super().__init__(ROUTER_TYPE, name, properties, opts)


class RouterNat(pulumi.CustomResource):
    """The way out of a router for all that have no address of their own."""

    def __init__(
        self,
        name: str,
        *,
        called: str,
        project: str,
        region: str,
        router: pulumi.Input[str],
        opts: pulumi.ResourceOptions,
    ) -> None:
        properties = {
            "name": called,
            "project": project,
            "region": region,
            "router": router,
            "natIpAllocateOption": "AUTO_ONLY",
            "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES",
        }
        super().__init__(NAT_TYPE, name, properties, opts)


def _ranges(ranges: Mapping[str, str]) -> Sequence[Mapping[str, str]]:
    return [{"rangeName": name, "ipCidrRange": block} for name, block in ranges.items()]
