"""What a killed update was creating is taken over by its id, or left to a person."""

from typing import Any

import pytest

from infra.project.gcp_ids import gcp_id, may_be_made_again
from infra.releases.adoption import adopted
from infra.serving.vertex.resources import Deployment
from tests.standins.gcp_kinds import KINDS

CLUSTER = "gcp:container/cluster:Cluster"
INPUTS = {"project": "example-ml", "location": "europe-west4", "name": "dev"}


def pending(type_: str, kind: str = "creating", **inputs: Any) -> dict[str, Any]:
    urn = f"urn:pulumi:dev::servestack::{type_}::thing"
    return {"type": kind, "resource": {"urn": urn, "type": type_, "inputs": inputs}}


def state(*operations: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": 3,
        "deployment": {"resources": [{"urn": "before"}], "pending_operations": list(operations)},
    }


def test_what_has_a_known_name_is_put_into_the_state_with_its_id() -> None:
    found = adopted(state(pending(CLUSTER, **INPUTS)))
    assert found is not None
    first, cluster = found["deployment"]["resources"]
    assert first == {"urn": "before"}
    assert cluster["id"] == "projects/example-ml/locations/europe-west4/clusters/dev"
    assert cluster["outputs"] == INPUTS
    assert found["deployment"]["pending_operations"] == []


def test_what_can_be_made_twice_is_simply_forgotten() -> None:
    found = adopted(state(pending("gcp:storage/bucketIAMMember:BucketIAMMember", role="r")))
    assert found is not None
    assert found["deployment"] == {"resources": [{"urn": "before"}], "pending_operations": []}


def test_what_takes_up_its_own_beginnings_is_simply_forgotten() -> None:
    type_ = f"pulumi-python:{Deployment._resource_type_name}"
    found = adopted(state(pending(type_, endpoint_id="1")))
    assert found is not None
    assert found["deployment"]["pending_operations"] == []


def test_what_google_numbers_and_what_was_not_being_created_is_left() -> None:
    left = (pending("gcp:billing/budget:Budget"), pending(CLUSTER, "updating", **INPUTS))
    assert adopted(state(*left)) is None
    found = adopted(state(*left, pending(CLUSTER, **INPUTS)))
    assert found is not None
    assert found["deployment"]["pending_operations"] == list(left)
    assert adopted({"deployment": None}) is None


EXAMPLES: dict[str, str] = {
    "project": "example-ml",
    "location": "europe-west4",
    "region": "europe-west4",
    "name": "thing",
    "bucket": "models",
    "accountId": "serve",
    "roleId": "deploy",
    "repositoryId": "images",
    "workloadIdentityPoolId": "ci",
    "workloadIdentityPoolProviderId": "github",
    "router": "router",
    "cluster": "cluster",
    "dashboardJson": '{"displayName": "models"}',
}


@pytest.mark.parametrize("type_", sorted(KINDS))
def test_an_id_is_the_one_that_the_api_gives(type_: str) -> None:
    known = gcp_id(type_, EXAMPLES)
    if known is not None:
        assert known == KINDS[type_].id(EXAMPLES)
    assert known is None or not may_be_made_again(type_)


def test_what_is_neither_known_nor_made_again_is_what_google_numbers() -> None:
    left = {
        type_ for type_ in KINDS if gcp_id(type_, EXAMPLES) is None and not may_be_made_again(type_)
    }
    assert left == {
        "gcp:serviceaccount/key:Key",
        "gcp:monitoring/alertPolicy:AlertPolicy",
        "gcp:monitoring/dashboard:Dashboard",
        "gcp:monitoring/notificationChannel:NotificationChannel",
        "gcp:billing/budget:Budget",
    }
