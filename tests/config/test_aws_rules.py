"""Each rule of a stack on AWS: broken it is told at its key, mended it is silent."""

from collections.abc import Mapping
from typing import Any

import pytest

from infra.config import ConfigError, parse_stack
from infra.config.rules.aws import unchecked
from tests.config.examples import merged

AWS: Mapping[str, Any] = {
    "platform": "aws",
    "aws": {"account": "123456789012", "region": "eu-central-1"},
}
RANGE = {"min_replicas": 1, "max_replicas": 4}
NIGHT = {"when": "cron(0 20 ? * * *)", "min_replicas": 1, "max_replicas": 2}
SUBNETS = ["subnet-0a1b2c3d", "subnet-4e5f6a7b"]


def stack(*parts: Mapping[str, Any], **values: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {}
    for part in (AWS, *parts, values):
        whole = merged(whole, part)
    return whole


def sagemaker(how: Mapping[str, Any], **model: Any) -> dict[str, Any]:
    heart = {"target": "sagemaker", "version": 2, **model, "sagemaker": how}
    return stack(models={"heart": heart})


def pool(accelerator: str = "nvidia-l4", **values: Any) -> dict[str, Any]:
    return stack(cluster={"gpu_pools": {"gpus": {"accelerator": accelerator, **values}}})


def own(**place: Any) -> dict[str, Any]:
    return stack(aws=place, cluster={})


HEART = "models.heart.sagemaker"
POOL = "cluster.gpu_pools.gpus"


def keys(raw: Mapping[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_stack(raw, source="Pulumi.test.yaml")
    return [problem.key.removeprefix("servestack:") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("key", "broken", "mended"),
    [
        ("bucket.name", stack(bucket={"name": "sthree-models"}), stack(bucket={"name": "models"})),
        (
            "bucket.kms_key",
            stack(bucket={"kms_key": "arn:aws:kms:eu-west-1:123456789012:key/1"}),
            stack(bucket={"kms_key": "arn:aws:kms:eu-central-1:123456789012:key/1"}),
        ),
        (
            "bucket.kms_key",
            stack(bucket={"kms_key": "arn:aws:kms:eu-central-1:123456789012:alias/models"}),
            stack(),
        ),
        (
            "identity.publishers.0",
            stack(identity={"publishers": ["user:somebody@example.com"]}),
            stack(identity={"publishers": ["arn:aws:iam::123456789012:role/ml-team"]}),
        ),
        (
            "budget.emails",
            stack(budget={"monthly": 100}),
            stack(budget={"monthly": 100, "topic": True}),
        ),
        ("aws.subnets", own(vpc="vpc-0a1b2c3d"), own(vpc="vpc-0a1b2c3d", subnets=SUBNETS)),
        (
            "aws.subnets",
            own(vpc="vpc-0a1b2c3d", subnets=SUBNETS[:1]),
            own(vpc="vpc-0a1b2c3d", subnets=SUBNETS),
        ),
        ("aws.vpc", own(subnets=SUBNETS), own(vpc="vpc-0a1b2c3d", subnets=SUBNETS)),
        (
            "aws.nat",
            own(vpc="vpc-0a1b2c3d", subnets=SUBNETS, nat="none"),
            own(nat="none"),
        ),
        ("aws.nat", stack(aws={"nat": "none"}), own(nat="none")),
        ("aws.pod_identity", stack(aws={"pod_identity": "irsa"}), own(pod_identity="irsa")),
        ("aws.github_provider", own(github_provider=False), own()),
        (
            "cluster.zones",
            stack(cluster={"zones": ["eu-central-1a"]}),
            stack(cluster={"zones": ["eu-central-1a", "eu-central-1b"]}),
        ),
        (
            "cluster.zones.1",
            stack(cluster={"zones": ["eu-central-1a", "eu-west-1a"]}),
            stack(cluster={"zones": ["eu-central-1a", "eu-central-1c"]}),
        ),
        (
            "cluster.system_pool.machine_type",
            stack(cluster={"system_pool": {"machine_type": "g5.xlarge"}}),
            stack(cluster={"system_pool": {"machine_type": "m6i.xlarge"}}),
        ),
        (f"{POOL}.machine_type", pool(machine_type="m6i.xlarge"), pool(machine_type="g6.xlarge")),
        (
            f"{POOL}.machine_type",
            pool(machine_type="g5.xlarge"),
            pool("nvidia-a10g", machine_type="g5.xlarge"),
        ),
        (
            f"{POOL}.accelerators_per_node",
            pool(accelerators_per_node=2),
            pool(accelerators_per_node=4),
        ),
        (
            f"{POOL}.machine_type",
            pool("nvidia-of-tomorrow"),
            pool("nvidia-of-tomorrow", machine_type="g99.xlarge"),
        ),
        (
            f"{POOL}.reservation",
            pool(reservation="gpus-of-ours"),
            pool(reservation="cr-0123456789abcdef0"),
        ),
        (
            f"{HEART}.tensorflow",
            sagemaker({"tensorflow": "2.20"}),
            sagemaker({"tensorflow": "2.19"}),
        ),
        (
            f"{HEART}.tensorflow",
            sagemaker(
                {
                    "tensorflow": "2.19",
                    "image": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/serving:1",
                }
            ),
            sagemaker({"image": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/serving:1"}),
        ),
        (
            f"{HEART}.instance_type",
            sagemaker({"serverless": {}, "instance_type": "ml.g5.xlarge"}),
            sagemaker({"instance_type": "ml.g5.xlarge"}),
        ),
        (
            "models.heart.autoscaling",
            sagemaker({"serverless": {}}, autoscaling=RANGE),
            sagemaker({}, autoscaling=RANGE),
        ),
        (
            f"{HEART}.serverless.provisioned_concurrency",
            sagemaker({"serverless": {"max_concurrency": 2, "provisioned_concurrency": 3}}),
            sagemaker({"serverless": {"max_concurrency": 3, "provisioned_concurrency": 3}}),
        ),
        (
            f"{HEART}.asynchronous",
            sagemaker({"serverless": {}, "asynchronous": {}}),
            sagemaker({"asynchronous": {}}),
        ),
        (
            f"{HEART}.shadow",
            sagemaker({"asynchronous": {}, "shadow": {"version": 3}}),
            sagemaker({"shadow": {"version": 3}}),
        ),
        (
            f"{HEART}.shadow",
            sagemaker({"shadow": {"version": 3}}, canary={"version": 4, "share": 10}),
            sagemaker({"shadow": {"version": 3}}),
        ),
        (
            f"{HEART}.update",
            sagemaker({"update": {"shifting": "canary"}}, canary={"version": 4, "share": 10}),
            sagemaker({"update": {"shifting": "canary"}}),
        ),
        (
            f"{HEART}.update.percent",
            sagemaker({"update": {"shifting": "canary", "percent": 51}}),
            sagemaker({"update": {"shifting": "canary", "percent": 50}}),
        ),
        (
            f"{HEART}.update.percent",
            sagemaker({"update": {"shifting": "linear", "percent": 5}}),
            sagemaker({"update": {"shifting": "canary", "percent": 5}}),
        ),
        (
            f"{HEART}.update.percent",
            sagemaker({"update": {"percent": 20}}),
            sagemaker({"update": {"shifting": "canary", "percent": 20}}),
        ),
        (
            f"{HEART}.scaling",
            sagemaker({"scaling": {}}),
            sagemaker({"scaling": {}}, autoscaling=RANGE),
        ),
        (
            f"{HEART}.scaling.schedule.night.min_replicas",
            sagemaker(
                {"scaling": {"schedule": {"night": {**NIGHT, "min_replicas": 0}}}},
                autoscaling=RANGE,
            ),
            sagemaker(
                {
                    "asynchronous": {},
                    "scaling": {"schedule": {"night": {**NIGHT, "min_replicas": 0}}},
                },
                autoscaling=RANGE,
            ),
        ),
        (
            f"{HEART}.alarms.gpu_percent",
            sagemaker({"alarms": {"gpu_percent": 90}}),
            sagemaker({"alarms": {"gpu_percent": 90}, "instance_type": "ml.g5.xlarge"}),
        ),
    ],
)
def test_a_rule_is_told_when_broken_and_silent_when_kept(
    key: str, broken: dict[str, Any], mended: dict[str, Any]
) -> None:
    assert key in keys(broken)
    parse_stack(mended, source="Pulumi.test.yaml")


def test_an_accelerator_is_named_by_the_machine_on_sagemaker() -> None:
    with pytest.raises(ConfigError, match=r"instance_type: ml\.g5\.xlarge"):
        parse_stack(sagemaker({}, gpu={"type": "nvidia-l4"}), source="Pulumi.test.yaml")


def test_mps_is_refused_with_its_reason_and_time_slicing_is_not() -> None:
    shared = {"strategy": "mps", "clients": 4}
    with pytest.raises(ConfigError, match="nothing in EKS runs NVIDIA's daemon"):
        parse_stack(pool(sharing=shared), source="Pulumi.test.yaml")
    parse_stack(pool(sharing={**shared, "strategy": "time_slicing"}), source="Pulumi.test.yaml")


def test_what_no_table_knows_is_said_not_to_be_checked() -> None:
    found = parse_stack(
        pool("nvidia-of-tomorrow", machine_type="g99.xlarge"), source="Pulumi.test.yaml"
    )
    assert [note.partition(":")[0] for note in unchecked(found)] == ["servestack"]
    known = parse_stack(pool(), source="Pulumi.test.yaml")
    assert list(unchecked(known)) == []
