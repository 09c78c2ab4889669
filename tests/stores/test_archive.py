"""A version's archive means the same in every kind of store."""

import gzip
import json
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner

from model_export.archive.archives import Archives
from model_export.archive.build import archive
from model_export.archive.stream import archive_bytes, most_bytes
from model_export.bucket import ObjectMissingError
from model_export.cli import main
from model_export.directory_store import DirectoryStore
from model_export.errors import ModelExportError, RefusedError
from model_export.layout import archive_path
from model_export.manifest import FileEntry
from model_export.object_store import ObjectStore
from model_export.publish import publish
from model_export.retention import delete
from model_export.store import Store, open_store
from model_export.verification import verify
from tests.stores.clouds import Cloud, Kind
from tests.stores.conftest import MakeModel
from tests.stores.test_keeping import _put

# Each is quick; all of them together are not.
pytestmark = pytest.mark.slow

_WEIGHTS = "variables/variables.data-00000-of-00001"


@pytest.fixture(params=["directory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Give an empty store of each kind that SageMaker's archives may lie in."""
    if request.param == "directory":
        (tmp_path / "store").mkdir()
        return open_store(str(tmp_path / "store"))
    cloud: Cloud = request.getfixturevalue("clouds")("s3")
    monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    for name, value in cloud.environment().items():
        monkeypatch.setenv(name, value)
    return open_store(f"s3://{cloud.make_bucket()}/models")


def _archive_of(store: Store, version: int = 1) -> bytes:
    path = archive_path("heart", version)
    if isinstance(store, DirectoryStore):
        return (store._root / path).read_bytes()
    assert isinstance(store, ObjectStore)
    return store._bucket.read(path)


def test_an_archive_holds_the_version_as_sagemaker_takes_it(store: Store, model: Path) -> None:
    publish(model, model="heart", store=store)
    made = archive(store, "heart", 1)
    assert made.is_new
    with tarfile.open(fileobj=BytesIO(_archive_of(store)), mode="r:gz") as archived:
        members = {member.name: member for member in archived}
        assert members.keys() == {
            f"heart/1/{path.relative_to(model).as_posix()}"
            for path in model.rglob("*")
            if path.is_file()
        }
        for name, member in members.items():
            file = archived.extractfile(member)
            assert file is not None
            assert file.read() == (model / name.removeprefix("heart/1/")).read_bytes()
            assert (member.mtime, member.uid, member.gid, member.mode) == (0, 0, 0, 0o644)
            assert (member.uname, member.gname) == ("", "")


def test_the_record_tells_the_archives_digest_and_what_is_in_it(store: Store, model: Path) -> None:
    published = publish(model, model="heart", store=store)
    archive(store, "heart", 1)
    record = store.archives("heart").record(1)
    assert record is not None
    data = _archive_of(store)
    assert record.size_bytes == len(data)
    assert record.sha256 == sha256(data).hexdigest()
    assert record.content == published.manifest.digest


def test_a_second_run_leaves_the_archive_alone(store: Store, model: Path) -> None:
    publish(model, model="heart", store=store)
    first = archive(store, "heart", 1)
    second = archive(store, "heart", 1)
    assert (second.is_new, second.record) == (False, first.record)


def test_equal_versions_give_equal_archives_wherever_they_lie(
    store: Store, model: Path, tmp_path: Path
) -> None:
    publish(model, model="heart", store=store)
    archive(store, "heart", 1)
    (tmp_path / "elsewhere").mkdir()
    other = open_store(str(tmp_path / "elsewhere"))
    copied = tmp_path / "copy"
    shutil.copytree(model, copied)
    publish(copied, model="heart", store=other)
    archive(other, "heart", 1, beside=copied)
    assert _archive_of(other) == _archive_of(store)


def test_an_archive_is_no_version_and_no_file_of_one(store: Store, model: Path) -> None:
    publish(model, model="heart", store=store)
    archive(store, "heart", 1)
    assert store.versions("heart") == (1,)
    assert not verify(store, "heart", 1, deep=True).faults
    assert not store.keeping("heart").leftovers()


def test_a_version_takes_its_archive_with_it(store: Store, model: Path) -> None:
    publish(model, model="heart", store=store)
    archive(store, "heart", 1)
    delete(store, "heart", 1)
    assert store.archives("heart").record(1) is None
    with pytest.raises((ObjectMissingError, FileNotFoundError)):
        _archive_of(store)


def test_a_damaged_version_is_not_archived(store: Store, model: Path) -> None:
    publish(model, model="heart", store=store)
    _put(store, f"heart/1/{_WEIGHTS}", b"weightz")
    with pytest.raises(ModelExportError, match=r"variables\.data-00000-of-00001 does not have"):
        archive(store, "heart", 1)
    assert store.archives("heart").record(1) is None


def test_replace_makes_a_foreign_archive_anew(store: Store, model: Path) -> None:
    publish(model, model="heart", store=store)
    _put(store, archive_path("heart", 1), b"something else")
    if store.url.startswith("s3://"):
        with pytest.raises(RefusedError, match="--replace"):
            archive(store, "heart", 1)
    made = archive(store, "heart", 1, replace=True)
    assert len(_archive_of(store)) == made.record.size_bytes


class _KilledError(Exception):
    """What no code of ours catches."""


def test_a_run_that_was_killed_before_its_record_is_gone_on_with(
    store: Store, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(model, model="heart", store=store)

    def killed(*_: Any) -> bytes:
        raise _KilledError

    with monkeypatch.context() as patch:
        patch.setattr("model_export.archive.archives.dump_record", killed)
        with pytest.raises(_KilledError):
            archive(store, "heart", 1)
    assert store.archives("heart").record(1) is None
    assert archive(store, "heart", 1).is_new


def test_a_large_archive_that_was_cut_off_sends_only_what_is_missing(
    store: Store, make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = Random(0).randbytes(20 << 20)  # noqa: S311 - nothing is secret
    publish(make_model(weights=weights), model="heart", store=store)
    read = type(store).read
    pieces = 0

    def cut(self: Any, model: str, version: int, path: str, start: int, count: int) -> bytes:
        nonlocal pieces
        pieces += path == _WEIGHTS
        if pieces > 4:
            raise _KilledError
        return read(self, model, version, path, start, count)

    with monkeypatch.context() as patch:
        patch.setattr(type(store), "read", cut)
        with pytest.raises(_KilledError):
            archive(store, "heart", 1)
    assert store.archives("heart").record(1) is None
    archive(store, "heart", 1)
    with tarfile.open(fileobj=BytesIO(_archive_of(store)), mode="r:gz") as archived:
        file = archived.extractfile(f"heart/1/{_WEIGHTS}")
        assert file is not None
        assert file.read() == weights


def test_two_that_archive_at_once_end_with_one_archive(store: Store, model: Path) -> None:
    publish(model, model="heart", store=store)
    outcomes: list[Any] = []

    def run() -> None:
        try:
            outcomes.append(archive(open_store(store.url), "heart", 1).record)
        except ModelExportError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    record = store.archives("heart").record(1)
    assert record is not None
    assert gzip.decompress(_archive_of(store))
    assert record in outcomes


def test_the_command_says_where_the_archive_is(store: Store, model: Path) -> None:
    def run(*arguments: str) -> Any:
        place = ["--model", "heart", "--store", store.url]
        return CliRunner().invoke(main, [*arguments, *place])

    published = run("publish", str(model), "--archive", "--json")
    assert published.exit_code == 0, published.output
    again = run("archive")
    assert again.exit_code == 0
    where = f"{store.url}/heart/.archives/1/model.tar.gz"
    assert again.stdout.startswith("There already: heart version 1: ")
    assert again.stdout.rstrip().endswith(where)
    answer = json.loads(run("archive", "--version", "1", "--replace", "--json").stdout)
    assert (answer["url"], answer["new"]) == (where, True)
    missing = run("archive", "--version", "7")
    assert missing.exit_code == 2
    assert "no version 7 of model 'heart'" in missing.stderr


class _Zeros:
    """A file far larger than memory would like, of zeros."""

    def __init__(self, size_bytes: int) -> None:
        digest = sha256()
        for _ in range(size_bytes >> 20):
            digest.update(bytes(1 << 20))
        self.entry = FileEntry(
            path="variables/" + "long-" * 30 + "name",
            size_bytes=size_bytes,
            sha256=digest.hexdigest(),
        )

    def __iter__(self) -> Any:
        return (bytes(1 << 20) for _ in range(self.entry.size_bytes >> 20))


def test_long_names_and_sizes_are_read_by_the_systems_own_tar(tmp_path: Path) -> None:
    file = _Zeros(64 << 20)
    path = tmp_path / "model.tar.gz"
    path.write_bytes(b"".join(archive_bytes([file], "heart/1")))
    assert path.stat().st_size <= most_bytes([file.entry], "heart/1")
    listed = subprocess.run(
        ["tar", "tvzf", str(path)], capture_output=True, text=True, check=True
    ).stdout
    assert f" {64 << 20} " in listed
    assert listed.rstrip().endswith(f"heart/1/{file.entry.path}")


def test_what_archives_loads_no_tensorflow() -> None:
    code = "import sys, model_export.cli; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_sagemaker_cannot_read_is_not_archived_for_it(
    clouds: Callable[[Kind], Cloud], monkeypatch: pytest.MonkeyPatch
) -> None:
    google = clouds("gs")
    for name, value in google.environment().items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RefusedError, match="reads from S3 only"):
        archive(open_store(f"gs://{google.make_bucket()}"), "heart", 1)


def test_both_kinds_of_archives_are_archives(store: Store) -> None:
    archives: Archives = store.archives("heart")
    assert archives.record(1) is None
