"""What a stack of Google Cloud would have the engine make, without an engine: recorded under mocks.

Answers come from what the stand-in knows of each kind, and every resource is held against the SDK's
types as the stand-in holds it.
"""

import json
import os
from collections.abc import Mapping
from typing import Any
from unittest.mock import patch

from infra.errors import ServestackError
from infra.program import main
from tests.declaring import Declaration, declare
from tests.standins.gcp_kinds import CERTIFICATE, KINDS
from tests.standins.sdk_types import SdkTypes

_TYPES = SdkTypes("pulumi_gcp")
_FOUND_CLUSTER = {
    "name": "shared",
    "endpoint": "203.0.113.20",
    "masterAuths": [{"clusterCaCertificate": CERTIFICATE}],
    "privateClusterConfigs": [{"privateEndpoint": "10.0.0.2"}],
    "controlPlaneEndpointsConfigs": [{"dnsEndpointConfigs": [{"endpoint": "gke-1.gke.goog"}]}],
}


def declared(raw: Mapping[str, Any], stack: str = "test") -> Declaration:
    """Declare the stack of this configuration; what its SDK would not take fails."""
    config = {
        f"servestack:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in raw.items()
    }
    with patch.dict(os.environ, {"PULUMI_CONFIG": json.dumps(config)}):
        made = declare(main, outputs_of=_outputs, answer_of=_answer, stack=stack)
    for one in made.resources:
        if one.type in KINDS:
            problems = _TYPES.problems(one.type, one.inputs)
            assert not problems, f"{one.type} {one.name}: {problems}"
    return made


def _outputs(type_: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    if type_ not in KINDS:
        return {}
    kind = KINDS[type_]
    return kind.outputs(kind.id(inputs), inputs)


def _answer(token: str, _: Mapping[str, Any]) -> Mapping[str, Any]:
    match token.rpartition(":")[2]:
        case "getProjectServiceAccount":
            email = "service-1@gs-project-accounts.iam.gserviceaccount.com"
            return {"emailAddress": email, "member": f"serviceAccount:{email}"}
        case "getCluster":
            return _FOUND_CLUSTER
    raise ServestackError(token)
