"""Nothing is without effect: each field that a model on Vertex AI takes reaches a resource."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from infra.config import Platform, Target
from infra.config.refusals import Place, accepted_fields
from infra.program import main
from infra.storage.published import PublishedModels
from model_export.manifest import FileEntry, Manifest
from tests.config.examples import merged, stack_with
from tests.config.release_examples import COMMAND_FIELDS
from tests.config.test_effect import replaced
from tests.declaring import declare

# Each is quick; all of them together are not.
pytestmark = pytest.mark.slow

PLACE = Place(platform=Platform.GCP, target=Target.VERTEX)
HEART = {"models": {"heart": {"target": "vertex", "version": 2}}}
# Fields that cannot be left out are compared with another value.
OTHERS = {
    "models.*.version": 3,
    "models.*.canary.version": 4,
    "models.*.canary.share": 30,
    "models.*.autoscaling.min_replicas": 2,
    "models.*.autoscaling.max_replicas": 4,
    "models.*.gpu.type": "nvidia-tesla-t4",
    "models.*.vertex.allowed_projects": ["other-apps"],
}


def manifest(_: PublishedModels, model: str, version: int) -> Manifest:
    return Manifest(
        model=model,
        version=version,
        files=(FileEntry(path="saved_model.pb", size_bytes=1_000, sha256=f"{version:x}" * 64),),
        signatures={},
        tensorflow_version="2.15.1",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        created_by="test",
    )


def resources_of(raw: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    config = {
        f"servestack:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in raw.items()
    }
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(config))
    outputs = {"project_number": 123456789012, "dns": "1.europe-west4-1.prediction.vertexai.goog"}
    declared = declare(main, outputs_of=lambda _type, _inputs: outputs)
    return {f"{one.type} {one.name}": one.inputs for one in declared.resources}


FIELDS = sorted(
    path
    for path in accepted_fields(PLACE) - COMMAND_FIELDS
    if path.startswith("models.") and path != "models.*.target"
)


@pytest.mark.parametrize("path", [*FIELDS, "gcp.vertex_host", "paused", "labels"])
def test_a_field_that_is_taken_reaches_a_resource(
    path: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SERVESTACK_HOME", str(tmp_path))
    monkeypatch.setattr(PublishedModels, "manifest", manifest)
    changed = merged(HEART, stack_with(path, PLACE))
    del changed["cluster"]  # which is Kubernetes' to have an effect on
    if path == "models.*.labels":  # `stable` is an alias without being asked for
        changed["models"]["heart"]["labels"] = {"golden": 2}
    plain = replaced(changed, path.replace("*", "heart").split("."), OTHERS.get(path))
    assert resources_of(changed, monkeypatch) != resources_of(plain, monkeypatch)
