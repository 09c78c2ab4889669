"""Nothing is without effect: each field that a cluster's model takes on Google Cloud is seen.

Every resource of every one of these stacks is held against the SDK's types, too.
"""

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest

from infra.config import Platform, Target
from infra.config.refusals import Place, accepted_fields
from infra.storage.published import PublishedModels
from model_export.manifest import Manifest
from tests.config.examples import merged, stack_with
from tests.config.release_examples import COMMAND_FIELDS
from tests.config.test_effect import OTHERS, PLACE_FIELDS, replaced
from tests.gcp.declaring import declared
from tests.small_models import bare_manifest

# Each is quick; all of them together are not.
pytestmark = pytest.mark.slow

PLACE = Place(platform=Platform.GCP, target=Target.KUBERNETES)
# Another value instead of none, where a stack cannot be without.
ANOTHER = OTHERS | {
    "gcp.project": "another-ml",
    "gcp.region": "us-central1",
    "gcp.billing_account": "FFFFFF-FFFFFF-FFFFFF",
    "gcp.network": "another",
    "gcp.subnetwork": "another",
    "cluster.gpu_pools.*.accelerator": "nvidia-tesla-t4",
    "cluster.gpu_pools.*.sharing.strategy": "mps",
    "cluster.gpu_pools.*.sharing.clients": 3,
    "cluster.maintenance.start": "05:00",
    "identity.ci.github.repository": "example/models",
    "identity.ci.github.environment": "production",
    "budget.monthly": 300,
    "models.*.gpu.type": "nvidia-tesla-t4",
}
# What a field needs around it to be seen at all.
AROUND: dict[str, dict[str, Any]] = {
    "cluster.authorized_networks": {"cluster": {"endpoint": "public"}},
    "models.*.gpu.type": {"cluster": {"gpu_pools": {"t4": {"accelerator": "nvidia-tesla-t4"}}}},
}


@pytest.fixture(autouse=True)
def everything_is_published() -> Iterator[None]:
    def manifest(_: PublishedModels, model: str, version: int) -> Manifest:
        return bare_manifest(model, version)

    with patch.object(PublishedModels, "manifest", manifest):
        yield


# The other fields of models and clusters are declared by the same functions in every cluster, and
# seen in one that exists.
JOINED = {
    "kubernetes.namespace",
    "kubernetes.create_namespace",
    "models.*.version",
    "models.*.gpu.type",
    "models.*.gpu.count",
}
OF_MODELS = ("kubernetes.", "models.")
# Seen where Vertex AI serves.
OF_VERTEX = ("gcp.vertex_",)
FIELDS = {
    path
    for path in accepted_fields(PLACE) - PLACE_FIELDS - COMMAND_FIELDS
    if path in JOINED or not path.startswith((*OF_MODELS, *OF_VERTEX))
}


@pytest.mark.parametrize("path", sorted(FIELDS))
def test_a_field_that_is_taken_reaches_a_resource(path: str) -> None:
    changed = merged({"models": {"heart": {"version": 2}}}, stack_with(path, PLACE))
    changed = merged(changed, AROUND.get(path, {}))
    plain = replaced(changed, path.replace("*", "heart").split("."), ANOTHER.get(path))
    assert made(changed) != made(plain)


def made(raw: dict[str, Any]) -> dict[str, Any]:
    return {f"{one.type} {one.name}": one.inputs for one in declared(raw).resources}
