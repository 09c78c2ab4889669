"""A batch's output becomes an object when all of it is there, whatever end a run came to."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model_export import bucket as bucket_module
from model_export.batch import destination
from model_export.batch.destination import find_destination
from model_export.batch.journal import Journal
from model_export.batch.source import open_bucket
from model_export.errors import RefusedError
from tests.stores.clouds import Cloud

# Each is quick; all of them together are not.
pytestmark = pytest.mark.slow

_PART_BYTES = 5 << 20


@pytest.fixture
def place(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return f"{cloud.kind}://{cloud.make_bucket()}/out/all.jsonl"


def _journal(place: str, *, overwrite: bool = False) -> Journal:
    output, errors = (
        find_destination(f"{place}{ending}", overwrite=overwrite) for ending in ("", ".errors")
    )
    return Journal(output, errors, {"input": "a"}).begin(overwrite=overwrite)


def _objects(place: str) -> dict[str, bytes]:
    bucket, key = open_bucket("Output", place)
    return {entry.key: bucket.read(entry.key) for entry in bucket.objects(key.partition("/")[0])}


def _write(place: str, line: bytes, **options: bool) -> None:
    with _journal(place, **options) as journal:
        journal.write(output=line)
        journal.publish()


def test_nothing_is_in_the_bucket_before_the_end_and_nothing_here_after_it(place: str) -> None:
    with _journal(place) as journal:
        journal.write(output=b"1\n")
        journal.write(errors=b"2\n")
        journal.keep()
        assert _objects(place) == {}
        assert len(list(Path.cwd().iterdir())) == 3
    with _journal(place) as journal:
        assert journal.progress.instances == 2
        journal.publish()
    assert _objects(place) == {"out/all.jsonl": b"1\n", "out/all.jsonl.errors": b"2\n"}
    assert list(Path.cwd().iterdir()) == []


def test_what_is_there_stays_unless_it_is_to_be_replaced(place: str) -> None:
    _write(place, b"old\n")
    with pytest.raises(RefusedError, match=r"out/all\.jsonl exists"):
        _journal(place)
    with _journal(place, overwrite=True) as journal:
        journal.write(output=b"new\n")
        assert _objects(place) == {"out/all.jsonl": b"old\n"}
        journal.publish()
    assert _objects(place) == {"out/all.jsonl": b"new\n"}
    assert list(Path.cwd().iterdir()) == []


def test_what_comes_to_be_meanwhile_is_not_replaced(place: str) -> None:
    with _journal(place) as journal:
        journal.write(output=b"mine\n")
        bucket, key = open_bucket("Output", place)
        other = find_destination(place, overwrite=False)
        Path("other").write_bytes(b"theirs\n")
        other.take(Path("other"))
        with pytest.raises(RefusedError, match="has come to be while the batch ran"):
            journal.publish()
    assert _objects(place) == {"out/all.jsonl": b"theirs\n"}
    bucket.delete([key])
    with _journal(place) as journal:
        assert journal.progress.is_complete
    assert _objects(place) == {"out/all.jsonl": b"mine\n"}


@pytest.mark.parametrize("step", ["put", "create", "complete", "unlink"])
def test_a_run_that_is_killed_while_it_sends_is_gone_on_with(
    place: str, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setattr(destination, "SINGLE_BYTES", _PART_BYTES)
    monkeypatch.setattr(bucket_module, "_PART_BYTES", (_PART_BYTES, _PART_BYTES))
    lines = os.urandom(_PART_BYTES + 1000 if step != "create" else 1000)

    def killed(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            call(*arguments, **options)
            raise KeyboardInterrupt

        return wrapped

    bucket, _ = open_bucket("Output", place)
    parts = bucket.parts("x", "x.parts/", resume=False)
    owner: Any = {"create": type(bucket), "unlink": Path}.get(step, type(parts))
    with _journal(place) as journal:
        journal.write(output=lines)
        with monkeypatch.context() as patch:
            patch.setattr(owner, step, killed(getattr(owner, step)))
            with pytest.raises(KeyboardInterrupt):
                journal.publish()
    with _journal(place) as journal:
        assert journal.progress.is_complete
    assert _objects(place) == {"out/all.jsonl": lines}
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("{}://bucket", "name the object, as in {}://bucket/out.jsonl"),
        ("{}://bucket/a/", "name the object"),
        ("ftp://a/b", "give a path, gs://BUCKET/KEY or s3://BUCKET/KEY"),
        ("/tmp", "is a directory"),  # noqa: S108 nothing is written there
    ],
)
def test_a_place_that_no_output_can_have_is_refused(cloud: Cloud, name: str, said: str) -> None:
    with pytest.raises(RefusedError, match=said.format(cloud.kind)):
        find_destination(name.format(cloud.kind), overwrite=False)
