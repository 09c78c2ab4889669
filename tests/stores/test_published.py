"""What infra reads of a bucket, of each kind: the same answers and the same refusals."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from infra.errors import ServestackError
from infra.releases.artefacts import MissingArtefactsError, require_artefacts
from infra.releases.model_release import Canary, ModelRelease
from infra.storage.published import PublishedModels
from model_export.content import content_of
from model_export.object_store import ObjectStore
from model_export.publish import publish
from model_export.retention import delete
from model_export.store import Store, open_store
from tests.stores.conftest import MakeModel


@pytest.fixture
def bucket(store: Store, make_model: MakeModel) -> PublishedModels:
    for version in (1, 2, 10):
        publish(make_model(f"v{version}"), model="heart", store=store, version=version)
    return PublishedModels(store.url)


def alter(store: Store, path: str) -> None:
    """Put other bytes of the same length where a published file lies."""
    if isinstance(store, ObjectStore):
        inner = store._bucket
        data = inner.read(path)[::-1]
        inner.delete([path])
        inner.create(path, data, replace(content_of(data), sha256="0" * 64))
        return
    file = Path(store.url.removeprefix("file://")) / path
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[::-1])


def test_versions_are_listed_and_the_newest_is_known(bucket: PublishedModels) -> None:
    assert bucket.versions("heart") == (1, 2, 10)
    assert bucket.newest("heart") == 10
    assert bucket.newest("digits") is None


def test_those_who_read_at_the_same_time_share_one_client(
    bucket: PublishedModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []

    def opening(url: str) -> Store:
        opened.append(url)
        return open_store(url)

    monkeypatch.setattr("infra.storage.published.open_store", opening)
    with ThreadPoolExecutor(16) as readers:
        found = readers.map(lambda _: bucket.versions("heart"), range(16))
        assert set(found) == {(1, 2, 10)}
    assert opened == [bucket.url]


def test_a_whole_version_is_verified(bucket: PublishedModels) -> None:
    assert bucket.verified("heart", 2) == bucket.manifest("heart", 2)


def test_all_that_a_release_misses_is_told_at_once(bucket: PublishedModels, store: Store) -> None:
    alter(store, "heart/2/variables/variables.data-00000-of-00001")
    release = ModelRelease(version=2, canary=Canary(version=11, share=10))
    with pytest.raises(MissingArtefactsError) as refused:
        require_artefacts(bucket, {"heart": release, "digits": ModelRelease(version=1)}, ["liver?"])
    told = str(refused.value).splitlines()
    assert told[0] == "liver?"
    assert told[1].startswith("version 2 of heart was altered since it was published in")
    assert "variables/variables.data-00000-of-00001" in told[1]
    assert "version 11 of heart is not published in" in told[2]
    assert "(it has 1, 2, 10). Publish it: model-export publish DIR" in told[2]
    assert "version 1 of digits is not published in" in told[3]
    assert "(it has no version yet)" in told[3]


def test_a_deleted_version_is_not_said_to_be_publishable_again(
    bucket: PublishedModels, store: Store
) -> None:
    delete(store, "heart", 2)
    with pytest.raises(ServestackError, match=r"version 2 of heart was deleted") as refused:
        bucket.manifest("heart", 2)
    assert "(it has 1, 10)" in str(refused.value)
    assert "--version 2" not in str(refused.value)


def test_the_command_that_is_told_can_be_pasted_whatever_the_bucket_is_called(
    tmp_path: Path,
) -> None:
    directory = tmp_path / "two words"
    directory.mkdir()
    with pytest.raises(ServestackError, match=rf"--store '{directory}' --version 1"):
        PublishedModels(directory.as_uri()).manifest("heart", 1)


def test_a_bucket_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    with pytest.raises(ServestackError, match="not a kind of store"):
        PublishedModels("azure://bucket").manifest("heart", 1)
    with pytest.raises(ServestackError, match="not a directory"):
        PublishedModels((tmp_path / "gone").as_uri()).newest("heart")
