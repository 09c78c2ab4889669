"""Nothing is without effect: each field reaches a resource in a place, or is refused there."""

from collections.abc import Mapping
from typing import Any, get_args

import pytest

from infra.config import ConfigError, Platform, Problem, Target, parse_stack
from infra.config.fields import all_fields, leaf_fields
from infra.config.refusals import REFUSALS, Place, Refusal, accepted_fields
from infra.config.values import LocalServerKind
from tests.config.examples import EXAMPLES, PLACES, PLATFORMS, TARGETS, stack_with
from tests.config.release_examples import COMMAND_FIELDS


def is_refused(raw: Mapping[str, Any]) -> bool:
    problems: tuple[Problem, ...] = ()
    try:
        parse_stack(raw, source="Pulumi.test.yaml")
    except ConfigError as error:
        problems = error.problems
    words = ("it has no effect here", "is not possible here")
    assert all(any(word in problem.rule for word in words) for problem in problems), problems
    return bool(problems)


def test_every_field_has_an_example() -> None:
    assert EXAMPLES.keys() == leaf_fields()


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_a_field_is_taken_where_it_has_an_effect_and_refused_elsewhere(place: Place) -> None:
    refused = {path for path in EXAMPLES if is_refused(stack_with(path, place))}
    # A canary cannot be written where latest is the only version, and so on: the examples avoid it.
    assert leaf_fields() - refused == accepted_fields(place)


def test_every_field_has_an_effect_somewhere() -> None:
    assert frozenset().union(*(accepted_fields(place) for place in PLACES)) == leaf_fields()


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.field)
def test_every_refusal_names_a_field_and_holds_somewhere(refusal: Refusal) -> None:
    assert refusal.field in all_fields()
    everywhere = [
        Place(platform=platform, target=target, server=server)
        for platform in Platform
        for target in Target
        for server in get_args(LocalServerKind)
    ]
    assert 0 < sum(refusal.holds_at(place) for place in everywhere) < len(everywhere)


@pytest.mark.parametrize("platform", list(Platform))
@pytest.mark.parametrize("target", list(Target))
def test_a_target_is_taken_only_on_a_platform_that_has_it(
    platform: Platform, target: Target
) -> None:
    raw = {
        "platform": str(platform),
        **PLATFORMS[platform],
        "models": {"heart": {"target": target}},
    }
    assert is_refused(raw) == (target not in TARGETS[platform])


@pytest.mark.parametrize(
    ("platform", "target"), [(Platform.GCP, "vertex"), (Platform.AWS, "sagemaker")]
)
def test_a_managed_service_does_not_follow_the_bucket(platform: Platform, target: str) -> None:
    model = {"target": target, "version": "latest"}
    assert is_refused(
        {"platform": str(platform), **PLATFORMS[platform], "models": {"heart": model}}
    )


def test_a_local_process_honours_exactly_this() -> None:
    accepted = accepted_fields(Place(platform=Platform.LOCAL, target=Target.LOCAL))
    others = {path for path in accepted if path.startswith("models.*.batching")} | COMMAND_FIELDS
    assert accepted - others == {
        "platform",
        "paused",
        "bucket.path",
        "bucket.force_destroy",
        "local.server",
        "local.bind_address",
        "models.*.target",
        "models.*.version",
        "models.*.canary.version",
        "models.*.canary.share",
        "models.*.labels",
        "models.*.poll_seconds",
        "models.*.warmup",
        "models.*.threads.intra_op",
        "models.*.threads.inter_op",
        "models.*.prefer_tflite_model",
        "models.*.ports.rest",
        "models.*.ports.grpc",
    }
