"""A stand-in refuses what the SDK's own types do not allow."""

from pathlib import Path
from typing import Any

import pytest

from tests.standins.sdk_types import SdkTypes
from tests.standins.values import UNKNOWN

BUCKET = "gcp:storage/bucket:Bucket"
CLUSTER = "gcp:container/cluster:Cluster"


@pytest.fixture(scope="module")
def types() -> SdkTypes:
    return SdkTypes("pulumi_gcp")


@pytest.mark.parametrize(
    ("token", "inputs", "path"),
    [
        (BUCKET, {}, "location"),
        (BUCKET, {"location": "EU", "publicAccessPrevention": "enforce"}, "publicAccessPrevention"),
        (BUCKET, {"location": "EU", "versionning": {"enabled": True}}, "versionning"),
        (BUCKET, {"location": "EU", "versioning": True}, "versioning"),
        (BUCKET, {"location": "EU", "versioning": {}}, "versioning.enabled"),
        (BUCKET, {"location": "EU", "versioning": {"enabled": "true"}}, "versioning.enabled"),
        (BUCKET, {"location": "EU", "labels": {"team": 1}}, "labels.team"),
        (
            BUCKET,
            {"location": "EU", "lifecycleRules": [{"action": {"type": "Remove"}, "condition": {}}]},
            "lifecycleRules[0].action.type",
        ),
        (CLUSTER, {"releaseChannel": {"channel": "WEEKLY"}}, "releaseChannel.channel"),
        (
            CLUSTER,
            {"monitoringConfig": {"enableComponents": ["GPU"]}},
            "monitoringConfig.enableComponents[0]",
        ),
        (CLUSTER, {"initialNodeCount": "1"}, "initialNodeCount"),
    ],
)
def test_what_the_types_do_not_allow_is_told_at_its_path(
    types: SdkTypes, token: str, inputs: dict[str, Any], path: str
) -> None:
    assert list(types.problems(token, inputs)) == [path]


def test_what_the_types_allow_and_what_is_not_known_yet_passes(types: SdkTypes) -> None:
    bucket = {
        "location": "EU",
        "labels": UNKNOWN,
        "publicAccessPrevention": "enforced",
        "softDeletePolicy": {"retentionDurationSeconds": 0},
        "lifecycleRules": [
            {"action": {"type": "Delete"}, "condition": {"age": 3, "withState": "ARCHIVED"}}
        ],
    }
    assert types.problems(BUCKET, bucket) == {}
    channels = [{"releaseChannel": {"channel": channel}} for channel in ("RAPID", "EXTENDED")]
    assert [types.problems(CLUSTER, inputs) for inputs in channels] == [{}, {}]


def test_a_word_that_is_allowed_in_a_sentence_behind_passes() -> None:
    types = SdkTypes("pulumi_aws")
    topic = {"topic": "arn:aws:sns:eu-central-1:123456789012:alerts", "endpoint": "a@example.com"}
    kind = "aws:sns/topicSubscription:TopicSubscription"
    assert types.problems(kind, {**topic, "protocol": "email"}) == {}
    assert list(types.problems(kind, {**topic, "protocol": "pigeon"})) == ["protocol"]


def test_what_was_read_off_once_is_kept(tmp_path: Path) -> None:
    store = tmp_path / "types.json"
    first = SdkTypes("pulumi_gcp", store).problems(CLUSTER, {"name": 1})
    assert SdkTypes("nothing_installed", store).problems(CLUSTER, {"name": 1}) == first
    assert first == {"name": "is no text: 1"}
