"""A batch reads its input from a bucket as from a file."""

import gzip

import pytest

from model_export.batch.records import read_records
from model_export.batch.source import check_unchanged, find_source
from model_export.bucket import Bucket
from model_export.content import content_of
from model_export.errors import ModelExportError, RefusedError
from model_export.gcs_bucket import GcsBucket
from model_export.s3_bucket import S3Bucket
from tests.stores.clouds import Cloud

# Each is quick; all of them together are not.
pytestmark = pytest.mark.slow


def _put(cloud: Cloud, name: str, key: str, data: bytes) -> Bucket:
    bucket: Bucket = GcsBucket(name) if cloud.kind == "gs" else S3Bucket(name)
    bucket.create(key, data, content_of(data))
    return bucket


def test_an_object_is_read_in_pieces_and_unpacked(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model_export.batch.source._WINDOW_BYTES", 100)
    name = cloud.make_bucket()
    text = b"".join(b"%d\n" % number for number in range(500))
    _put(cloud, name, "in/rows.jsonl", text)
    _put(cloud, name, "in/rows.jsonl.gz", gzip.compress(text))
    for key in ("in/rows.jsonl", "in/rows.jsonl.gz"):
        source = find_source(f"{cloud.kind}://{name}/{key}")
        with source.open() as stream:
            records = list(read_records(stream, "jsonl", None, source.place))
        assert [record.read() for record in records] == list(range(500))
        check_unchanged(source)


def test_an_object_that_is_replaced_meanwhile_is_noticed(cloud: Cloud) -> None:
    name = cloud.make_bucket()
    bucket = _put(cloud, name, "rows.jsonl", b"1\n")
    source = find_source(f"{cloud.kind}://{name}/rows.jsonl")
    bucket.delete(["rows.jsonl"])
    _put(cloud, name, "rows.jsonl", b"2\n")
    with pytest.raises(ModelExportError, match="changed while it was read"):
        check_unchanged(source)


@pytest.mark.parametrize("key", ["", "/", "/none.jsonl", "/rows"])
def test_an_object_that_is_not_there_is_refused(cloud: Cloud, key: str) -> None:
    name = cloud.make_bucket()
    _put(cloud, name, "rows.jsonl", b"1\n")
    with pytest.raises(RefusedError, match="no such object"):
        find_source(f"{cloud.kind}://{name}{key}")
