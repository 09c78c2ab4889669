"""In a bucket with a hierarchical namespace a version is shown whole by one rename, or not."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

import pytest

from model_export import gcs_folders
from model_export.bucket import Patience
from model_export.content import content_of
from model_export.errors import ModelExportError
from model_export.gcs_bucket import GcsBucket
from model_export.object_store import ObjectStore
from model_export.publish import publish
from model_export.retention import carry_out, plan_gc
from tests.stores.clouds import Cloud, Kind
from tests.stores.faulty_proxy import Call, Plan
from tests.stores.foldered import Foldered, foldered
from tests.stores.unfinished import MODEL, stop_before_the_graph

_PATIENCE = Patience(connect_seconds=30, answer_seconds=30, attempts=2, total_seconds=3)
_PLACE = f"models/{MODEL}/"


@pytest.fixture
def proxy(clouds: Callable[[Kind], Cloud], monkeypatch: pytest.MonkeyPatch) -> Iterator[Foldered]:
    with foldered(clouds("gs").endpoint) as proxy:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.url)
        yield proxy


@pytest.fixture
def name(clouds: Callable[[Kind], Cloud], proxy: Foldered) -> str:
    assert proxy.url
    return clouds("gs").make_bucket()


@pytest.fixture
def store(name: str) -> ObjectStore:
    return ObjectStore(GcsBucket(name, "models/", _PATIENCE))


def _as_if_flat(call: Call) -> None:
    if "storageLayout" in call.path:
        call.reply(HTTPStatus.FORBIDDEN, [], b"")
    else:
        call.reply(*call.forward())


def test_nothing_lies_in_the_versions_place_before_the_rename_and_all_of_it_then(
    proxy: Foldered, store: ObjectStore, model: Path
) -> None:
    counts = []

    def count_around(call: Call) -> None:
        if "renameTo" not in call.path:
            call.reply(*call.forward())
            return
        counts.append(len(store._bucket.objects(f"{MODEL}/1/")))
        answer = call.forward()
        counts.append(len(store._bucket.objects(f"{MODEL}/1/")))
        call.reply(*answer)

    proxy.plan(MODEL, Plan(count_around, 1, lasting=True))
    manifest = publish(model, model=MODEL, store=store).manifest
    assert counts == [0, len(manifest.files) + 1]
    assert store.versions(MODEL) == (1,)


def test_no_folder_is_left_of_how_a_version_came_about(
    proxy: Foldered, name: str, store: ObjectStore, model: Path
) -> None:
    publish(model, model=MODEL, store=store)
    assert {folder for folder in proxy.folders(name) if folder.startswith(_PLACE)} == {
        _PLACE,
        f"{_PLACE}.publishing/",
        f"{_PLACE}1/",
        f"{_PLACE}1/assets/",
        f"{_PLACE}1/variables/",
    }


def test_a_rename_that_goes_on_in_the_background_is_awaited(
    proxy: Foldered, store: ObjectStore, model: Path
) -> None:
    proxy.renames_after_seconds = 1.0
    assert publish(model, model=MODEL, store=store).manifest.version == 1
    assert store.versions(MODEL) == (1,)


def test_a_rename_that_does_not_end_is_told_and_the_next_run_goes_on(
    proxy: Foldered, store: ObjectStore, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gcs_folders, "_RENAMED_WITHIN_SECONDS", 0.0)
    proxy.renames_after_seconds = 60.0
    with pytest.raises(ModelExportError, match=r"has not finished renaming .* Run the same"):
        publish(model, model=MODEL, store=store)
    assert store.versions(MODEL) == ()
    proxy.renames_after_seconds = 0.0
    assert publish(model, model=MODEL, store=store).manifest.version == 1


@pytest.mark.parametrize(
    ("code", "said"),
    [(9, "exists already"), (13, "was not renamed: Some reason"), (5, "There is no gs://")],
)
def test_a_rename_that_fails_leaves_no_version_and_the_next_run_completes_it(
    proxy: Foldered, store: ObjectStore, model: Path, code: int, said: str
) -> None:
    proxy.fails_with = {"code": code, "message": "Some reason"}
    with pytest.raises(ModelExportError, match=said):
        publish(model, model=MODEL, store=store)
    assert store.versions(MODEL) == ()
    proxy.fails_with = None
    proxy.plan(MODEL)
    assert publish(model, model=MODEL, store=store).manifest.version == 1
    sent = [call for call in proxy.plan(MODEL).calls if "saved_model.pb" in call]
    assert sent == []


def test_a_folder_that_somebody_else_made_meanwhile_is_left_alone(
    proxy: Foldered, store: ObjectStore, model: Path
) -> None:
    foreign = f"{MODEL}/1/foreign"

    def intrude(call: Call) -> None:
        if "renameTo" in call.path:
            store._bucket.create(foreign, b"theirs", content_of(b"theirs"))
        call.reply(*call.forward())

    proxy.plan(MODEL, Plan(intrude, 1, lasting=True))
    with pytest.raises(ModelExportError, match=f"{MODEL}/1/ exists already"):
        publish(model, model=MODEL, store=store)
    proxy.plan(MODEL)
    assert store.versions(MODEL) == ()
    assert [entry.key for entry in store._bucket.objects(f"{MODEL}/1/")] == [foreign]
    assert store._bucket.read(foreign) == b"theirs"


def test_what_was_begun_as_in_a_flat_bucket_is_completed_there(
    proxy: Foldered, store: ObjectStore, model: Path
) -> None:
    proxy.plan(MODEL, Plan(_as_if_flat, 1, lasting=True))
    stop_before_the_graph(store, model)
    proxy.plan(MODEL)
    assert store._bucket.objects(f"{MODEL}/1/variables/")
    assert publish(model, model=MODEL, store=store).manifest.version == 1
    assert not any("renameTo" in call for call in proxy.plan(MODEL).calls)
    assert store.versions(MODEL) == (1,)


def test_who_may_not_ask_for_the_layout_publishes_as_to_a_flat_bucket(
    proxy: Foldered, store: ObjectStore, model: Path
) -> None:
    proxy.plan(MODEL, Plan(_as_if_flat, 1, lasting=True))
    assert publish(model, model=MODEL, store=store).manifest.version == 1
    assert not any("renameTo" in call for call in proxy.plan(MODEL).calls)


@pytest.mark.parametrize("flat", [False, True])
def test_a_number_that_a_dead_run_of_another_model_left_is_cleared_and_given(
    proxy: Foldered, store: ObjectStore, make_model: Callable[..., Path], *, flat: bool
) -> None:
    if flat:
        proxy.plan(MODEL, Plan(_as_if_flat, 1, lasting=True))
    stop_before_the_graph(store, make_model(weights=b"before"), 5)
    proxy.plan(MODEL)
    model = make_model(weights=b"now something else")
    (model / "assets/empty").unlink()
    assert publish(model, model=MODEL, store=store, version=5).manifest.version == 5
    assert any("renameTo" in call for call in proxy.plan(MODEL).calls)
    files = {path.relative_to(model).as_posix() for path in model.rglob("*") if path.is_file()}
    found = {entry.key for entry in store._bucket.objects(f"{MODEL}/5/")}
    assert found == {f"{MODEL}/5/{path}" for path in files | {"manifest.json"}}


def test_gc_takes_the_folders_of_an_unfinished_version_away(
    proxy: Foldered, name: str, store: ObjectStore, model: Path
) -> None:
    stop_before_the_graph(store, model)
    assert f"{_PLACE}.publishing/1/version/variables/" in proxy.folders(name)
    later = datetime.now(UTC) + timedelta(days=2)
    carry_out(store, MODEL, plan_gc(store, MODEL, keep=1, in_use=[], now=later))
    assert {folder for folder in proxy.folders(name) if folder.startswith(_PLACE)} <= {
        _PLACE,
        f"{_PLACE}.publishing/",
    }


def test_a_refused_rename_names_the_right_that_is_missing(
    proxy: Foldered, store: ObjectStore, model: Path
) -> None:
    def deny(call: Call) -> None:
        if "renameTo" in call.path:
            call.reply(HTTPStatus.FORBIDDEN, [], b"")
        else:
            call.reply(*call.forward())

    proxy.plan(MODEL, Plan(deny, 1, lasting=True))
    with pytest.raises(ModelExportError, match=r"publishing roles/storage\.objectUser"):
        publish(model, model=MODEL, store=store)
    assert store.versions(MODEL) == ()
