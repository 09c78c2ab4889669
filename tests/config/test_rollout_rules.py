"""What a roll-out, an exemption and a price must be, each told by its key."""

from typing import Any

import pytest

from infra.config import ConfigError, parse_stack
from infra.config.release_values import OnPublish
from tests.config.examples import PLATFORMS, merged

PLACES = {key.value: value for key, value in PLATFORMS.items()}


def told(raw: dict[str, Any], platform: str = "local") -> str:
    with pytest.raises(ConfigError) as refused:
        parse_stack(
            merged({"platform": platform, **PLACES[platform]}, raw), source="Pulumi.test.yaml"
        )
    (problem,) = refused.value.problems
    return str(problem)


@pytest.mark.parametrize("steps", [[], [50, 10], [10, 10]], ids=str)
def test_steps_ascend(steps: list[int]) -> None:
    assert "servestack:rollout.steps: " in told({"rollout": {"steps": steps}})
    model = {"models": {"heart": {"rollout": {"steps": steps}}}}
    assert "servestack:models.heart.rollout.steps: " in told(model)


def test_a_measure_without_a_limit_is_refused() -> None:
    custom = {"custom": {"query": "score_$version"}}
    assert "compared with nothing" in told({"rollout": {"gate": custom}})


def test_a_query_without_a_version_measures_nothing_about_it() -> None:
    custom = {"custom": {"query": "score", "max_ratio": 2}}
    message = told({"rollout": {"gate": custom}})
    assert "servestack:rollout.gate.custom.query" in message
    assert "$version" in message


def test_an_automatic_roll_out_in_a_cluster_names_its_prometheus() -> None:
    raw = {"rollout": {"automatic": True}, "models": {"heart": {}}}
    message = told(raw, "kubernetes")
    assert "servestack:rollout.gate.prometheus: is missing" in message
    # Google's managed one is known.
    parse_stack({"platform": "gcp", **PLACES["gcp"], **raw}, source="x")


def test_versions_inside_one_server_cannot_be_judged_apart() -> None:
    gate = {"prometheus": "http://prometheus:9090"}
    raw = {
        "rollout": {"automatic": True, "gate": gate},
        "models": {"heart": {"version": 1, "strategy": "hot", "resources": {"memory": "4Gi"}}},
    }
    assert "tell no versions apart" in told(raw, "kubernetes")


def test_sagemaker_is_promoted_by_hand() -> None:
    raw = {"rollout": {"automatic": True}, "models": {"heart": {"target": "sagemaker"}}}
    assert "served by SageMaker" in told(raw, "aws")


def test_latest_needs_no_watching() -> None:
    raw = {"rollout": {"on_publish": "release"}, "models": {"heart": {"version": "latest"}}}
    assert "servestack:rollout.on_publish: heart follows the bucket by itself" in told(raw)


def test_a_models_own_roll_out_replaces_the_stacks() -> None:
    raw = {
        "platform": "local",
        "rollout": {"steps": [20], "on_publish": "canary"},
        "models": {"heart": {"rollout": {"steps": [5]}}, "digits": {}},
    }
    stack = parse_stack(raw, source="x")
    assert stack.rollout_of("digits").steps == (20,)
    assert stack.rollout_of("heart").steps == (5,)
    assert stack.rollout_of("heart").on_publish is OnPublish.IGNORE


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        ({"policy": {"exemptions": {"public-buckets": {"reason": "It is public"}}}}, "exemptions"),
        (
            {"policy": {"exemptions": {"public-bucket": {"reason": "why"}}}},
            "public-bucket.reason",
        ),
        (
            {
                "policy": {
                    "exemptions": {"pod-limits": {"reason": "It is known", "until": "2027-02-30"}}
                }
            },
            "pod-limits.until",
        ),
        ({"environment": "production"}, "environment"),
        ({"rollout": {"gate": {"prometheus": "http://me:secret@prometheus"}}}, "prometheus"),
    ],
    ids=["unknown rule", "short reason", "no such day", "no such environment", "password"],
)
def test_a_wrong_value_is_told_by_its_key(raw: dict[str, Any], key: str) -> None:
    assert key in told(raw)
