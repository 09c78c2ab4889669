from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra.errors import ServestackError
from infra.storage.directory import published_versions, read_manifest
from infra.storage.local import DirectoryProvider
from model_export.manifest import FileEntry, Manifest, dump_manifest


@pytest.fixture(autouse=True)
def _checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand where the engine starts a provider."""
    monkeypatch.chdir(tmp_path)


def publish(bucket: Path, version: int) -> Manifest:
    directory = bucket / "heart" / str(version)
    directory.mkdir(parents=True)
    (directory / "saved_model.pb").write_bytes(b"graph")
    manifest = Manifest(
        model="heart",
        version=version,
        files=(FileEntry(path="saved_model.pb", size_bytes=5, sha256="0" * 64),),
        signatures={},
        tensorflow_version="2.20.0",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        created_by="somebody",
    )
    (directory / "manifest.json").write_bytes(dump_manifest(manifest))
    return manifest


def test_a_published_version_is_read_as_it_was_written(tmp_path: Path) -> None:
    manifest = publish(tmp_path, 1)
    assert read_manifest(tmp_path, "heart", 1) == manifest


def test_versions_are_listed_by_number_and_only_when_they_are_whole(tmp_path: Path) -> None:
    for version in (10, 9, 2):
        publish(tmp_path, version)
    (tmp_path / "heart" / "11").mkdir()  # no manifest: not there
    (tmp_path / "heart" / "007").mkdir()
    assert published_versions(tmp_path, "heart") == [2, 9, 10]
    assert published_versions(tmp_path, "digits") == []


def test_a_version_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    publish(tmp_path, 1)
    publish(tmp_path, 2)
    with pytest.raises(ServestackError, match=r"version 3 of heart is not published .*has 1, 2.*"):
        read_manifest(tmp_path, "heart", 3)


def test_a_version_without_manifest_is_not_there(tmp_path: Path) -> None:
    publish(tmp_path, 1)
    (tmp_path / "heart" / "1" / "manifest.json").unlink()
    with pytest.raises(ServestackError, match="model-export publish DIR --model heart"):
        read_manifest(tmp_path, "heart", 1)


def test_a_version_that_lost_a_file_is_damaged(tmp_path: Path) -> None:
    publish(tmp_path, 1)
    (tmp_path / "heart" / "1" / "saved_model.pb").unlink()
    with pytest.raises(ServestackError, match=r"saved_model\.pb is missing"):
        read_manifest(tmp_path, "heart", 1)


def test_a_truncated_file_is_damaged(tmp_path: Path) -> None:
    publish(tmp_path, 1)
    (tmp_path / "heart" / "1" / "saved_model.pb").write_bytes(b"gra")
    with pytest.raises(ServestackError, match="has 3 bytes, the manifest says 5"):
        read_manifest(tmp_path, "heart", 1)


def test_a_manifest_that_is_no_manifest_is_told_by_its_path(tmp_path: Path) -> None:
    publish(tmp_path, 1)
    (tmp_path / "heart" / "1" / "manifest.json").write_text("{")
    with pytest.raises(ServestackError, match=r"heart/1/manifest.json is not a manifest"):
        read_manifest(tmp_path, "heart", 1)


def test_destroying_a_bucket_keeps_what_is_published(tmp_path: Path) -> None:
    bucket = tmp_path / "bucket"
    publish(bucket, 1)
    DirectoryProvider().delete(str(bucket), {"path": str(bucket), "force_destroy": False})
    assert published_versions(bucket, "heart") == [1]


def test_destroying_an_empty_bucket_leaves_no_directory(tmp_path: Path) -> None:
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    DirectoryProvider().delete(str(bucket), {"path": str(bucket), "force_destroy": False})
    assert not bucket.exists()


def test_a_bucket_that_may_be_destroyed_goes_with_its_versions(tmp_path: Path) -> None:
    bucket = tmp_path / "bucket"
    publish(bucket, 1)
    DirectoryProvider().delete(str(bucket), {"path": str(bucket), "force_destroy": True})
    assert not bucket.exists()


@pytest.mark.parametrize("home", [None, "elsewhere"])
def test_the_bucket_of_the_checkout_that_this_was_copied_from_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str | None
) -> None:
    if home:
        monkeypatch.setenv("SERVESTACK_HOME", str(tmp_path / home))
    bucket = tmp_path / "first" / ".servestack" / "buckets" / "local"
    publish(bucket, 1)
    (tmp_path / "copy").mkdir()
    monkeypatch.chdir(tmp_path / "copy")
    DirectoryProvider().delete(str(bucket), {"path": str(bucket), "force_destroy": True})
    assert published_versions(bucket, "heart") == [1]


def test_a_bucket_in_a_home_that_only_the_state_names_is_destroyed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = tmp_path / "home" / "buckets" / "local"
    publish(bucket, 1)
    (tmp_path / "checkout").mkdir()
    monkeypatch.chdir(tmp_path / "checkout")
    monkeypatch.setenv("PULUMI_BACKEND_URL", (tmp_path / "home" / "state").as_uri())
    DirectoryProvider().delete(str(bucket), {"path": str(bucket), "force_destroy": True})
    assert not bucket.exists()


def test_a_bucket_that_cannot_be_made_is_told_with_its_key(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = str(tmp_path / "file" / "bucket")
    with pytest.raises(ServestackError, match=r"servestack:bucket\.path"):
        DirectoryProvider().create({"path": path, "force_destroy": False})


def test_a_removed_bucket_is_noticed(tmp_path: Path) -> None:
    props = {"path": str(tmp_path), "force_destroy": False}
    assert DirectoryProvider().read(str(tmp_path), props).id == str(tmp_path)
    assert DirectoryProvider().read(str(tmp_path / "gone"), props).id == ""
