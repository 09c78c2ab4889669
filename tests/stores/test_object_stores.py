"""What only object stores do: go on, copy, refuse; tried with the clouds' own clients."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from model_export import bucket as bucket_module
from model_export import claims, object_upload
from model_export.bucket import Bucket, ObjectExistsError, ObjectMissingError, Patience
from model_export.content import content_of
from model_export.errors import ModelExportError, RefusedError
from model_export.gcs_bucket import GcsBucket
from model_export.object_store import ObjectStore
from model_export.publish import publish
from model_export.s3_bucket import S3Bucket
from model_export.source import list_files
from model_export.store import open_store
from tests.stores.clouds import Cloud
from tests.stores.faulty_proxy import Call, FaultyProxy, Plan, faulty_proxy
from tests.stores.unfinished import MODEL, draft, stop_before_the_graph

pytestmark = pytest.mark.slow

MakeModel = Callable[..., Path]
# A store that refuses is given up soon; one that is slow is not.
_PATIENCE = Patience(connect_seconds=30, answer_seconds=30, attempts=2, total_seconds=3)


@pytest.fixture
def proxy(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    with faulty_proxy(cloud.endpoint) as proxy:
        for name, value in cloud.environment(proxy.url).items():
            monkeypatch.setenv(name, value)
        yield proxy


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> int:
    """Send what is larger than S3's smallest part in parts of that size."""
    part_bytes = 5 << 20
    monkeypatch.setattr(object_upload, "SINGLE_BYTES", part_bytes)
    monkeypatch.setattr(bucket_module, "_PART_BYTES", (part_bytes, part_bytes))
    return part_bytes


def _bucket(cloud: Cloud, name: str = "", patience: Patience = _PATIENCE) -> GcsBucket | S3Bucket:
    kind = GcsBucket if cloud.kind == "gs" else S3Bucket
    return kind(name or cloud.make_bucket(), "models/", patience)


def test_an_object_is_created_once_and_never_again(cloud: Cloud) -> None:
    bucket = _bucket(cloud)
    made = bucket.create("a/b", b"first", content_of(b"first"))
    with pytest.raises(ObjectExistsError):
        bucket.create("a/b", b"other", content_of(b"other"))
    assert bucket.read("a/b") == b"first"
    (there,) = bucket.objects("a/")
    assert (there.key, there.size_bytes, there.tag) == ("a/b", 5, made.tag)


def test_bytes_that_arrive_with_another_checksum_are_noticed(cloud: Cloud) -> None:
    bucket = _bucket(cloud)
    with pytest.raises(ModelExportError, match=r"checksum|ChecksumMismatch|BadDigest"):
        bucket.create("a", b"first", content_of(b"other"))


def test_the_checksum_tells_the_same_bytes_from_others(cloud: Cloud) -> None:
    bucket = _bucket(cloud)
    stored = bucket.create("a", b"first", content_of(b"first"))
    assert bucket.holds(stored, content_of(b"first"))
    assert not bucket.holds(stored, content_of(b"other"))
    # The same checksum, but not the SHA-256 that was noted: a collision of 32 bits.
    same = replace(content_of(b"first"), sha256="0" * 64)
    (listed,) = bucket.objects("a")
    assert not bucket.holds(listed, same)


def test_reading_and_removing_what_is_not_there(cloud: Cloud) -> None:
    bucket = _bucket(cloud)
    with pytest.raises(ObjectMissingError):
        bucket.read("a")
    bucket.delete(["a", "b"])


def test_an_object_in_parts_appears_whole_and_can_be_gone_on_with(
    cloud: Cloud, small_parts: int
) -> None:
    bucket = _bucket(cloud)
    data = os.urandom(small_parts + 1000)
    content = content_of(data)
    bucket.parts("key", "scratch/", resume=False).put(1, data[small_parts:])
    assert bucket.objects("key") == ()
    parts = bucket.parts("key", "scratch/", resume=True)
    parts.put(0, data[:small_parts])
    parts.put(1, data[small_parts:])
    assert bucket.holds(parts.complete(content), content)
    assert bucket.read("key") == data
    copied = bucket.copy("key", "copied", content)
    assert bucket.holds(copied, content)
    assert bucket.read("copied") == data


def test_parts_that_do_not_make_up_the_file_make_no_object_that_passes(
    cloud: Cloud, small_parts: int
) -> None:
    bucket = _bucket(cloud)
    data = os.urandom(small_parts + 1000)
    parts = bucket.parts("key", "scratch/", resume=False)
    parts.put(0, data[:small_parts])
    parts.put(1, bytes(1000))
    with pytest.raises(ModelExportError):
        parts.complete(content_of(data))


def test_an_interrupted_publish_sends_only_what_is_missing(
    cloud: Cloud, proxy: FaultyProxy, make_model: MakeModel
) -> None:
    store = ObjectStore(_bucket(cloud))
    model = make_model(weights=os.urandom(200_000))
    stop_before_the_graph(store, model)
    assert proxy.plan(MODEL).sent_bytes > 200_000
    assert publish(model, model=MODEL, store=store).manifest.version == 1
    assert proxy.plan(MODEL).sent_bytes < 20_000


def test_a_successor_sends_only_the_file_that_changed(
    cloud: Cloud, proxy: FaultyProxy, make_model: MakeModel, small_parts: int
) -> None:
    store = ObjectStore(_bucket(cloud))
    model = make_model(weights=os.urandom(small_parts + 1000))
    (model / "assets/medium").write_bytes(os.urandom(300_000))
    publish(model, model=MODEL, store=store)
    (model / "assets/changed").write_bytes(os.urandom(1000))
    proxy.plan(MODEL)
    manifest = publish(model, model=MODEL, store=store).manifest
    assert (manifest.version, manifest.parent) == (2, 1)
    assert proxy.plan(MODEL).sent_bytes < 20_000
    data = (model / "assets/medium").read_bytes()
    assert store.read(MODEL, 2, "assets/medium", 0, len(data)) == data


def test_an_abandoned_number_with_other_bytes_stays_behind(
    cloud: Cloud, make_model: MakeModel
) -> None:
    store = ObjectStore(_bucket(cloud))
    stop_before_the_graph(store, make_model(weights=b"before"))
    model = make_model(weights=b"after!")
    assert publish(model, model=MODEL, store=store).manifest.version == 2
    assert store.versions(MODEL) == (2,)


def test_an_abandoned_number_that_is_asked_for_is_cleared(
    cloud: Cloud, make_model: MakeModel
) -> None:
    store = ObjectStore(_bucket(cloud))
    stop_before_the_graph(store, make_model(weights=b"before"), 5)
    model = make_model(weights=b"now something else")
    (model / "assets/empty").unlink()
    manifest = publish(model, model=MODEL, store=store, version=5).manifest
    assert manifest.version == 5
    found = {entry.key for entry in store._bucket.objects(f"{MODEL}/5/")}
    assert found == {f"{MODEL}/5/{path}" for path in _paths(model)}


def _paths(model: Path) -> set[str]:
    files = {path.relative_to(model).as_posix() for path in model.rglob("*") if path.is_file()}
    return files | {"manifest.json"}


def test_a_number_that_another_machine_holds_is_left_to_it_until_it_shows_no_sign_of_life(
    cloud: Cloud, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ObjectStore(_bucket(cloud))
    monkeypatch.setattr(claims, "_machine", lambda: "another machine")
    stop_before_the_graph(store, model)
    monkeypatch.undo()
    for name, value in cloud.environment().items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RefusedError, match=r"1 is being published by .*@"):
        publish(model, model=MODEL, store=store, version=1)
    assert publish(model, model=MODEL, store=store).manifest.version == 2
    monkeypatch.setattr(claims, "LEASE", timedelta(seconds=-60))
    assert publish(model, model=MODEL, store=store, version=1).manifest.version == 1


def test_objects_that_are_not_ours_keep_their_number(cloud: Cloud, model: Path) -> None:
    bucket = _bucket(cloud)
    bucket.create(f"{MODEL}/3/saved_model.pb", b"foreign", content_of(b"foreign"))
    store = ObjectStore(bucket)
    with pytest.raises(RefusedError, match="no publisher of ours put there"):
        publish(model, model=MODEL, store=store, version=3)
    assert publish(model, model=MODEL, store=store).manifest.version == 4
    assert bucket.read(f"{MODEL}/3/saved_model.pb") == b"foreign"


def test_somebody_else_who_writes_into_the_version_keeps_it_invisible(
    cloud: Cloud, model: Path
) -> None:
    store = ObjectStore(_bucket(cloud))

    def disturb(bucket: Bucket, path: str, version: int) -> None:
        key = f"{MODEL}/{version}/{path}"
        bucket.delete([key])
        bucket.create(key, b"not ours", content_of(b"not ours"))

    for version, path in ((1, "assets/more"), (2, "assets/naïve words.txt")):
        with store.begin(draft(model)) as upload:
            upload.send(list_files(model)[:-1], lambda _: None)
            disturb(store._bucket, path, version)
            with pytest.raises(RefusedError, match="is not what this run put there"):
                upload.send(list_files(model)[-1:], lambda _: None)
    assert store.versions(MODEL) == ()


def test_a_store_that_ignores_conditions_is_refused(
    cloud: Cloud, proxy: FaultyProxy, model: Path
) -> None:
    def ignore(call: Call) -> None:
        call.path = call.path.replace("ifGenerationMatch=0", "x=0")
        status, headers, body = call.forward()
        # S3's condition is part of what is signed, so its answer is changed instead.
        call.reply(200, [("ETag", '"x"')], b"") if status == 412 else call.reply(
            status, headers, body
        )

    proxy.plan(MODEL, Plan(ignore, 1, lasting=True))
    with pytest.raises(RefusedError, match="ignores the condition"):
        publish(model, model=MODEL, store=ObjectStore(_bucket(cloud)))


def test_a_store_that_is_not_there_is_named_in_one_line(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = cloud.make_bucket()
    for variable, value in cloud.environment("http://127.0.0.1:9").items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(ModelExportError, match=f"{name}.* does not answer") as caught:
        ObjectStore(_bucket(cloud, name)).models()
    assert "\n" not in str(caught.value)


def test_what_answers_and_is_no_store_is_told_as_such(cloud: Cloud, proxy: FaultyProxy) -> None:
    bucket = _bucket(cloud)
    content = content_of(b"a")
    bucket.create(f"{MODEL}/a", b"a", content)
    page = Plan(lambda call: call.reply(200, [], b"<html>Log in, please</html>"), 1, lasting=True)
    proxy.plan(MODEL, page)
    for call in (
        lambda: bucket.objects(f"{MODEL}/"),
        lambda: bucket.folders(f"{MODEL}/"),
        lambda: bucket.create(f"{MODEL}/b", b"a", content),
        lambda: bucket.copy(f"{MODEL}/a", f"{MODEL}/c", content),
        lambda: bucket.parts(f"{MODEL}/d", f"{MODEL}/d.parts/", resume=True),
    ):
        with pytest.raises(ModelExportError, match="what answers there is no such store") as caught:
            call()
        assert "\n" not in str(caught.value)
    proxy.plan(MODEL)
    (there,) = bucket.objects(f"{MODEL}/")
    assert bucket.holds(there, content)


def test_what_google_says_is_told_without_the_words_around_it(
    clouds: Callable[[str], Cloud], monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = clouds("gs")
    with faulty_proxy(cloud.endpoint) as proxy:
        for name, value in cloud.environment(proxy.url).items():
            monkeypatch.setenv(name, value)
        bucket = _bucket(cloud)
        said = b'{"error": {"code": 403, "message": "x may not create objects."}}'
        json = [("Content-Type", "application/json")]
        proxy.plan(MODEL, Plan(lambda call: call.reply(403, json, said), 1, lasting=True))
        for call in (
            lambda: bucket.create(f"{MODEL}/b", b"a", content_of(b"a")),
            lambda: bucket.objects(f"{MODEL}/"),
        ):
            with pytest.raises(
                ModelExportError, match="permitted: x may not create objects\\. Reading needs"
            ):
                call()


def test_one_too_many_requests_is_repeated(cloud: Cloud, proxy: FaultyProxy) -> None:
    proxy.plan(MODEL, Plan(lambda call: call.reply(429, [], b""), 1))
    assert ObjectStore(_bucket(cloud)).versions(MODEL) == ()


def test_too_many_requests_are_told_as_such_in_one_line(cloud: Cloud, proxy: FaultyProxy) -> None:
    proxy.plan(MODEL, Plan(lambda call: call.reply(429, [], b""), 1, lasting=True))
    with pytest.raises(ModelExportError, match="goes on where it stopped") as caught:
        ObjectStore(_bucket(cloud)).versions(MODEL)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "code", ["ConditionalRequestConflict", "OperationAborted", "ExistingObjectIsDirectory"]
)
def test_s3_is_asked_again_where_another_request_was_in_the_way(
    clouds: Callable[[str], Cloud], monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    cloud = clouds("s3")

    def conflict(call: Call) -> None:
        call.reply(409, [], f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode())

    with faulty_proxy(cloud.endpoint) as proxy:
        for name, value in cloud.environment(proxy.url).items():
            monkeypatch.setenv(name, value)
        bucket = _bucket(cloud)
        proxy.plan(MODEL, Plan(conflict, 1))
        bucket.create(f"{MODEL}/a", b"a", content_of(b"a"))
        assert len(proxy.plan(MODEL).calls) == 2
        assert bucket.read(f"{MODEL}/a") == b"a"


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("AWS_SECRET_ACCESS_KEY", "wrong", "does not accept the credentials"),
        ("AWS_ACCESS_KEY_ID", "wrong", "does not accept the credentials"),
        ("S3_VERIFY_SSL", "perhaps", "write 1 or 0"),
        ("S3_ENDPOINT", "http://", "s3://bucket"),
    ],
)
def test_s3_settings_that_are_wrong_are_told_in_one_line(
    clouds: Callable[[str], Cloud],
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    said: str,
) -> None:
    cloud = clouds("s3")
    bucket = cloud.make_bucket()
    for name, right in cloud.environment().items():
        monkeypatch.setenv(name, right)
    monkeypatch.setenv(variable, value)
    with pytest.raises(ModelExportError, match=said) as caught:
        open_store(f"s3://{bucket}").versions("heart")
    assert "\n" not in str(caught.value)


def test_s3_takes_a_host_and_port_and_the_choice_of_tls(
    clouds: Callable[[str], Cloud], monkeypatch: pytest.MonkeyPatch, model: Path
) -> None:
    cloud = clouds("s3")
    for name, value in cloud.environment(cloud.endpoint.removeprefix("http://")).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("S3_USE_HTTPS", "0")
    store = open_store(f"s3://{cloud.make_bucket()}/a/b")
    published = publish(model, model="heart", store=store)
    assert published.url.endswith("/a/b/heart/1")
    assert store.versions("heart") == (1,)
