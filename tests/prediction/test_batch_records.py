"""What a file holds: lines, rows and examples, the good and the bad ones."""

import gzip
import io
import os
from pathlib import Path
from typing import Any

import pytest
from google_crc32c import value as crc32c

from model_export import wire
from model_export.batch.records import read_records
from model_export.batch.source import find_source, format_of
from model_export.errors import ModelExportError, RefusedError
from model_export.manifest import Signature, TensorSpec


def _signature(**inputs: tuple[str, tuple[int | None, ...] | None]) -> Signature:
    specs = {name: TensorSpec(dtype=dtype, shape=shape) for name, (dtype, shape) in inputs.items()}
    return Signature(method_name="", inputs=specs, outputs={})


def _read(content: bytes, form: str, signature: Signature | None = None) -> list[tuple[int, Any]]:
    found: list[tuple[int, Any]] = []
    for record in read_records(io.BytesIO(content), form, signature, "it"):
        try:
            found.append((record.line, record.read()))
        except ValueError as error:
            found.append((record.line, error))
    return found


def test_lines_are_counted_and_empty_ones_passed_over() -> None:
    content = '\ufeff{"a": 1}\n\n  \n[2]\r\n"é"'.encode()
    assert _read(content, "jsonl") == [(1, {"a": 1}), (4, [2]), (5, "é")]


@pytest.mark.parametrize("line", [b"{", b"\xff", b"[" * 200_000, b"1 2"])
def test_a_line_that_is_no_json_is_told_of_alone(line: bytes) -> None:
    first, second, third = _read(b"1\n" + line + b"\n3\n", "jsonl")
    assert (first, third) == ((1, 1), (3, 3))
    assert second[0] == 2
    assert "not JSON" in str(second[1])


def test_a_line_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model_export.batch.records._LINE_BYTES", 10)
    with pytest.raises(RefusedError, match="line 2 is longer"):
        _read(b"123456789\n12345678901\n", "jsonl")


def test_cells_are_read_as_the_model_takes_them() -> None:
    signature = _signature(
        age=("int64", (None,)),
        score=("float32", (None, 1)),
        name=("string", (None,)),
        ok=("bool", (None,)),
        vector=("float32", (None, 2)),
    )
    content = 'id,name,age,score,ok,vector\n7,"é, ""x""\n2",63,0.5,TRUE,"[1, 2.5]"\n'.encode()
    row = {"age": 63, "score": [0.5], "name": 'é, "x"\n2', "ok": True, "vector": [1, 2.5]}
    assert _read(content, "csv", signature) == [(2, row)]


def test_cells_without_a_signature_are_what_they_look_like() -> None:
    content = b"a,b,c\n1,x,[1]\n\n2.5,,true\n"
    assert _read(content, "csv") == [
        (2, {"a": 1, "b": "x", "c": [1]}),
        (4, {"a": 2.5, "b": "", "c": True}),
    ]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (b"x,1", "Column 'a': 'x' is no int32"),
        (b",1", "Column 'a': '' is no int32"),
        (b"1.5,1", "Column 'a': '1.5' is no int32"),
        (b"1", "The row has 1 cells for 2 columns"),
        (b"1,\xff", "Column 'b' is not UTF-8"),
    ],
)
def test_a_row_that_does_not_fit_is_told_of_alone(row: bytes, said: str) -> None:
    signature = _signature(a=("int32", (None,)), b=("string", (None,)))
    found = _read(b'a,b\n"1","x\ny"\n' + row + b"\n3,z\n", "csv", signature)
    assert [line for line, _ in found] == [2, 4, 5]
    assert said in str(found[1][1])
    assert found[2][1] == {"a": 3, "b": "z"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "must name the columns a"),
        (b"b\n1\n", "must name the columns a"),
        (b"a,a\n1,2\n", "names a column twice"),
        (b'a\n"1"x\n', "line 2 is not CSV"),
    ],
)
def test_a_file_that_is_no_csv_of_the_model_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(RefusedError, match=said):
        _read(content, "csv", _signature(a=("int32", (None,))))


def _framed(data: bytes) -> bytes:
    def checksum(of: bytes) -> bytes:
        crc: int = crc32c(of)
        return (((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF).to_bytes(4, "little")

    length = len(data).to_bytes(8, "little")
    return length + checksum(length) + data + checksum(data)


def _example(**features: list[Any]) -> bytes:
    example = wire.message("Example")()
    for name, values in features.items():
        kinds = {bytes: "bytes", float: "float", int: "int64"}
        kind = kinds[type(values[0])] if values else "float"
        getattr(example.features.feature[name], kind).value.extend(values)
    data: bytes = example.SerializeToString()
    return data


def test_examples_are_read_as_the_model_takes_them() -> None:
    signature = _signature(
        a=("int64", (None,)),
        b=("float32", (None, None, 2)),
        c=("string", (None, 1)),
        d=("int64", None),
    )
    content = _framed(_example(a=[1], b=[0.5, 1.0, 1.5, 2.0], c=[b"\xff"], d=[1, 2], e=[1]))
    row = {"a": 1, "b": [[0.5, 1.0], [1.5, 2.0]], "c": [b"\xff"], "d": [1, 2]}
    assert _read(content, "tfrecord", signature) == [(1, row)]
    assert _read(_framed(_example(a=[1], d=[1, 2])), "tfrecord") == [(1, {"a": 1, "d": [1, 2]})]


def test_a_model_that_parses_examples_gets_them_whole() -> None:
    example = _example(a=[1])
    assert _read(_framed(example), "tfrecord", _signature(examples=("string", (None,)))) == [
        (1, example)
    ]


@pytest.mark.parametrize(
    ("example", "said"),
    [
        (_example(b=[1]), "lacks a"),
        (_example(a=[1, 2]), "Feature 'a' has 2 values"),
        (_example(a=[]), "Feature 'a' has 0 values"),
        (b"\xff", "no tf.Example"),
    ],
)
def test_an_example_that_does_not_fit_is_told_of_alone(example: bytes, said: str) -> None:
    content = _framed(example) + _framed(_example(a=[3]))
    (_, fault), second = _read(content, "tfrecord", _signature(a=("int64", (None,))))
    assert said in str(fault)
    assert second == (2, {"a": 3})


@pytest.mark.parametrize("place", [0, 9, 14, -1])
def test_a_damaged_record_file_is_refused(place: int) -> None:
    good = _framed(_example(a=[1]))
    damaged = bytearray(good)
    damaged[place] ^= 1
    with pytest.raises(RefusedError, match="record 2 is damaged"):
        _read(good + bytes(damaged), "tfrecord")
    with pytest.raises(RefusedError, match="record 2 is damaged"):
        _read(good + good[:-1], "tfrecord")


@pytest.mark.parametrize(
    ("name", "form"),
    [("a.jsonl", "jsonl"), ("gs://b/c.CSV", "csv"), ("a.b.tfrecords.gz", "tfrecord")],
)
def test_the_name_says_the_format(name: str, form: str) -> None:
    assert format_of(name) == form


@pytest.mark.parametrize("name", ["a", "a.json", "a.gz", "rows.jsonl.zip"])
def test_a_name_that_says_no_format_asks_for_it(name: str) -> None:
    with pytest.raises(RefusedError, match="--format"):
        format_of(name)


def test_a_packed_file_is_unpacked_and_a_cut_one_ends_the_run(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    packed = gzip.compress(b"1\n2\n")
    path.write_bytes(packed)
    with find_source(str(path)).open() as stream:
        assert stream.read() == b"1\n2\n"
    path.write_bytes(packed[:-4])
    with (
        find_source(str(path)).open() as stream,
        pytest.raises(ModelExportError, match="cannot be read"),
    ):
        list(read_records(stream, "jsonl", None, "it"))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path, tmp_path / "none", tmp_path / "pipe"):
        with pytest.raises(RefusedError, match=r"^Input "):
            find_source(str(place))
    with pytest.raises(RefusedError, match="gs://BUCKET/KEY"):
        find_source("ftp://b/k")
