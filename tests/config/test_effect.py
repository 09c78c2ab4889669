"""Nothing is without effect: each field that a platform takes changes what the engine makes.

Each platform that comes to be served adds its places here.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from infra.config import Platform
from infra.config.refusals import Place, accepted_fields
from infra.program import main
from model_export.layout import manifest_path
from model_export.manifest import dump_manifest
from tests.config.examples import PLACES, merged, stack_with
from tests.config.release_examples import COMMAND_FIELDS
from tests.declaring import declare
from tests.small_models import bare_manifest


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SERVESTACK_HOME", str(tmp_path / "home"))
    for version in (2, 3, 4):
        path = tmp_path / "bucket" / manifest_path("heart", version)
        path.parent.mkdir(parents=True)
        path.write_bytes(dump_manifest(bare_manifest("heart", version)))
    return tmp_path / "bucket"


def resources_of(raw: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    config = {
        f"servestack:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in raw.items()
    }
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(config))
    return {f"{one.type} {one.name}": one.inputs for one in declare(main).resources}


def replaced(raw: Mapping[str, Any], keys: list[str], value: Any) -> dict[str, Any]:
    """Give the same with another value at a place, or with none."""
    first, *rest = keys
    if rest:
        return {**raw, first: replaced(raw[first], rest, value)}
    others = {key: inner for key, inner in raw.items() if key != first}
    return others if value is None else {**others, first: value}


# Only one value is possible on a local stack: they say where it is, not how.
PLACE_FIELDS = {"platform", "models.*.target"}
# Fields that cannot be left out are compared with another value.
OTHERS = {"models.*.canary.version": 4, "models.*.canary.share": 30}


@pytest.mark.parametrize(
    ("place", "path"),
    [
        (place, path)
        for place in PLACES
        if place.platform is Platform.LOCAL
        for path in sorted(accepted_fields(place) - PLACE_FIELDS - COMMAND_FIELDS)
        if not (path == "local.server" and place.server == "docker")
    ],
    ids=str,
)
def test_a_field_that_is_taken_reaches_a_resource(
    place: Place, path: str, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = stack_with(path, place)
    if not path.startswith("bucket."):  # another bucket has not what the model needs
        served = {"bucket": {"path": str(published)}, "models": {"heart": {"version": 2}}}
        changed = merged(served, changed)
    plain = replaced(changed, path.replace("*", "heart").split("."), OTHERS.get(path))
    assert resources_of(changed, monkeypatch) != resources_of(plain, monkeypatch)
