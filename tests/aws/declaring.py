"""A stack on AWS under recording mocks, which answer what AWS would."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from infra.program import main
from tests.declaring import Declaration, declare

ZONES = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]


def outputs_of(type_: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give what a provider adds to a resource's inputs, as far as a program of ours reads it."""
    match type_:
        case "aws:iam/role:Role":
            return {"arn": f"arn:aws:iam::123456789012:role/{inputs['name']}"}
        case "aws:eks/cluster:Cluster":
            return {
                "endpoint": "https://cluster.example.com",
                "certificateAuthority": {"data": "Y2E="},
                "identities": [{"oidcs": [{"issuer": "https://oidc.example.com/id/1"}]}],
            }
        case "aws:eks/nodeGroup:NodeGroup":
            return {"resources": [{"autoscalingGroups": [{"name": "group"}]}]}
        case "aws:ec2/launchTemplate:LaunchTemplate":
            return {"latestVersion": 1}
        case "aws:iam/openIdConnectProvider:OpenIdConnectProvider":
            host = inputs["url"].removeprefix("https://")
            return {"arn": f"arn:aws:iam::123456789012:oidc-provider/{host}"}
        case "aws:kms/key:Key":
            return {"arn": "arn:aws:kms:eu-central-1:123456789012:key/made"}
        case "aws:sns/topic:Topic":
            return {"arn": f"arn:aws:sns:eu-central-1:123456789012:{inputs['name']}"}
        case _:
            return {}


def answer_of(token: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Answer a function of the provider."""
    match token:
        case "aws:index/getAvailabilityZones:getAvailabilityZones":
            return {"names": ZONES}
        case "aws:ec2/getSubnets:getSubnets":
            return {"ids": ["subnet-chosen"]}
        case "aws:eks/getCluster:getCluster":
            return {
                "name": arguments["name"],
                "endpoint": "https://cluster.example.com",
                "certificateAuthorities": [{"data": "Y2E="}],
                "identities": [{"oidcs": [{"issuer": "https://oidc.example.com/id/1"}]}],
                "vpcConfig": {"subnetIds": ["subnet-1", "subnet-2"]},
            }
        case _:
            raise AssertionError(f"{token} was called with {arguments}")


def declared(raw: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch) -> Declaration:
    """Run the program with this configuration."""
    config = {
        f"servestack:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in raw.items()
    }
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(config))
    return declare(main, outputs_of=outputs_of, answer_of=answer_of)
