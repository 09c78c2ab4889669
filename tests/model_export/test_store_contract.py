"""What every kind of store promises, whatever it keeps its versions in."""

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from model_export.directory_store import DirectoryStore
from model_export.errors import RefusedError
from model_export.manifest import FileEntry, Manifest
from model_export.store import Store, open_store


@pytest.fixture(params=["directory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    kinds: dict[str, Callable[[], Store]] = {"directory": lambda: DirectoryStore(tmp_path)}
    return kinds[request.param]()


def _manifest(version: int, parent: int | None = None) -> Manifest:
    return Manifest(
        model="heart",
        version=version,
        files=(FileEntry(path="a/b", size_bytes=3, sha256=sha256(b"abc").hexdigest()),),
        signatures={},
        tensorflow_version="2.20.0",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        created_by="somebody",
        parent=parent,
    )


def _add(store: Store, version: int | None = None) -> Manifest:
    with store.begin("heart", version) as upload:
        upload.put("a/b", [b"ab", b"c"])
        return upload.commit(_manifest)


def test_an_empty_store_has_no_models_and_no_versions(store: Store) -> None:
    assert store.models() == ()
    assert store.versions("heart") == ()


def test_a_version_is_invisible_until_it_is_committed(store: Store) -> None:
    with store.begin("heart", None) as upload:
        upload.put("a/b", [b"abc"])
        assert store.models() == ()
        assert store.versions("heart") == ()
        upload.commit(_manifest)
        assert store.models() == ("heart",)
        assert store.versions("heart") == (1,)


def test_an_upload_that_is_left_without_commit_leaves_no_version(store: Store) -> None:
    def interrupt() -> None:
        with store.begin("heart", None) as upload:
            upload.put("a/b", [b"abc"])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert store.versions("heart") == ()
    assert _add(store).version == 1


def test_numbers_go_up_from_the_highest_and_each_version_knows_its_parent(store: Store) -> None:
    assert [_add(store), _add(store, 7), _add(store), _add(store, 5)] == [
        _manifest(1),
        _manifest(7, parent=1),
        _manifest(8, parent=7),
        _manifest(5, parent=1),
    ]
    assert store.versions("heart") == (1, 5, 7, 8)


def test_versions_are_ordered_as_numbers(store: Store) -> None:
    for version in (10, 9, 100):
        _add(store, version)
    assert store.versions("heart") == (9, 10, 100)


def test_a_manifest_comes_back_as_it_was_committed(store: Store) -> None:
    assert store.manifest("heart", _add(store).version) == _manifest(1)


def test_a_version_that_is_there_is_never_replaced(store: Store) -> None:
    _add(store, 3)
    with pytest.raises(RefusedError, match="3 is published already"), store.begin("heart", 3):
        pytest.fail("the upload began")


def test_of_two_uploads_at_once_each_gets_a_number_of_its_own(store: Store) -> None:
    with store.begin("heart", None) as first, store.begin("heart", None) as second:
        for upload in (first, second):
            upload.put("a/b", [b"abc"])
        assert second.commit(_manifest) == _manifest(1)
        assert first.commit(_manifest) == _manifest(2, parent=1)
    assert store.manifest("heart", 2) == _manifest(2, parent=1)


def test_of_two_uploads_with_one_number_the_later_commit_is_refused(store: Store) -> None:
    with store.begin("heart", 4) as first, store.begin("heart", 4) as second:
        for upload in (first, second):
            upload.put("a/b", [b"abc"])
        second.commit(_manifest)
        with pytest.raises(RefusedError, match="4 is published already"):
            first.commit(_manifest)
    assert store.versions("heart") == (4,)


def test_no_number_is_invented_beyond_the_highest_that_a_server_reads(store: Store) -> None:
    _add(store, 2**63 - 1)
    with pytest.raises(RefusedError, match="no number is higher"):
        _add(store)


def test_a_version_that_is_not_there_is_refused_and_the_others_are_named(store: Store) -> None:
    _add(store, 2)
    _add(store, 3)
    with pytest.raises(RefusedError, match=r"no version 9 of model 'heart' \(published: 2, 3\)"):
        store.manifest("heart", 9)
    with pytest.raises(RefusedError, match=r"no version 1 of model 'liver' \(published: none\)"):
        store.manifest("liver", 1)


@pytest.mark.parametrize("form", ["{}", "file://{}", "file://localhost{}"])
def test_a_directory_is_named_by_path_or_by_file_url(tmp_path: Path, form: str) -> None:
    directory = tmp_path / "a bücket"
    directory.mkdir()
    store = open_store(form.format(directory))
    assert store.url == directory.as_uri()
    assert open_store(store.url).url == store.url


@pytest.mark.parametrize("url", ["gs://bucket", "s3://bucket/models", "https://example.com/x"])
def test_a_kind_of_store_that_is_not_known_is_refused_by_name(url: str) -> None:
    with pytest.raises(RefusedError, match=f"{url.partition(':')[0]}://' is not a kind of store"):
        open_store(url)


def test_a_file_url_on_another_machine_is_refused() -> None:
    with pytest.raises(RefusedError, match="file:///PATH"):
        open_store("file://elsewhere/models")


def test_a_store_that_does_not_exist_is_refused_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="mkdir -p"):
        open_store(str(tmp_path / "typo"))
    assert not (tmp_path / "typo").exists()
