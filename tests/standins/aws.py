"""A stand-in for pulumi-aws: makes what a stack asks for by AWS's own API, of the server at hand.

AWS_ENDPOINT_URL names the server. SERVESTACK_TESTS_FAULTS names a file that a test writes: by
`TYPE NAME` what the service refuses, or `rolls back` for an update of an endpoint that SageMaker
takes back in silence; by `each once` which call fails everywhere the first time.
"""

import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from tests.standins.aws_api import Api
from tests.standins.aws_kinds import KINDS, Kind, cluster_outputs
from tests.standins.provider import (
    Checked,
    Difference,
    Found,
    Properties,
    Request,
    ResourceError,
    StandIn,
    changed_properties,
    serve,
)
from tests.standins.sdk_types import TYPES_VARIABLE, SdkTypes
from tests.standins.values import UNKNOWN, has_unknown

FAULTS_VARIABLE: Final = "SERVESTACK_TESTS_FAULTS"
ROLLS_BACK: Final = "rolls back"
# A call of this kind fails at each resource, the first time.
EACH_ONCE: Final = "each once"


class Aws(StandIn):
    """The plug-in."""

    package = "aws"
    api: Api

    def __init__(self) -> None:
        super().__init__()
        store = os.environ.get(TYPES_VARIABLE)
        self.types = SdkTypes("pulumi_aws", Path(store) if store else None)

    def configure(self, config: Properties) -> None:
        self.api = Api(config["region"])
        allowed = config.get("allowedAccountIds", [])
        if isinstance(allowed, str):
            allowed = json.loads(allowed)
        account = self.api.call("sts", "GetCallerIdentity")["Account"]
        if allowed and account not in allowed:
            raise ResourceError(f"AWS account ID not allowed: {account}")

    def check(self, request: Request) -> Checked:
        if request.type not in KINDS:
            raise ResourceError(f"the stand-in for aws knows no {request.type}")
        problems = {
            path: problem
            for path, problem in self.types.problems(request.type, request.inputs).items()
            # Its words have colons in them, which are not read off the text; botocore knows them.
            if not path.endswith("sseAlgorithm")
        }
        return Checked(inputs=request.inputs, failures=problems)

    def diff(self, request: Request) -> Difference:
        changed = changed_properties(request.old_inputs, request.inputs)
        kind = KINDS[request.type]
        replacing = set(changed) if kind.immutable else set(changed) & kind.replacing
        return Difference(changed=changed, replacing=tuple(sorted(replacing)))

    def create(self, request: Request) -> tuple[str, Properties]:
        kind, inputs = KINDS[request.type], request.inputs
        if request.preview or has_unknown(inputs):
            return "", {**inputs, **_unknown(kind)}
        self._refuse(request, "create")
        id_, outputs = kind.create(self.api, inputs)
        return id_, {**inputs, **outputs}

    def read(self, request: Request) -> Found | None:
        found = KINDS[request.type].read(self.api, request.id, request.old_inputs)
        if found is None:
            return None
        return Found(
            id=request.id,
            inputs={**request.old_inputs, **found},
            outputs={**request.old_outputs, **found},
        )

    def update(self, request: Request) -> Properties:
        kind = KINDS[request.type]
        known = {key: request.old_outputs.get(key, UNKNOWN) for key in kind.outputs}
        if request.preview or has_unknown(request.inputs):
            return {**request.inputs, **known}
        fault = self._refuse(request, "update")
        if fault != ROLLS_BACK and kind.update is not None:
            kind.update(self.api, request.id, request.old_inputs, request.inputs)
        return {**request.inputs, **known}

    def delete(self, request: Request) -> None:
        self._refuse(request, "delete")
        KINDS[request.type].delete(self.api, request.id, request.old_inputs)

    def invoke(self, function: str, arguments: Properties) -> Properties:
        match function:
            case "aws:index/getAvailabilityZones:getAvailabilityZones":
                found = self.api.call("ec2", "DescribeAvailabilityZones")["AvailabilityZones"]
                return {"id": "zones", "names": [zone["ZoneName"] for zone in found]}
            case "aws:ec2/getSubnets:getSubnets":
                filters = [
                    {"Name": one["name"], "Values": one["values"]} for one in arguments["filters"]
                ]
                found = self.api.call("ec2", "DescribeSubnets", Filters=filters)["Subnets"]
                return {"id": "subnets", "ids": [subnet["SubnetId"] for subnet in found]}
            case "aws:eks/getCluster:getCluster":
                found = self.api.call("eks", "DescribeCluster", name=arguments["name"])["cluster"]
                outputs = cluster_outputs(found)
                return {
                    "id": arguments["name"],
                    "name": arguments["name"],
                    **outputs,
                    "certificateAuthorities": [outputs["certificateAuthority"]],
                    "vpcConfig": {"subnetIds": found["resourcesVpcConfig"]["subnetIds"]},
                }
        return super().invoke(function, arguments)

    def _refuse(self, request: Request, call: str) -> str | None:
        """Fail as a test has ordered; give what else it ordered."""
        path = os.environ.get(FAULTS_VARIABLE)
        if path is None or not Path(path).exists():
            return None
        faults: dict[str, Any] = json.loads(Path(path).read_text())
        if faults.get(EACH_ONCE) == call:
            tried = sha256(f"{call} {request.urn}".encode()).hexdigest()[:16]
            mark = Path(path).with_name(f"failed-{tried}")
            if not mark.exists():
                mark.touch()
                raise ResourceError("failed once: ServiceUnavailable")
        message = faults.get(f"{request.type.rpartition(':')[2]} {request.name}")
        if message is not None and message != ROLLS_BACK:
            raise ResourceError(message)
        return message


def _unknown(kind: Kind) -> Properties:
    return dict.fromkeys(kind.outputs, UNKNOWN)


if __name__ == "__main__":
    serve(Aws())
