"""Verifying, cleaning and deleting mean the same in every kind of store."""

import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from model_export.bucket import Bucket
from model_export.content import content_of
from model_export.directory_store import DirectoryStore
from model_export.draft import Draft
from model_export.errors import RefusedError
from model_export.object_store import ObjectStore
from model_export.publish import publish
from model_export.retention import carry_out, delete, plan_gc
from model_export.source import list_files
from model_export.store import Store, open_store
from model_export.verification import verify
from tests.stores.clouds import Cloud

# Each is quick; all of them together are not.
pytestmark = pytest.mark.slow

_WEIGHTS = "variables/variables.data-00000-of-00001"


def _publish(store: Store, model: Path, count: int) -> None:
    for _ in range(count):
        publish(model, model="heart", store=store)


def _put(store: Store, path: str, data: bytes) -> None:
    """Write into the store past all rules, as a foreign tool would."""
    if isinstance(store, DirectoryStore):
        location = store._root / path
        location.unlink(missing_ok=True)
        location.parent.mkdir(parents=True, exist_ok=True)
        location.write_bytes(data)
        return
    assert isinstance(store, ObjectStore)
    store._bucket.delete([path])
    store._bucket.create(path, data, content_of(data))


def _remove(store: Store, path: str) -> None:
    if isinstance(store, DirectoryStore):
        (store._root / path).unlink()
    else:
        assert isinstance(store, ObjectStore)
        store._bucket.delete([path])


def _later(hours: float = 48) -> datetime:
    return datetime.now(UTC) + timedelta(hours=hours)


def test_a_whole_version_verifies_with_and_without_reading(store: Store, model: Path) -> None:
    _publish(store, model, 1)
    for deep in (False, True):
        found = verify(store, "heart", 1, deep=deep)
        assert found.faults == ()
    assert found.read_bytes == found.manifest.size_bytes


def test_every_damage_of_a_version_is_found_and_named(store: Store, model: Path) -> None:
    _publish(store, model, 1)
    _put(store, f"heart/1/{_WEIGHTS}", b"weightz")
    _put(store, "heart/1/assets/empty", b"more")
    _put(store, "heart/1/foreign", b"")
    _remove(store, "heart/1/saved_model.pb")
    faults = verify(store, "heart", 1, deep=True).faults
    assert [fault.split(":")[0] for fault in faults] == [
        "foreign",
        "saved_model.pb",
        "assets/empty",
        _WEIGHTS,
    ]
    assert "its bytes have the SHA-256" in faults[-1] or "the store keeps" in faults[-1]


def test_gc_keeps_the_newest_and_what_is_in_use(store: Store, model: Path) -> None:
    _publish(store, model, 5)
    planned = plan_gc(store, "heart", keep=2, in_use=[2])
    assert (planned.kept, planned.removed) == ((2, 4, 5), (1, 3))
    assert store.versions("heart") == (1, 2, 3, 4, 5)
    told: list[str] = []
    assert carry_out(store, "heart", planned, done=told.append) == planned
    assert store.versions("heart") == (2, 4, 5)
    assert told == ["heart/1", "heart/3"]
    assert store.keeping("heart").files(1) == ()
    assert plan_gc(store, "heart", keep=2, in_use=[1, 2]).removed == ()


def test_gc_refuses_what_it_cannot_know(store: Store, model: Path) -> None:
    _publish(store, model, 2)
    with pytest.raises(RefusedError, match=r"never had version 7 of 'heart' \(published: 1, 2\)"):
        plan_gc(store, "heart", keep=1, in_use=[1, 7])
    with pytest.raises(RefusedError, match="Keep at least one"):
        plan_gc(store, "heart", keep=0, in_use=[])


def test_a_number_is_never_given_twice(store: Store, model: Path) -> None:
    _publish(store, model, 2)
    delete(store, "heart", 2, in_use=[1])
    assert store.versions("heart") == (1,)
    assert store.keeping("heart").deleted() == (2,)
    with pytest.raises(RefusedError, match="never given twice"):
        publish(model, model="heart", store=store, version=2)
    assert publish(model, model="heart", store=store).manifest.version == 3


def test_a_version_that_is_in_use_or_not_there_is_not_deleted(store: Store, model: Path) -> None:
    _publish(store, model, 1)
    with pytest.raises(RefusedError, match="Version 1 of 'heart' is in use"):
        delete(store, "heart", 1, in_use=[1])
    with pytest.raises(RefusedError, match=r"no version 9 of model 'heart' \(published: 1\)"):
        delete(store, "heart", 9)
    assert store.versions("heart") == (1,)


def test_a_removal_that_was_interrupted_is_invisible_and_completed_by_gc(
    store: Store, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _publish(store, model, 2)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if isinstance(store, DirectoryStore):
            patch.setattr("model_export.directory_keeping.shutil.rmtree", die)
        else:
            patch.setattr("model_export.object_keeping.ObjectKeeping._remove_files", die)
        with pytest.raises(KeyboardInterrupt):
            delete(store, "heart", 1)
    assert store.versions("heart") == (2,)
    with pytest.raises(RefusedError):
        store.manifest("heart", 1)
    planned = plan_gc(store, "heart", keep=1, in_use=[], now=_later())
    assert len(planned.leftovers) == 1
    carry_out(store, "heart", planned)
    assert plan_gc(store, "heart", keep=1, in_use=[], now=_later()).leftovers == ()
    assert store.keeping("heart").files(1) == ()
    assert verify(store, "heart", 2, deep=True).faults == ()


def test_gc_cleans_what_died_and_leaves_alone_what_lives_or_is_young(
    store: Store, model: Path
) -> None:
    _publish(store, model, 1)
    _put(store, "heart/7/saved_model.pb", b"left by somebody")
    files = list_files(model)
    draft = Draft(model="heart", version=9, files=files, labels={}, metrics={})
    with store.begin(draft) as upload:
        upload.send(files[:1], lambda _: None)
        assert plan_gc(store, "heart", keep=1, in_use=[]).leftovers == ()
        planned = plan_gc(store, "heart", keep=1, in_use=[], now=_later())
        assert [leftover.name for leftover in planned.leftovers] == ["7"]
        carry_out(store, "heart", planned)
        assert store.versions("heart") == (1,)
    planned = plan_gc(store, "heart", keep=1, in_use=[], now=_later())
    carry_out(store, "heart", planned)
    assert plan_gc(store, "heart", keep=1, in_use=[], now=_later()).leftovers == ()
    _publish(store, model, 1)
    assert verify(store, "heart", max(store.versions("heart")), deep=True).faults == ()


def test_what_became_a_version_meanwhile_is_not_cleared(
    store: Store, make_model: Callable[..., Path]
) -> None:
    model = make_model()
    _put(store, "heart/1/x", b"")
    planned = plan_gc(store, "heart", keep=1, in_use=[], now=_later())
    _remove(store, "heart/1/x")
    if isinstance(store, DirectoryStore):
        (store._root / "heart/1").rmdir()
    publish(model, model="heart", store=store, version=1)
    carry_out(store, "heart", planned)
    assert store.versions("heart") == (1,)
    assert verify(store, "heart", 1, deep=True).faults == ()


def test_two_that_clean_at_once_do_not_disturb_each_other(store: Store, model: Path) -> None:
    _publish(store, model, 1)
    for number in (5, 6, 7):
        _put(store, f"heart/{number}/saved_model.pb", os.urandom(10))
    planned = plan_gc(store, "heart", keep=1, in_use=[], now=_later())
    errors: list[BaseException] = []

    def clean() -> None:
        try:
            carry_out(store, "heart", planned)
        except BaseException as error:  # noqa: BLE001 shown by the assertion
            errors.append(error)

    threads = [threading.Thread(target=clean) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert plan_gc(store, "heart", keep=1, in_use=[], now=_later()).leftovers == ()
    assert verify(store, "heart", 1).faults == ()


class _Dying:
    """A bucket whose user is killed before one of its calls, or after it."""

    def __init__(self, bucket: Bucket, calls: int, *, after: bool) -> None:
        self._bucket = bucket
        self._left = calls
        self._after = after

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._bucket, name)
        if name in {"url", "checksum"}:
            return found

        def call(*arguments: Any) -> Any:
            self._left -= 1
            if self._left == 0 and not self._after:
                raise KeyboardInterrupt
            answer = found(*arguments)
            if self._left == 0:
                raise KeyboardInterrupt
            return answer

        return call


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_call_a_removal_leaves_a_version_whole_or_invisible(
    cloud: Cloud, model: Path, *, after: bool
) -> None:
    store = open_store(f"{cloud.kind}://{cloud.make_bucket()}/models")
    assert isinstance(store, ObjectStore)
    bucket = store._bucket
    killed = 0
    while True:
        number = publish(model, model="heart", store=store).manifest.version
        store._bucket = cast("Bucket", _Dying(bucket, killed + 1, after=after))
        try:
            store.keeping("heart").remove(number)
        except KeyboardInterrupt:
            killed += 1
        else:
            break
        finally:
            store._bucket = bucket
        if number in store.versions("heart"):
            assert verify(store, "heart", number, deep=True).faults == ()
            delete(store, "heart", number)
        planned = plan_gc(store, "heart", keep=1, in_use=[], now=_later())
        carry_out(store, "heart", planned)
        assert store.keeping("heart").files(number) == ()
        assert number in store.keeping("heart").deleted()
    assert killed >= 6


def test_a_model_that_the_store_never_had_is_a_typing_mistake(store: Store) -> None:
    with pytest.raises(RefusedError, match=r"never had a version of model 'hart'"):
        plan_gc(store, "hart", keep=1, in_use=[])
