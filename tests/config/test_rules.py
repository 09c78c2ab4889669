"""Each rule about more than one value: broken it is told, mended it is silent."""

from collections.abc import Mapping
from typing import Any

import pytest

from infra.config import ConfigError, parse_stack

LOCAL = {"platform": "local"}
CLUSTER = {
    "platform": "kubernetes",
    "kubernetes": {"context": "kind-kind"},
    "bucket": {"path": "/mnt/models"},
}
SCALING = {"min_replicas": 2, "max_replicas": 4}


def model(**values: Any) -> dict[str, Any]:
    return {"models": {"heart": values}}


def keys(raw: Mapping[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_stack(raw, source="Pulumi.test.yaml")
    return [problem.key.removeprefix("servestack:") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("key", "broken", "mended"),
    [
        (
            "models.heart.canary.version",
            LOCAL | model(version=2, canary={"version": 2, "share": 10}),
            LOCAL | model(version=2, canary={"version": 3, "share": 10}),
        ),
        (
            "models.heart.canary",
            LOCAL | model(version="latest", canary={"version": 2, "share": 10}),
            LOCAL | model(version="latest"),
        ),
        (
            "models.heart.canary",
            LOCAL | model(canary={"version": 2, "share": 10}),
            LOCAL | model(version=1, canary={"version": 2, "share": 10}),
        ),
        (
            "models.heart.labels.stable",
            LOCAL | model(version=2, labels={"stable": 1}),
            LOCAL | model(version=2, labels={"stable": 2}),
        ),
        (
            "models.heart.labels.trial",
            LOCAL | model(version=2, labels={"trial": 3}),
            LOCAL | model(version=2, labels={"trial": 3}, canary={"version": 3, "share": 1}),
        ),
        ("models.heart.labels.stable", LOCAL | model(labels={"stable": 1}), LOCAL | model()),
        (
            "models.heart.labels",
            LOCAL | model(version="latest", labels={"stable": 1}),
            LOCAL | model(version="latest"),
        ),
        (
            "models.heart.poll_seconds",
            LOCAL | model(version=2, poll_seconds=5),
            LOCAL | model(version="latest", poll_seconds=5),
        ),
        (
            "models.heart.strategy",
            CLUSTER | model(version=2, strategy="poll"),
            CLUSTER | model(version="latest", strategy="poll"),
        ),
        (
            "models.heart.strategy",
            CLUSTER | model(version="latest", strategy="hot", resources={"memory": "4Gi"}),
            CLUSTER | model(version=2, strategy="hot", resources={"memory": "4Gi"}),
        ),
        (
            "models.heart.replicas",
            CLUSTER | model(replicas=2, autoscaling=SCALING),
            CLUSTER | model(autoscaling=SCALING),
        ),
        (
            "models.heart.autoscaling.min_replicas",
            CLUSTER | model(autoscaling={"min_replicas": 5, "max_replicas": 4}),
            CLUSTER | model(autoscaling={"min_replicas": 4, "max_replicas": 4}),
        ),
        (
            "models.heart.batching.allowed_batch_sizes",
            LOCAL | model(batching={"max_batch_size": 32, "allowed_batch_sizes": [8, 16]}),
            LOCAL | model(batching={"max_batch_size": 32, "allowed_batch_sizes": [8, 32]}),
        ),
        (
            "models.heart.batching.allowed_batch_sizes",
            LOCAL | model(batching={"max_batch_size": 32, "allowed_batch_sizes": [8, 8, 32]}),
            LOCAL | model(batching={"max_batch_size": 32, "allowed_batch_sizes": [32]}),
        ),
        (
            "models.heart.ports.grpc",
            LOCAL | model(ports={"rest": 8501, "grpc": 8501}),
            LOCAL | model(ports={"rest": 8501, "grpc": 8500}),
        ),
        (
            "models.second.ports.rest",
            LOCAL
            | {"models": {"heart": {"ports": {"grpc": 8500}}, "second": {"ports": {"rest": 8500}}}},
            LOCAL
            | {"models": {"heart": {"ports": {"grpc": 8500}}, "second": {"ports": {"rest": 8501}}}},
        ),
        (
            "gcp.region",
            {"platform": "gcp", "gcp": {"project": "example-ml"}},
            {"platform": "gcp", "gcp": {"project": "example-ml", "region": "europe-west4"}},
        ),
        (
            "gcp.project",
            {"platform": "gcp", "gcp": {"region": "europe-west4"}},
            {"platform": "gcp", "gcp": {"project": "example-ml", "region": "europe-west4"}},
        ),
        (
            "aws.region",
            {"platform": "aws", "aws": {"account": "123456789012"}},
            {"platform": "aws", "aws": {"account": "123456789012", "region": "eu-central-1"}},
        ),
        (
            "kubernetes.context",
            {"platform": "kubernetes", "bucket": {"path": "/mnt/models"}},
            CLUSTER,
        ),
        (
            "bucket.path",
            {"platform": "kubernetes", "kubernetes": {"context": "kind-kind"}},
            CLUSTER,
        ),
    ],
)
def test_a_rule_is_told_when_broken_and_silent_when_kept(
    key: str, broken: Mapping[str, Any], mended: Mapping[str, Any]
) -> None:
    assert keys(broken) == [key]
    parse_stack(mended, source="Pulumi.test.yaml")


def test_a_wrong_list_of_batch_sizes_is_answered_by_a_right_one() -> None:
    batching = {"max_batch_size": 32, "allowed_batch_sizes": [8, 4, 64, 8]}
    with pytest.raises(ConfigError, match=r"allowed_batch_sizes: \[4, 8, 32\]"):
        parse_stack(LOCAL | model(batching=batching), source="Pulumi.test.yaml")
