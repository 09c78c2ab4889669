"""A small network for a cluster of EKS: private subnets for nodes, and a way out.

What nodes need of Amazon's own services goes through doors inside the network where there is no way
out, and S3 always does: models are large, and a gateway would be paid for each gigabyte.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from itertools import islice
from typing import Final, Literal

import pulumi
import pulumi_aws as aws

COMPONENT_TYPE: Final = "servestack:compute:EksNetwork"
Nat = Literal["single", "per_zone", "none"]

# A sixteenth of the network for each subnet: nodes' pods have addresses of it too.
_SUBNET_BITS: Final = 4
_DOORS: Final = (
    *("ec2", "ecr.api", "ecr.dkr", "eks", "eks-auth", "sts"),
    *("autoscaling", "elasticloadbalancing", "logs"),
)
# How balancers find the subnets that they are made in.
_INSIDE: Final = {"kubernetes.io/role/internal-elb": "1"}
_OUTSIDE: Final = {"kubernetes.io/role/elb": "1"}


@dataclass(frozen=True, kw_only=True)
class EksNetworkArgs:
    """Where and how large; without `zones`, the first two that the region has."""

    name: str
    region: str
    address_range: str
    nat: Nat = "single"
    zones: Sequence[str] = ()


class EksNetwork(pulumi.ComponentResource):
    """The network; `subnets` are the private ones. `ready` is what nodes need to come up."""

    subnets: list[pulumi.Output[str]]
    ready: list[pulumi.Resource]

    def __init__(
        self, name: str, args: EksNetworkArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(COMPONENT_TYPE, name, None, opts)
        self._name = name
        self._args = args
        self._inside = pulumi.ResourceOptions(parent=self)
        vpc = aws.ec2.Vpc(
            name,
            aws.ec2.VpcArgs(
                cidr_block=args.address_range,
                enable_dns_support=True,
                enable_dns_hostnames=True,
                tags={"Name": args.name},
            ),
            self._inside,
        )
        # Nobody uses the group that every network has, so nothing may pass by it.
        aws.ec2.DefaultSecurityGroup(
            name, aws.ec2.DefaultSecurityGroupArgs(vpc_id=vpc.id), self._inside
        )
        zones = self._zones()
        ranges = [
            str(block)
            for block in islice(
                ip_network(args.address_range).subnets(_SUBNET_BITS), 2 * len(zones)
            )
        ]
        private = self._subnets("private", vpc, zones, ranges[: len(zones)], _INSIDE)
        self.subnets = [subnet.id for subnet in private.values()]
        self.ready = []
        tables: dict[str, aws.ec2.RouteTable] = {}
        gateways = self._way_out(vpc, zones, ranges[len(zones) :])
        for key, subnet in private.items():
            table = aws.ec2.RouteTable(
                f"{name}-{key}",
                aws.ec2.RouteTableArgs(vpc_id=vpc.id, tags={"Name": f"{args.name}-{key}"}),
                self._inside,
            )
            tables[key] = table
            self.ready.append(
                aws.ec2.RouteTableAssociation(
                    f"{name}-{key}",
                    aws.ec2.RouteTableAssociationArgs(subnet_id=subnet.id, route_table_id=table.id),
                    self._inside,
                )
            )
            gateway = gateways.get(key) or gateways.get("all")
            if gateway is not None:
                self.ready.append(
                    aws.ec2.Route(
                        f"{name}-{key}",
                        aws.ec2.RouteArgs(
                            route_table_id=table.id,
                            destination_cidr_block="0.0.0.0/0",
                            nat_gateway_id=gateway.id,
                        ),
                        self._inside,
                    )
                )
        self._doors(vpc, list(tables.values()))
        self.register_outputs({"subnets": self.subnets})

    def _zones(self) -> dict[str, pulumi.Input[str]]:
        """Give each zone by what it is called in this program."""
        if self._args.zones:
            return {zone: zone for zone in self._args.zones}
        found = aws.get_availability_zones_output(
            state="available",
            filters=[
                # No local zone, where EKS has no control plane.
                aws.GetAvailabilityZonesFilterArgs(
                    name="opt-in-status", values=["opt-in-not-required"]
                )
            ],
            opts=pulumi.InvokeOptions(parent=self),
        )
        return {
            "first": found.apply(lambda there: there.names[0]),
            "second": found.apply(lambda there: there.names[1]),
        }

    def _subnets(
        self,
        kind: str,
        vpc: aws.ec2.Vpc,
        zones: dict[str, pulumi.Input[str]],
        ranges: list[str],
        tags: dict[str, str],
    ) -> dict[str, aws.ec2.Subnet]:
        return {
            zone: aws.ec2.Subnet(
                f"{self._name}-{kind}-{zone}",
                aws.ec2.SubnetArgs(
                    vpc_id=vpc.id,
                    availability_zone=where,
                    cidr_block=block,
                    tags={"Name": f"{self._args.name}-{kind}-{zone}", **tags},
                ),
                self._inside,
            )
            for (zone, where), block in zip(zones.items(), ranges, strict=True)
        }

    def _way_out(
        self, vpc: aws.ec2.Vpc, zones: dict[str, pulumi.Input[str]], ranges: list[str]
    ) -> dict[str, aws.ec2.NatGateway]:
        """Make gateways in public subnets, by the zone that they are for; `all` is for each."""
        if self._args.nat == "none":
            return {}
        name, inside = self._name, self._inside
        public = self._subnets("public", vpc, zones, ranges, _OUTSIDE)
        internet = aws.ec2.InternetGateway(name, aws.ec2.InternetGatewayArgs(vpc_id=vpc.id), inside)
        table = aws.ec2.RouteTable(
            f"{name}-public",
            aws.ec2.RouteTableArgs(vpc_id=vpc.id, tags={"Name": f"{self._args.name}-public"}),
            inside,
        )
        route = aws.ec2.Route(
            f"{name}-public",
            aws.ec2.RouteArgs(
                route_table_id=table.id,
                destination_cidr_block="0.0.0.0/0",
                gateway_id=internet.id,
            ),
            inside,
        )
        for zone, subnet in public.items():
            aws.ec2.RouteTableAssociation(
                f"{name}-public-{zone}",
                aws.ec2.RouteTableAssociationArgs(subnet_id=subnet.id, route_table_id=table.id),
                inside,
            )
        chosen = dict(public)
        if self._args.nat == "single":
            chosen = {"all": next(iter(public.values()))}
        return {
            zone: aws.ec2.NatGateway(
                f"{name}-{zone}",
                aws.ec2.NatGatewayArgs(
                    subnet_id=subnet.id,
                    allocation_id=aws.ec2.Eip(
                        f"{name}-{zone}", aws.ec2.EipArgs(domain="vpc"), inside
                    ).id,
                ),
                pulumi.ResourceOptions(parent=self, depends_on=[route]),
            )
            for zone, subnet in chosen.items()
        }

    def _doors(self, vpc: aws.ec2.Vpc, tables: list[aws.ec2.RouteTable]) -> None:
        name, args = self._name, self._args
        aws.ec2.VpcEndpoint(
            f"{name}-s3",
            aws.ec2.VpcEndpointArgs(
                vpc_id=vpc.id,
                service_name=f"com.amazonaws.{args.region}.s3",
                vpc_endpoint_type="Gateway",
                route_table_ids=[table.id for table in tables],
            ),
            self._inside,
        )
        if args.nat != "none":
            return
        group = aws.ec2.SecurityGroup(
            f"{name}-doors",
            aws.ec2.SecurityGroupArgs(
                vpc_id=vpc.id,
                description="From nodes to Amazon's services",
                ingress=[
                    aws.ec2.SecurityGroupIngressArgs(
                        protocol="tcp",
                        from_port=443,
                        to_port=443,
                        cidr_blocks=[args.address_range],
                    )
                ],
            ),
            self._inside,
        )
        for door in _DOORS:
            self.ready.append(
                aws.ec2.VpcEndpoint(
                    f"{name}-{door}",
                    aws.ec2.VpcEndpointArgs(
                        vpc_id=vpc.id,
                        service_name=f"com.amazonaws.{args.region}.{door}",
                        vpc_endpoint_type="Interface",
                        private_dns_enabled=True,
                        subnet_ids=self.subnets,
                        security_group_ids=[group.id],
                    ),
                    self._inside,
                )
            )
