"""Every policy of every kind of stack, with strict eyes: parliament's, and rules of our own."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from parliament import analyze_policy_string

from infra.identity.table import TABLE, identities, table
from tests.aws.declaring import declared
from tests.declaring import Declaration

# Each is quick; all of them together are not.
pytestmark = pytest.mark.slow

ACCOUNT = "123456789012"
KEY = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/0a1b2c3d"
# All that a stack can have at once; each other has less.
BASE: Mapping[str, Any] = {
    "platform": "aws",
    "aws": {"account": ACCOUNT, "region": "eu-central-1"},
    "bucket": {"kms_key": KEY, "access_log_days": 30, "retention_days": 30},
    "cluster": {"gpu_pools": {"l4": {"accelerator": "nvidia-l4"}}},
    "identity": {
        "publishers": [f"arn:aws:iam::{ACCOUNT}:role/ml-team"],
        "publisher_key": True,
        "ci": {"github": {"repository": "example/models", "environment": "production"}},
    },
    "budget": {"monthly": 500, "topic": True},
    "models": {
        "heart": {"target": "sagemaker"},
        "digits": {"gpu": {"type": "nvidia-l4"}},
    },
}
STACKS: Mapping[str, Mapping[str, Any]] = {
    "all": BASE,
    "shared": {**BASE, "identity": {**BASE["identity"], "per_model": False}},
    "irsa": {**BASE, "aws": {**BASE["aws"], "pod_identity": "irsa"}},
    "mounted": {**BASE, "kubernetes": {"bucket": {"mountpoint": True}}},
    "china": {
        "platform": "aws",
        "aws": {"account": ACCOUNT, "region": "cn-north-1"},
        "models": {"heart": {"target": "sagemaker"}},
    },
}
# parliament knows documents of identities; of a role's trust it misses a resource, and of who
# may be it the providers that an account has made for itself.
NOT_FOR_TRUST = {"UNKNOWN_FEDERATION_SOURCE"}
NO_RESOURCE = "Statement contains neither Resource nor NotResource"


def policies(declaration: Declaration) -> Iterator[tuple[str, str, bool]]:
    """Give each policy by whose it is, and whether it says who may be a role."""
    for one in declaration.resources:
        name = f"{one.type.rpartition(':')[2]} {one.name}"
        if "assumeRolePolicy" in one.inputs:
            yield f"{name} trust", one.inputs["assumeRolePolicy"], True
        if isinstance(one.inputs.get("policy"), str) and one.inputs["policy"].startswith("{"):
            yield name, one.inputs["policy"], False


@pytest.fixture(params=STACKS, name="stack")
def _stack(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Declaration:
    monkeypatch.setenv("SERVESTACK_HOME", str(Path(__file__).parent))
    return declared(STACKS[request.param], monkeypatch)


def findings(policy: str, *, trust: bool) -> list[str]:
    found = []
    for finding in analyze_policy_string(policy).findings:
        if trust and (finding.issue in NOT_FOR_TRUST or finding.detail == NO_RESOURCE):
            continue
        found.append(f"{finding.issue}: {finding.detail} at {finding.location}")
    return found


def test_parliament_has_no_finding(stack: Declaration) -> None:
    found = {name: findings(policy, trust=trust) for name, policy, trust in policies(stack)}
    assert len(found) > 3
    assert {name: said for name, said in found.items() if said} == {}


def test_parliament_finds_what_is_wrong() -> None:
    wrong = {"Effect": "Allow", "Action": "s3:GetObjekt", "Resource": "arn:aws:s3:::models/*"}
    policy = {"Version": "2012-10-17", "Statement": [wrong]}
    assert findings(json.dumps(policy), trust=False)


def test_nobody_may_do_everything_or_be_anybody(stack: Declaration) -> None:
    for name, policy, trust in policies(stack):
        for statement in json.loads(policy)["Statement"]:
            if statement["Effect"] == "Deny":
                continue
            actions = statement["Action"]
            assert all("*" not in action for action in actions), (name, actions)
            principal = statement.get("Principal", {})
            assert "*" not in json.dumps(principal), (name, principal)
            if trust and "Federated" in principal:
                assert "aud" in json.dumps(statement["Condition"]), name
                assert "sub" in json.dumps(statement["Condition"]), name


def test_who_serves_reads_its_own_model_only(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {name: policy for name, policy, _ in policies(declared(BASE, monkeypatch))}
    endpoint = found["RolePolicy heart-serves"]
    assert "/heart/.archives/*" in endpoint
    assert "digits" not in endpoint
    pods = found["RolePolicy digits-reads"]
    assert ":models-test-" in pods
    assert "/digits/*" in pods
    assert "heart" not in pods
    assert "PutObject" not in pods


def test_a_publisher_can_neither_change_nor_delete_what_is_published(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = {name: policy for name, policy, _ in policies(declared(BASE, monkeypatch))}
    publisher = json.loads(found["RolePolicy publisher-publishes"])["Statement"]
    deletes = [one for one in publisher if "s3:DeleteObject" in one["Action"]]
    (cleared,) = deletes
    resources = [path.partition("/")[2] for path in cleared["Resource"]]
    assert resources == ["*/.publishing/*", "*/.archives/*"]
    bucket = json.loads(found["BucketPolicy models"])["Statement"]
    kept = next(one for one in bucket if one["Sid"] == "OnlyNewObjects")
    assert (kept["Effect"], kept["Action"]) == ("Deny", ["s3:PutObject"])
    assert kept["Condition"]["Null"] == {"s3:if-none-match": "true"}


def test_a_deployer_cannot_give_itself_more(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {name: policy for name, policy, _ in policies(declared(BASE, monkeypatch))}
    deployer = json.loads(found["RolePolicy ci-deploy"])["Statement"]
    iam = [one for one in deployer if any(action.startswith("iam:") for action in one["Action"])]
    assert [one["Action"] for one in iam] == [["iam:PassRole"]]
    assert "endpoint-heart" in json.dumps(iam[0]["Resource"])
    trust = json.loads(found["Role ci-deploy trust"])["Statement"][0]["Condition"]["StringEquals"]
    subject = "repo:example/models:environment:production"
    assert trust["token.actions.githubusercontent.com:sub"] == subject


def test_every_role_stays_within_the_boundary(monkeypatch: pytest.MonkeyPatch) -> None:
    boundary = f"arn:aws:iam::{ACCOUNT}:policy/boundary"
    raw = {**BASE, "aws": {**BASE["aws"], "permissions_boundary": boundary}}
    made = declared(raw, monkeypatch)
    roles = [*made.of_type("aws:iam/role:Role"), *made.of_type("aws:iam/user:User")]
    assert roles
    assert all(one.inputs["permissionsBoundary"] == boundary for one in roles)


def test_no_name_of_a_role_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "a" * 62 + "b"
    made = declared({**BASE, "models": {name: {"target": "sagemaker"}}}, monkeypatch)
    names = [one.inputs["name"] for one in made.of_type("aws:iam/role:Role")]
    assert all(len(name) <= 64 for name in names)
    assert len(set(names)) == len(names)


def test_the_table_of_the_documentation_is_of_these_policies() -> None:
    assert TABLE.read_text().count(table()) == 1, "run: python -m infra.identity.table"


def test_the_table_leaves_nothing_out(stack: Declaration) -> None:
    shown = {statement.sid for _, statements in identities() for statement in statements}
    granted = {
        statement["Sid"]
        for _, policy, trust in policies(stack)
        if not trust
        for statement in json.loads(policy)["Statement"]
    }
    assert granted <= shown | {"TellOfBudget"}
