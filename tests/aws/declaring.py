"""A stack on AWS under recording mocks, which answer what AWS would."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest

from infra.program import main
from tests.declaring import Declaration, declare

_IAM: Final = "arn:aws:iam::123456789012"
ZONES = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]


_CLUSTER: Final = {
    "endpoint": "https://cluster.example.com",
    "certificateAuthority": {"data": "Y2E="},
    "identities": [{"oidcs": [{"issuer": "https://oidc.example.com/id/1"}]}],
}
_OUTPUTS: Final[Mapping[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]]] = {
    "Role": lambda inputs: {"arn": f"{_IAM}:role/{inputs['name']}"},
    "Cluster": lambda _: _CLUSTER,
    "NodeGroup": lambda _: {"resources": [{"autoscalingGroups": [{"name": "group"}]}]},
    "LaunchTemplate": lambda _: {"latestVersion": 1},
    "OpenIdConnectProvider": lambda inputs: {
        "arn": f"{_IAM}:oidc-provider/{inputs['url'].removeprefix('https://')}"
    },
    "Key": lambda _: {"arn": "arn:aws:kms:eu-central-1:123456789012:key/made"},
    "Topic": lambda inputs: {"arn": f"arn:aws:sns:eu-central-1:123456789012:{inputs['name']}"},
}


def outputs_of(type_: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give what a provider adds to a resource's inputs, as far as a program of ours reads it."""
    found = _OUTPUTS.get(type_.rpartition(":")[2]) if type_.startswith("aws:") else None
    return found(inputs) if found else {}


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


def declared(
    raw: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch, *, stack: str = "test"
) -> Declaration:
    """Run the program with this configuration."""
    config = {
        f"servestack:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in raw.items()
    }
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(config))
    return declare(main, outputs_of=outputs_of, answer_of=answer_of, stack=stack)
