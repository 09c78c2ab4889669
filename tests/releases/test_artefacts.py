"""What of a release can break the clients of the version that serves."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra.releases.artefacts import breaking_changes
from infra.releases.model_release import Canary, ModelRelease
from infra.storage.published import PublishedModels
from model_export.layout import manifest_path
from model_export.manifest import Manifest, Signature, TensorSpec, dump_manifest

FLOATS = TensorSpec(dtype="float32", shape=(None, 3))
PREDICT = Signature(
    method_name="tensorflow/serving/predict", inputs={"x": FLOATS}, outputs={"y": FLOATS}
)
MANIFEST = Manifest(
    model="heart",
    version=1,
    files=(),
    signatures={"serving_default": PREDICT},
    tensorflow_version="2.20.0",
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    created_by="test",
)
RENAMED = replace(PREDICT, inputs={"z": FLOATS})
WIDENED = replace(PREDICT, inputs={"x": replace(FLOATS, shape=(None, None))})


@pytest.fixture
def bucket(tmp_path: Path) -> PublishedModels:
    path = tmp_path / manifest_path("heart", 1)
    path.parent.mkdir(parents=True)
    path.write_bytes(dump_manifest(MANIFEST))
    return PublishedModels(tmp_path.as_uri())


def broken(bucket: PublishedModels, signature: Signature, after: ModelRelease) -> list[str]:
    new = replace(MANIFEST, version=2, signatures={"serving_default": signature})
    manifests = {("heart", 2): new, ("heart", 1): MANIFEST}
    before = {"heart": ModelRelease(version=1)}
    return breaking_changes(bucket, before, {"heart": after}, manifests)


def test_what_breaks_clients_is_said_with_both_versions(bucket: PublishedModels) -> None:
    told = broken(bucket, RENAMED, ModelRelease(version=2))
    assert told == [
        (
            "heart 1 → 2 breaks REST and gRPC clients: serving_default input 'x': it is no longer "
            "taken, and requests with it are refused"
        ),
        (
            "heart 1 → 2 breaks REST and gRPC clients: serving_default input 'z': a new input, "
            "float32[?, 3]"
        ),
    ]


def test_a_canary_is_compared_with_the_stable_version_too(bucket: PublishedModels) -> None:
    trial = ModelRelease(version=1, canary=Canary(version=2, share=5))
    assert len(broken(bucket, RENAMED, trial)) == 2


def test_what_only_takes_more_breaks_nobody(bucket: PublishedModels) -> None:
    assert broken(bucket, WIDENED, ModelRelease(version=2)) == []


def test_a_first_release_breaks_nobody(bucket: PublishedModels) -> None:
    new = replace(MANIFEST, version=2, signatures={"serving_default": RENAMED})
    none = {"heart": ModelRelease()}
    after = {"heart": ModelRelease(version=2)}
    assert breaking_changes(bucket, none, after, {("heart", 2): new}) == []


def test_a_serving_version_that_was_deleted_is_no_reason_to_keep_it(tmp_path: Path) -> None:
    bucket = PublishedModels(tmp_path.as_uri())
    assert broken(bucket, RENAMED, ModelRelease(version=2)) == []
