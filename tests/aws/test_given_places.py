"""A network and a cluster that were there before: used, added to, and left as they were."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.aws.harness import AwsStack

TRUST = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",'
    '"Principal":{"Service":"eks.amazonaws.com"}}]}'
)


def given_network(stack: AwsStack) -> tuple[str, list[str]]:
    ec2 = stack.aws("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{index}.0/24", AvailabilityZone=zone)
        for index, zone in enumerate(("eu-central-1a", "eu-central-1b"))
    ]
    return vpc, [made["Subnet"]["SubnetId"] for made in subnets]


def stay_and_go(stack: AwsStack, config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Bring the stack up, see that nothing more is to be done, and give what it consists of."""
    stack.configure({**config, "models": {"digits": {"gpu": {"type": "nvidia-l4"}}}})
    stack.pulumi("preview")
    stack.up()
    stack.expect_no_changes()
    stack.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")
    found = stack.resources()
    stack.destroy()
    assert stack.resources() == []
    return found


@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.timeout(900)
def test_a_cluster_is_made_in_a_network_that_exists(stack: AwsStack) -> None:
    vpc, subnets = given_network(stack)
    aws = {"account": "123456789012", "region": "eu-central-1"}
    pools = {"l4": {"accelerator": "nvidia-l4", "max_nodes": 1}}
    made = stay_and_go(
        stack,
        {
            "platform": "aws",
            "aws": {**aws, "vpc": vpc, "subnets": subnets},
            "cluster": {"gpu_pools": pools},
        },
    )
    types = [one["type"] for one in made]
    assert "aws:ec2/vpc:Vpc" not in types
    assert "aws:ec2/natGateway:NatGateway" not in types
    (cluster,) = (one for one in made if one["type"] == "aws:eks/cluster:Cluster")
    assert cluster["outputs"]["vpcConfig"]["subnetIds"] == subnets
    group, *_ = (one for one in made if one["type"] == "aws:eks/nodeGroup:NodeGroup")
    assert group["outputs"]["subnetIds"] == subnets
    (left,) = stack.aws("ec2").describe_vpcs(VpcIds=[vpc])["Vpcs"]
    assert left["State"] == "available"


@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.timeout(900)
def test_a_cluster_that_exists_gets_nodes_of_the_stack_and_stays(stack: AwsStack) -> None:
    _, subnets = given_network(stack)
    role = stack.aws("iam").create_role(RoleName="control", AssumeRolePolicyDocument=TRUST)
    stack.aws("eks").create_cluster(
        name="shared",
        roleArn=role["Role"]["Arn"],
        resourcesVpcConfig={"subnetIds": subnets},
    )
    made = stay_and_go(
        stack,
        {
            "platform": "aws",
            "aws": {
                "account": "123456789012",
                "region": "eu-central-1",
                "pod_identity": "irsa",
            },
            "cluster": {
                "existing": "shared",
                "gpu_pools": {"l4": {"accelerator": "nvidia-l4", "max_nodes": 1}},
            },
        },
    )
    types = [one["type"] for one in made]
    assert "aws:eks/cluster:Cluster" not in types
    assert types.count("aws:iam/openIdConnectProvider:OpenIdConnectProvider") == 1
    groups = [one["outputs"] for one in made if one["type"] == "aws:eks/nodeGroup:NodeGroup"]
    assert [(group["clusterName"], group["subnetIds"]) for group in groups] == [("shared", subnets)]
    assert stack.aws("eks").list_clusters()["clusters"] == ["shared"]
    assert stack.aws("eks").list_nodegroups(clusterName="shared")["nodegroups"] == []
