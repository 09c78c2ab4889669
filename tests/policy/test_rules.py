"""Every rule of the policy pack: what breaks it, what does not, and what is not known yet."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest

from infra.config import StackConfig, parse_stack
from infra.config.release_values import PolicyRule
from infra.policy.exemptions import standing
from infra.policy.rules import RULES, Rule
from infra.policy.subject import STACK_TYPE, UNKNOWN, Resource, Surroundings
from tests.config.examples import PLATFORMS

PLACES = {platform.value: place for platform, place in PLATFORMS.items()}
BY_ID: Mapping[str, Rule] = {str(rule.id): rule for rule in RULES}
TODAY = date(2026, 11, 25)
DEPLOYMENT = "kubernetes:apps/v1:Deployment"


def config(platform: str = "gcp", **stack: Any) -> StackConfig:
    return parse_stack({"platform": platform, **PLACES[platform], **stack}, source="x")


def around(stack: StackConfig | None = None) -> Surroundings:
    return Surroundings(config=stack, today=TODAY)


def broken(
    rule: str, type_: str, props: Mapping[str, Any], stack: StackConfig | None = None
) -> list[str]:
    resource = Resource(type=type_, name="it", props=props)
    return [problem.text for problem in BY_ID[rule].broken(resource, around(stack))]


def container(**more: Any) -> dict[str, Any]:
    return {
        "name": "server",
        "image": "tensorflow/serving:2.19.1",
        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
        "readinessProbe": {"httpGet": {}},
        "livenessProbe": {"httpGet": {}},
        "securityContext": {"runAsNonRoot": True, "allowPrivilegeEscalation": False},
        **more,
    }


def pods(*containers: Mapping[str, Any], **pod: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": [*containers], **pod}}}}


def agent(*containers: Mapping[str, Any]) -> dict[str, Any]:
    """Give what looks after each node of a cluster."""
    return {"metadata": {"namespace": "kube-system"}, **pods(*containers)}


def test_every_rule_is_there_once_and_says_why_and_what_instead() -> None:
    assert [rule.id for rule in RULES] == list(PolicyRule)
    for rule in RULES:
        assert rule.reason.endswith(".")
        assert rule.remedy.endswith(".")


BUCKET = {"publicAccessPrevention": "enforced", "uniformBucketLevelAccess": True}
BLOCK = dict.fromkeys(
    ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"), True
)


def policy(**statement: Any) -> dict[str, Any]:
    return {"Statement": [{"Effect": "Allow", "Action": "s3:GetObject", **statement}]}


@pytest.mark.parametrize(
    ("rule", "type_", "props", "said"),
    [
        ("public-bucket", "gcp:storage/bucket:Bucket", {}, "does not enforce"),
        (
            "public-bucket",
            "gcp:storage/bucket:Bucket",
            BUCKET | {"uniformBucketLevelAccess": False},
            "Single objects",
        ),
        (
            "public-bucket",
            "gcp:storage/bucketIAMMember:BucketIAMMember",
            {"role": "roles/storage.objectViewer", "member": "allUsers"},
            "granted to allUsers",
        ),
        (
            "public-bucket",
            "gcp:storage/bucketIAMBinding:BucketIAMBinding",
            {"members": ["user:a@example.com", "allAuthenticatedUsers"]},
            "allAuthenticatedUsers",
        ),
        (
            "public-bucket",
            "gcp:storage/defaultObjectAccessControl:DefaultObjectAccessControl",
            {"entity": "allUsers"},
            "allUsers",
        ),
        (
            "public-bucket",
            "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
            BLOCK | {"blockPublicPolicy": False},
            "blockPublicPolicy",
        ),
        ("public-bucket", "aws:s3/bucketAcl:BucketAcl", {"acl": "public-read"}, "public-read"),
        (
            "public-bucket",
            "aws:s3/bucketPolicy:BucketPolicy",
            {"policy": '{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:*"}}'},
            "allows everybody",
        ),
        (
            "public-bucket",
            "aws:s3/bucketPolicy:BucketPolicy",
            {"policy": policy(Principal={"AWS": ["*"]})},
            "allows everybody",
        ),
        ("stored-key", "gcp:serviceaccount/key:Key", {}, "long-lived key"),
        ("stored-key", "aws:iam/accessKey:AccessKey", {}, "long-lived key"),
        (
            "broad-role",
            "gcp:projects/iAMMember:IAMMember",
            {"role": "roles/editor"},
            "primitive role roles/editor",
        ),
        (
            "broad-role",
            "gcp:projects/iAMMember:IAMMember",
            {"role": "roles/storage.admin"},
            "on the whole project",
        ),
        (
            "broad-role",
            "gcp:serviceaccount/iAMMember:IAMMember",
            {"role": "roles/iam.workloadIdentityUser", "member": "allUsers"},
            "granted to allUsers",
        ),
        (
            "broad-role",
            "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
            {"policyArn": "arn:aws:iam::aws:policy/AmazonS3FullAccess"},
            "AmazonS3FullAccess",
        ),
        (
            "broad-role",
            "aws:iam/rolePolicy:RolePolicy",
            {"policy": policy(Action=["s3:GetObject", "sagemaker:*"])},
            "sagemaker:*",
        ),
        (
            "broad-role",
            "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole",
            {"rules": [{"verbs": ["*"], "resources": ["pods"]}]},
            "* for verbs",
        ),
        (
            "broad-role",
            "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding",
            {"roleRef": {"name": "cluster-admin"}},
            "cluster-admin",
        ),
        (
            "gpu-pool-maximum",
            "gcp:container/nodePool:NodePool",
            {"nodeConfig": {"guestAccelerators": [{"type": "nvidia-l4"}]}},
            "no maximum",
        ),
        ("gpu-pool-maximum", "aws:eks/nodeGroup:NodeGroup", {"scalingConfig": {}}, "no maximum"),
        ("pod-limits", DEPLOYMENT, pods(container(resources={})), "requests.cpu, requests.memory"),
        (
            "pod-limits",
            DEPLOYMENT,
            pods(container(), initContainers=[{"name": "fetch"}]),
            "Container fetch has no",
        ),
        ("pod-probes", DEPLOYMENT, pods(container(readinessProbe=None)), "no readinessProbe"),
        ("pod-non-root", DEPLOYMENT, pods(container(securityContext=None)), "may run as root"),
        (
            "pod-non-root",
            DEPLOYMENT,
            pods(container(securityContext={"privileged": True}), securityContext={}),
            "is privileged",
        ),
        (
            "pod-non-root",
            "kubernetes:apps/v1:DaemonSet",
            agent(container(securityContext={"privileged": True})),
            "is privileged",
        ),
        ("pod-probes", "kubernetes:apps/v1:DaemonSet", pods({"name": "server"}), "no readiness"),
        ("pinned-image", DEPLOYMENT, pods(container(image="tensorflow/serving")), "not pinned"),
        ("pinned-image", DEPLOYMENT, pods(container(image="a.io:5000/x/y:latest")), "not pinned"),
        (
            "pinned-image",
            "pulumi-python:dynamic/servestack:LocalServer",
            {"kind": "docker", "image": "tensorflow/serving:nightly"},
            "not pinned",
        ),
    ],
)
def test_what_breaks_a_rule_is_said_with_its_remedy(
    rule: str, type_: str, props: Mapping[str, Any], said: str
) -> None:
    told = broken(rule, type_, props)
    assert told, rule
    assert any(said in text for text in told), told
    assert all(text.endswith(BY_ID[rule].remedy) for text in told)


@pytest.mark.parametrize(
    ("rule", "type_", "props"),
    [
        ("public-bucket", "gcp:storage/bucket:Bucket", BUCKET),
        ("public-bucket", "gcp:storage/bucket:Bucket", dict.fromkeys(BUCKET, UNKNOWN)),
        (
            "public-bucket",
            "gcp:storage/bucketIAMMember:BucketIAMMember",
            {"member": "group:ml@example.com"},
        ),
        ("public-bucket", "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", BLOCK),
        (
            "public-bucket",
            "aws:s3/bucketPolicy:BucketPolicy",
            {"policy": policy(Principal="*", Effect="Deny")},
        ),
        ("public-bucket", "aws:s3/bucketPolicy:BucketPolicy", {"policy": UNKNOWN}),
        ("public-bucket", "aws:s3/bucketPolicy:BucketPolicy", {"policy": "no JSON"}),
        (
            "broad-role",
            "gcp:projects/iAMMember:IAMMember",
            {"role": "roles/monitoring.metricWriter"},
        ),
        (
            "broad-role",
            "gcp:storage/bucketIAMMember:BucketIAMMember",
            {"role": "roles/storage.objectAdmin"},
        ),
        ("broad-role", "aws:iam/rolePolicy:RolePolicy", {"policy": policy(Resource="*")}),
        (
            "broad-role",
            "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
            {"policyArn": "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy"},
        ),
        (
            "gpu-pool-maximum",
            "gcp:container/nodePool:NodePool",
            {
                "nodeConfig": {"guestAccelerators": [{"type": "nvidia-l4"}]},
                "autoscaling": {"totalMaxNodeCount": 0},
            },
        ),
        ("gpu-pool-maximum", "gcp:container/nodePool:NodePool", {"nodeConfig": {}}),
        ("pod-limits", DEPLOYMENT, pods(container())),
        ("pod-probes", DEPLOYMENT, pods(container(), initContainers=[{"name": "fetch"}])),
        ("pod-probes", "kubernetes:batch/v1:Job", pods({"name": "convert"})),
        ("pod-probes", "kubernetes:apps/v1:DaemonSet", agent({"name": "plugin"})),
        (
            "pod-non-root",
            "kubernetes:apps/v1:DaemonSet",
            agent(container(securityContext={"allowPrivilegeEscalation": False})),
        ),
        (
            "pod-non-root",
            DEPLOYMENT,
            pods(
                container(securityContext={"allowPrivilegeEscalation": False}),
                securityContext={"runAsNonRoot": True},
            ),
        ),
        ("pinned-image", DEPLOYMENT, pods(container(image=UNKNOWN))),
        ("pinned-image", DEPLOYMENT, pods(container(image=f"a.io:5000/x@sha256:{'0' * 64}"))),
        ("pinned-image", "pulumi-python:dynamic/servestack:LocalServer", {"kind": "process"}),
    ],
)
def test_what_is_sound_or_not_known_yet_breaks_nothing(
    rule: str, type_: str, props: Mapping[str, Any]
) -> None:
    assert broken(rule, type_, props) == []


def test_a_key_that_the_configuration_asks_for_is_its_owners_decision() -> None:
    stack = config(identity={"publisher_key": True, "publishers": ["user:a@example.com"]})
    assert broken("stored-key", "gcp:serviceaccount/key:Key", {}, stack) == []


def on_stack(rule: str, stack: StackConfig | None) -> list[str]:
    return broken(rule, STACK_TYPE, {}, stack)


def prod(platform: str = "gcp", **stack: Any) -> StackConfig:
    return config(platform, environment="prod", **stack)


@pytest.mark.parametrize(
    ("rule", "stack", "said"),
    [
        ("prod-protection", prod(), "servestack:protected is not set"),
        (
            "prod-protection",
            prod(protected=True, bucket={"force_destroy": True}),
            "bucket.force_destroy",
        ),
        ("prod-budget", prod(), "has no budget"),
        ("prod-budget", prod("aws"), "has no budget"),
        ("prod-replicas", prod(models={"heart": {"version": 1}}), "heart may have a single"),
        (
            "prod-replicas",
            prod(
                models={
                    "heart": {
                        "version": 1,
                        "target": "vertex",
                        "autoscaling": {"min_replicas": 1, "max_replicas": 4},
                    }
                }
            ),
            "heart may have a single",
        ),
        (
            "prod-replicas",
            prod(
                models={
                    "heart": {
                        "version": 1,
                        "replicas": 2,
                        "kubernetes": {"disruption_budget": False},
                    }
                }
            ),
            "no disruption budget",
        ),
        ("prod-pinned-version", prod(models={"heart": {"version": "latest"}}), "published last"),
        ("cost-labels", config(), "Nothing of the stack is labelled"),
    ],
)
def test_what_production_lacks_is_said(rule: str, stack: StackConfig, said: str) -> None:
    assert any(said in text for text in on_stack(rule, stack))


@pytest.mark.parametrize("rule", [str(rule.id) for rule in RULES])
def test_a_sound_production_and_any_development_break_nothing(rule: str) -> None:
    sound = prod(
        protected=True,
        labels={"team": "ml"},
        models={"heart": {"version": 1, "replicas": 2}, "digits": {}},
        budget={"monthly": 500},
    )
    loose = config(labels={"team": "ml"}, models={"heart": {"version": "latest"}})
    for stack in (sound, loose, config("local"), None):
        assert on_stack(rule, stack) == []


def test_a_cluster_of_production_is_protected() -> None:
    cluster = "gcp:container/cluster:Cluster"
    assert broken("prod-protection", cluster, {"deletionProtection": False}, prod())
    assert not broken("prod-protection", cluster, {"deletionProtection": True}, prod())
    assert not broken("prod-protection", cluster, {"deletionProtection": False}, config())


def exempted(**exemption: Any) -> StackConfig:
    reason = {"reason": "The data set is public"}
    return config(policy={"exemptions": {"public-bucket": reason | exemption}})


@pytest.mark.parametrize(
    ("exemption", "name", "is_exempt", "note"),
    [
        ({}, "any", True, " Exempt: The data set is public"),
        ({"resources": ["models"]}, "models", True, " Exempt: The data set is public"),
        ({"resources": ["models"]}, "logs", False, ""),
        ({"until": "2026-11-25"}, "any", True, " Exempt until 2026-11-25: The data set"),
        ({"until": "2026-11-24"}, "any", False, " Its exemption ended on 2026-11-24."),
    ],
    ids=str,
)
def test_an_exemption_holds_for_what_it_names_until_its_day(
    exemption: dict[str, Any],
    name: str,
    is_exempt: bool,  # noqa: FBT001 - a case's expectation
    note: str,
) -> None:
    found = standing(BY_ID["public-bucket"], name, around(exempted(**exemption)))
    assert found.is_exempt is is_exempt
    assert found.note.startswith(note)
    other = standing(BY_ID["pod-limits"], name, around(exempted(**exemption)))
    assert not other.is_exempt


def test_one_model_of_a_stack_is_exempted_by_its_name() -> None:
    exemption = {"reason": "One GPU is the quota", "resources": ["heart"]}
    stack = prod(
        models={"heart": {"version": 1}, "digits": {"version": 1}},
        policy={"exemptions": {"prod-replicas": exemption}},
    )
    rule = BY_ID["prod-replicas"]
    whole = Resource(type=STACK_TYPE, name="prod", props={})
    held = [
        problem.about
        for problem in rule.broken(whole, around(stack))
        if not standing(rule, problem.about, around(stack)).is_exempt
    ]
    assert held == ["digits"]
