"""Nothing is without effect: each field reaches a resource in a place, or is refused there."""

from collections.abc import Mapping
from typing import Any, get_args

import pytest

from infra.config import ConfigError, Platform, Problem, Target, parse_stack
from infra.config.fields import all_fields, leaf_fields
from infra.config.refusals import REFUSALS, Place, Refusal, accepted_fields
from infra.config.values import LocalServerKind

PLATFORMS: Mapping[Platform, Mapping[str, Any]] = {
    Platform.LOCAL: {},
    Platform.GCP: {"gcp": {"project": "example-ml", "region": "europe-west4"}},
    Platform.AWS: {"aws": {"region": "eu-central-1"}},
    Platform.KUBERNETES: {
        "kubernetes": {"context": "kind-kind"},
        "bucket": {"path": "/mnt/models"},
    },
}
TARGETS = {
    Platform.LOCAL: (Target.LOCAL,),
    Platform.GCP: (Target.KUBERNETES, Target.VERTEX),
    Platform.AWS: (Target.KUBERNETES, Target.SAGEMAKER),
    Platform.KUBERNETES: (Target.KUBERNETES,),
}
# A value that is right wherever the field is, and what else the field needs to stand beside it.
EXAMPLES: Mapping[str, tuple[Any, Mapping[str, Any]]] = {
    "platform": (None, {}),
    "bucket.path": ("/mnt/models", {}),
    "bucket.name": ("example-models", {}),
    "bucket.force_destroy": (True, {}),
    "local.server": ("docker", {}),
    "local.image": ("tensorflow/serving:2.19.0", {}),
    "local.bind_address": ("0.0.0.0", {}),  # noqa: S104 - read, not bound
    "gcp.project": ("example-ml", {}),
    "gcp.region": ("europe-west4", {}),
    "aws.region": ("eu-central-1", {}),
    "kubernetes.context": ("kind-kind", {}),
    "kubernetes.namespace": ("models", {}),
    "models.*.target": (None, {}),
    "models.*.version": (2, {}),
    "models.*.canary.version": (3, {"version": 2, "canary": {"share": 10}}),
    "models.*.canary.share": (20, {"version": 2, "canary": {"version": 3}}),
    "models.*.labels": ({"stable": 2}, {"version": 2}),
    "models.*.strategy": ("hot", {"version": 2}),
    "models.*.poll_seconds": (60, {"version": "latest"}),
    "models.*.replicas": (2, {}),
    "models.*.autoscaling.min_replicas": (1, {"autoscaling": {"max_replicas": 2}}),
    "models.*.autoscaling.max_replicas": (3, {"autoscaling": {"min_replicas": 1}}),
    "models.*.autoscaling.target_cpu_percent": (
        70,
        {"autoscaling": {"min_replicas": 1, "max_replicas": 2}},
    ),
    "models.*.resources.cpu": ("500m", {}),
    "models.*.resources.memory": ("2Gi", {}),
    "models.*.gpu.type": ("nvidia-l4", {}),
    "models.*.gpu.count": (2, {"gpu": {"type": "nvidia-l4"}}),
    "models.*.gpu.memory_fraction": (0.5, {"gpu": {"type": "nvidia-l4"}}),
    "models.*.batching.max_batch_size": (16, {}),
    "models.*.batching.batch_timeout_micros": (500, {}),
    "models.*.batching.max_enqueued_batches": (10, {}),
    "models.*.batching.num_batch_threads": (2, {}),
    "models.*.batching.allowed_batch_sizes": ([1, 32], {}),
    "models.*.warmup": (False, {}),
    "models.*.threads.intra_op": (2, {}),
    "models.*.threads.inter_op": (2, {}),
    "models.*.prefer_tflite_model": (True, {}),
    "models.*.ports.rest": (8501, {}),
    "models.*.ports.grpc": (8500, {}),
}
PLACES = [
    Place(platform=platform, target=target, server=server)
    for platform, targets in TARGETS.items()
    for target in targets
    for server in (get_args(LocalServerKind) if platform is Platform.LOCAL else ("process",))
]


def merged(base: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(base)
    for key, value in extra.items():
        inner = both.get(key)
        is_section = isinstance(value, Mapping) and isinstance(inner, Mapping)
        both[key] = merged(inner, value) if is_section and inner is not None else value
    return both


def nested(path: str, value: Any) -> dict[str, Any]:
    for key in reversed(path.split(".")):
        value = {key: value}
    return dict(value)


def stack_with(path: str, place: Place) -> dict[str, Any]:
    value, beside = EXAMPLES[path]
    raw = merged({"platform": str(place.platform)}, PLATFORMS[place.platform])
    if place.server == "docker":
        raw = merged(raw, {"local": {"server": "docker"}})
    if path.startswith("models."):
        raw = merged(raw, {"models": {"heart": {"target": str(place.target), **beside}}})
    if value is not None:
        raw = merged(raw, nested(path.replace("*", "heart"), value))
    return raw


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
    assert {path for path in accepted if not path.startswith("models.*.batching")} == {
        "platform",
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
