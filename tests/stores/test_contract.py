"""What every kind of store promises, whatever it keeps its versions in."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from model_export.draft import Draft
from model_export.errors import ModelExportError, RefusedError
from model_export.manifest import Manifest
from model_export.publish import publish
from model_export.source import list_files
from model_export.store import Store, Upload, open_store


def _draft(model: Path, version: int | None = None) -> Draft:
    return Draft(model="heart", version=version, files=list_files(model), labels={}, metrics={})


def _send(upload: Upload, model: Path) -> Callable[[int, int | None], Manifest]:
    files = upload.send(list_files(model), lambda _: None)

    def manifest_of(version: int, parent: int | None) -> Manifest:
        return Manifest(
            model="heart",
            version=version,
            files=files,
            signatures={},
            tensorflow_version="2.20.0",
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
            created_by="somebody",
            parent=parent,
        )

    return manifest_of


def _add(store: Store, model: Path, version: int | None = None) -> tuple[int, int | None]:
    with store.begin(_draft(model, version)) as upload:
        manifest = upload.commit(_send(upload, model))
    return manifest.version, manifest.parent


def _require_whole(store: Store, manifest: Manifest, model: Path) -> None:
    assert store.manifest(manifest.model, manifest.version) == manifest
    assert {entry.path for entry in manifest.files} == {
        path.relative_to(model).as_posix() for path in model.rglob("*") if path.is_file()
    }
    for entry in manifest.files:
        if entry.size_bytes:
            content = store.read(manifest.model, manifest.version, entry.path, 0, entry.size_bytes)
            assert sha256(content).hexdigest() == entry.sha256


def test_an_empty_store_has_no_models_and_no_versions(store: Store) -> None:
    assert store.models() == ()
    assert store.versions("heart") == ()


def test_a_version_is_invisible_until_it_is_committed(store: Store, model: Path) -> None:
    with store.begin(_draft(model)) as upload:
        manifest_of = _send(upload, model)
        assert store.models() == ()
        assert store.versions("heart") == ()
        upload.commit(manifest_of)
        assert store.models() == ("heart",)
        assert store.versions("heart") == (1,)


def test_an_upload_that_is_left_without_commit_leaves_no_version(store: Store, model: Path) -> None:
    def interrupt() -> None:
        with store.begin(_draft(model)) as upload:
            _send(upload, model)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert store.versions("heart") == ()
    assert _add(store, model) == (1, None)


def test_numbers_go_up_from_the_highest_and_each_version_knows_its_parent(
    store: Store, model: Path
) -> None:
    assert [_add(store, model, number) for number in (None, 7, None, 5)] == [
        (1, None),
        (7, 1),
        (8, 7),
        (5, 1),
    ]
    assert store.versions("heart") == (1, 5, 7, 8)


def test_versions_are_ordered_as_numbers(store: Store, model: Path) -> None:
    for version in (10, 9, 100):
        _add(store, model, version)
    assert store.versions("heart") == (9, 10, 100)


def test_what_was_published_comes_back_byte_for_byte(store: Store, model: Path) -> None:
    manifest = publish(model, model="heart", store=store).manifest
    _require_whole(store, manifest, model)
    path = "variables/variables.data-00000-of-00001"
    assert store.read("heart", 1, path, 2, 3) == b"igh"


def test_a_version_that_is_there_is_never_replaced(store: Store, model: Path) -> None:
    _add(store, model, 3)
    with (
        pytest.raises(RefusedError, match="3 is published already"),
        store.begin(_draft(model, 3)),
    ):
        pytest.fail("the upload began")


def test_of_two_uploads_at_once_each_gets_a_number_of_its_own(store: Store, model: Path) -> None:
    with store.begin(_draft(model)) as first, store.begin(_draft(model)) as second:
        manifests = [_send(upload, model) for upload in (first, second)]
        numbers = {
            second.commit(manifests[1]).version,
            first.commit(manifests[0]).version,
        }
    assert numbers == {1, 2}
    assert store.versions("heart") == (1, 2)


def test_of_two_uploads_with_one_number_one_is_refused(store: Store, model: Path) -> None:
    def publish_second() -> None:
        with store.begin(_draft(model, 4)) as second:
            second.commit(_send(second, model))

    with store.begin(_draft(model, 4)) as first:
        manifest_of = _send(first, model)
        refused = 0
        for attempt in (publish_second, lambda: first.commit(manifest_of)):
            try:
                attempt()
            except RefusedError as error:
                assert "4 is " in str(error)  # noqa: PT017 -- which of the two is refused is free
                refused += 1
    assert refused == 1
    assert store.versions("heart") == (4,)


def test_publishers_that_start_together_get_a_number_each_and_whole_versions(
    store_url: str, make_model: Callable[..., Path]
) -> None:
    models = [make_model(f"model-{n}", weights=bytes([n]) * 1000) for n in range(6)]

    def publish_one(model: Path) -> Manifest:
        return publish(model, model="heart", store=open_store(store_url)).manifest

    with ThreadPoolExecutor(len(models)) as pool:
        manifests = list(pool.map(publish_one, models))
    assert sorted(manifest.version for manifest in manifests) == [1, 2, 3, 4, 5, 6]
    for model, manifest in zip(models, manifests, strict=True):
        _require_whole(open_store(store_url), manifest, model)


def test_no_number_is_invented_beyond_the_highest_that_a_server_reads(
    store: Store, model: Path
) -> None:
    _add(store, model, 2**63 - 1)
    with pytest.raises(RefusedError, match="no number is higher"):
        _add(store, model)


def test_a_version_that_is_not_there_is_refused_and_the_others_are_named(
    store: Store, model: Path
) -> None:
    _add(store, model, 2)
    _add(store, model, 3)
    with pytest.raises(RefusedError, match=r"no version 9 of model 'heart' \(published: 2, 3\)"):
        store.manifest("heart", 9)
    with pytest.raises(RefusedError, match=r"no version 1 of model 'liver' \(published: none\)"):
        store.manifest("liver", 1)


def test_a_directory_that_changes_while_it_is_read_is_not_published(
    store: Store, model: Path
) -> None:
    def change(_: int) -> None:
        (model / "assets/new").write_bytes(b"new")

    with pytest.raises(ModelExportError, match="changed while it was read"):
        publish(model, model="heart", store=store, advance=change)
    assert store.versions("heart") == ()
