"""Nothing is without effect: each field that a stack on AWS takes changes what the engine makes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from infra.config import Platform, Target
from infra.config.refusals import Place, accepted_fields
from infra.storage.published import PublishedModels
from model_export.archive.record import ArchiveRecord
from model_export.manifest import Manifest
from tests.aws.declaring import declared
from tests.config.examples import PLATFORMS, merged, stack_with
from tests.config.release_examples import COMMAND_FIELDS
from tests.config.test_effect import published, replaced
from tests.config.test_kubernetes_effect import JOINS, TOLD
from tests.config.test_kubernetes_effect import OTHERS as OTHERS_IN_CLUSTERS

# Each is quick; all of them together are not.
pytestmark = pytest.mark.slow

__all__ = ["published"]  # a fixture

PLACES = [
    Place(platform=Platform.AWS, target=target) for target in (Target.KUBERNETES, Target.SAGEMAKER)
]
# Only one value is possible here: they say where the stack is, not how.
PLACE_FIELDS = {"platform", "models.*.target"}
OTHERS: Mapping[str, Any] = {
    **OTHERS_IN_CLUSTERS,
    "aws.account": "999999999999",
    "aws.region": "eu-west-1",
    "aws.subnets": ["subnet-0a1b2c3d", "subnet-4e5f6a7b"],
    "cluster.gpu_pools.*.accelerator": "nvidia-a10g",
    "cluster.gpu_pools.*.sharing.clients": 7,
    "budget.monthly": 500,
    "budget.emails": ["ml-team@example.com"],
    "models.*.sagemaker.shadow.version": 4,
    "models.*.sagemaker.data_capture.percent": 30,
    "models.*.sagemaker.scaling.schedule.*.when": "cron(0 20 ? * * *)",
    "models.*.sagemaker.scaling.schedule.*.min_replicas": 1,
    "models.*.sagemaker.scaling.schedule.*.max_replicas": 3,
    "identity.ci.github.repository": "example/models",
    "identity.ci.github.environment": "prod",
}
# One stands for its whole section, whose other fields are compared by themselves.
WITH_SECTION = {
    "aws.vpc": "aws",
    "cluster.gpu_pools.*.sharing.strategy": "cluster.gpu_pools.*.sharing",
}


def around(path: str, place: Place) -> Mapping[str, Any]:
    """Give what the field's effect needs of the stack."""
    model: dict[str, Any] = {"target": str(place.target)}
    if path != "models.*.poll_seconds":
        model["version"] = 2
    if place.target is Target.SAGEMAKER:
        model["sagemaker"] = {"tensorflow": "2.19"}
    stack: dict[str, Any] = {"models": {"heart": model}}
    if path == "identity.per_model":
        stack["models"]["digits"] = {"target": str(place.target)}
    return stack


_KNOWN: dict[str, dict[str, Any]] = {}


def resources_of(raw: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Declare each stack once: most fields are compared with the same one without them."""
    key = json.dumps(raw, sort_keys=True)
    if key not in _KNOWN:
        resources = declared(raw, monkeypatch).resources
        _KNOWN[key] = {f"{one.type} {one.name}": one.inputs for one in resources}
    return _KNOWN[key]


@pytest.mark.parametrize(
    ("place", "path"),
    [
        (place, path)
        for place in PLACES
        for path in sorted(accepted_fields(place) - PLACE_FIELDS - JOINS - TOLD - COMMAND_FIELDS)
        # The rest of a stack is the same whoever serves.
        if path.startswith("models.")
        or path.startswith("kubernetes.") == (place.target is Target.KUBERNETES)
    ],
    ids=lambda value: value if isinstance(value, str) else str(value.target),
)
def test_a_field_that_is_taken_reaches_a_resource(
    place: Place, path: str, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(_: PublishedModels, model: str, version: int) -> Manifest:
        return at_hand(model, version)

    def archived(_: PublishedModels, model: str, version: int) -> ArchiveRecord:
        return ArchiveRecord(
            model=model,
            version=version,
            content="sha256:" + "0" * 64,
            size_bytes=1,
            sha256="1" * 64,
        )

    # Whatever the bucket is called, its content is the one at hand.
    at_hand = PublishedModels(published.as_uri()).manifest
    monkeypatch.setattr(PublishedModels, "manifest", read)
    monkeypatch.setattr(PublishedModels, "archive", archived)
    changed = merged(around(path, place), stack_with(path, place))
    if place.target is Target.SAGEMAKER and path.startswith("models."):
        del changed["cluster"]  # nothing of it is the model's, and it is large
    if path in {"models.*.sagemaker.tensorflow", "models.*.sagemaker.image"}:
        # Neither says anything beside the other.
        other = {"models.*.sagemaker.tensorflow": "image", "models.*.sagemaker.image": "tensorflow"}
        changed["models"]["heart"]["sagemaker"].pop(other[path], None)
    keys = WITH_SECTION.get(path, path).replace("*", "heart").split(".")
    value = OTHERS.get(path)
    if path == "aws.vpc":
        plain = {**changed, "aws": PLATFORMS[Platform.AWS]["aws"]}
    elif path == "models.*.sagemaker.image":
        plain = merged(replaced(changed, keys, None), around(path, place))
    elif path == "models.*.sagemaker.tensorflow":
        plain = replaced(changed, keys, "2.19")
    else:
        plain = replaced(changed, keys, value)
    assert resources_of(changed, monkeypatch) != resources_of(plain, monkeypatch)
