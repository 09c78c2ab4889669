"""Nothing is without effect: each field that a cluster takes changes what the engine makes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from infra.compute.questions import Found, Wanted
from infra.config import Platform, Target
from infra.config.refusals import Place, accepted_fields
from infra.program import main
from infra.storage.published import PublishedModels
from model_export.manifest import Manifest
from tests.config.examples import merged, stack_with
from tests.config.release_examples import COMMAND_FIELDS
from tests.config.test_effect import published, replaced, resources_of
from tests.declaring import declare

# Each is quick; all of them together are not.
pytestmark = pytest.mark.slow

__all__ = ["published"]  # a fixture

PLACE = Place(platform=Platform.KUBERNETES, target=Target.KUBERNETES)
# Only one value is possible here: they say where the stack is, not how.
PLACE_FIELDS = {"platform", "models.*.target"}
# Fields that cannot be left out are compared with another value.
OTHERS: Mapping[str, Any] = {
    "kubernetes.context": "minikube",
    "kubernetes.gateway.name": "other",
    "kubernetes.gateway.namespace": "other",
    "kubernetes.gateway.domain": "other.example.com",
    "kubernetes.gpu_pools.*.node_labels": {"pool": "other"},
    "models.*.version": 3,
    "models.*.canary.version": 4,
    "models.*.canary.share": 80,
    "models.*.autoscaling.min_replicas": 2,
    "models.*.autoscaling.max_replicas": 4,
    "models.*.kubernetes.load.requests_per_second": 41,
    "models.*.kubernetes.load.gpu_duty_cycle_percent": 71,
    "models.*.kubernetes.conversion.of": 3,
    "models.*.kubernetes.conversion.to": 7,
    "models.*.kubernetes.conversion.publisher_image": "registry.example.com/other:1",
    "models.*.kubernetes.ingress.host": "other.example.com",
    "models.*.kubernetes.keda.max_replicas": 6,
    "models.*.kubernetes.keda.prometheus_url": "http://other:9090",
    "models.*.kubernetes.keda.query": "other",
    "models.*.kubernetes.keda.threshold": "31",
}
# Their effect is a refusal or another entry of the list: the name only joins two sections.
JOINS = {"models.*.gpu.type", "kubernetes.gpu_pools.*.accelerator"}
# It says what somebody else's object is like, and so how clients are to speak to it.
TOLD = {"kubernetes.gateway.tls"}
POOL = {"accelerator": "nvidia-l4", "node_labels": {"pool": "l4"}}


def around(path: str) -> Mapping[str, Any]:
    """Give what the field's effect needs of the stack."""
    model: dict[str, Any] = {} if path == "models.*.poll_seconds" else {"version": 2}
    stack: dict[str, Any] = {"models": {"heart": model}}
    if path.startswith("kubernetes.gpu_pools"):
        model["gpu"] = {"type": "nvidia-l4"}
    elif "gpu" in path or "conversion" in path:
        pool = {**POOL, "max_nodes": 4, "gpus_per_node": 4}
        stack["kubernetes"] = {"gpu_pools": {"l4": pool}}
    return stack


@pytest.fixture(autouse=True)
def roomy_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer for a cluster that has all that is asked for: what one lacks is another test's."""
    ours = {"app.kubernetes.io/managed-by": "servestack", "app.kubernetes.io/part-of": "test"}

    def ask_cluster(_: str | None, __: Wanted) -> Found:
        return Found(
            minor=34,
            namespace={"metadata": {"labels": ours}},
            missing_kinds={},
            missing_objects=frozenset(),
            missing_metrics=frozenset(),
            nodes=(),
        )

    monkeypatch.setattr("infra.platforms.kubernetes.ask_cluster", ask_cluster)


@pytest.mark.parametrize(
    "path", sorted(accepted_fields(PLACE) - PLACE_FIELDS - JOINS - TOLD - COMMAND_FIELDS)
)
def test_a_field_that_is_taken_reaches_a_resource(
    path: str, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(_: PublishedModels, model: str, version: int) -> Manifest:
        return at_hand(model, version)

    # Whatever the bucket is called, its content is the one at hand.
    at_hand = PublishedModels(published.as_uri()).manifest
    monkeypatch.setattr(PublishedModels, "manifest", read)
    changed = merged(around(path), stack_with(path, PLACE))
    plain = replaced(changed, path.replace("*", "heart").split("."), OTHERS.get(path))
    if path in {"bucket.url", "bucket.path"}:
        plain = merged(plain, {"bucket": {"path": "/mnt/other"}})
    assert resources_of(changed, monkeypatch) != resources_of(plain, monkeypatch)


def test_a_gateway_without_tls_is_spoken_to_without_tls(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "kubernetes.gateway.tls"
    raw = merged(around(path), stack_with(path, PLACE) | {"bucket": {"path": str(published)}})
    addresses = []
    for tls in (False, True):
        chosen = replaced(raw, path.split("."), tls)
        config = {
            f"servestack:{key}": value if isinstance(value, str) else json.dumps(value)
            for key, value in chosen.items()
        }
        monkeypatch.setenv("PULUMI_CONFIG", json.dumps(config))
        addresses.append(declare(main).exports["models"]["heart"]["rest"])
    assert addresses == ["http://heart.models.example.com", "https://heart.models.example.com"]
