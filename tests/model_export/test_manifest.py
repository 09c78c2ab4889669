"""Manifests come back as they were written, and nothing else is taken for one."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from model_export.errors import ModelExportError
from model_export.layout import MAX_VERSION, is_model_name, parse_version
from model_export.manifest import (
    FileEntry,
    Manifest,
    Sample,
    Signature,
    TensorSpec,
    dump_manifest,
    parse_manifest,
)

_finite = st.floats(allow_nan=False, allow_infinity=False)
_text = st.text(st.characters(codec="utf-8"), max_size=20)
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | _finite | _text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text, inner, max_size=4),
    max_leaves=12,
)
_specs = st.builds(
    TensorSpec,
    dtype=st.sampled_from(["float32", "string", "int64"]),
    shape=st.none() | st.lists(st.none() | st.integers(0, 2**31), max_size=4).map(tuple),
)
_files = st.builds(
    FileEntry,
    path=st.lists(st.from_regex(r"[\w é-]{1,9}", fullmatch=True), min_size=1, max_size=3).map(
        "/".join
    ),
    size_bytes=st.integers(0, 2**50),
    sha256=st.binary(min_size=32, max_size=32).map(bytes.hex),
)
_instants = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]))
_manifests = st.builds(
    Manifest,
    model=st.from_regex(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True),
    version=st.integers(1, MAX_VERSION),
    files=st.lists(_files, max_size=5).map(tuple),
    signatures=st.dictionaries(
        _text,
        st.builds(
            Signature,
            method_name=_text,
            inputs=st.dictionaries(_text, _specs, max_size=3),
            outputs=st.dictionaries(_text, _specs, max_size=3),
        ),
        max_size=2,
    ),
    tensorflow_version=_text,
    created_at=_instants,
    created_by=_text,
    keras_version=st.none() | _text,
    git_commit=st.none() | _text,
    git_dirty=st.none() | st.booleans(),
    parent=st.none() | st.integers(1, MAX_VERSION),
    labels=st.dictionaries(_text, _text, max_size=3),
    metrics=st.dictionaries(_text, _finite, max_size=3),
    sample=st.none()
    | st.builds(
        Sample,
        signature_name=_text,
        instances=st.lists(_json, max_size=3).map(tuple),
        predictions=st.lists(_json, max_size=3).map(tuple),
    ),
)


@given(_manifests)
def test_a_manifest_comes_back_as_it_was_written(manifest: Manifest) -> None:
    assert parse_manifest(dump_manifest(manifest), "here") == manifest


@given(_manifests)
def test_writing_on_short_lines_changes_no_value(manifest: Manifest) -> None:
    document = json.loads(dump_manifest(manifest))
    assert document["labels"] == manifest.labels
    if manifest.sample:
        assert tuple(document["sample"]["instances"]) == manifest.sample.instances


@given(_manifests, st.data())
def test_the_digest_knows_the_files_and_nothing_else(
    manifest: Manifest, data: st.DataObject
) -> None:
    shuffled = tuple(data.draw(st.permutations(manifest.files)))
    other = Manifest(
        model="other",
        version=1,
        files=shuffled,
        signatures={},
        tensorflow_version="",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        created_by="",
    )
    assert other.digest == manifest.digest


@given(_manifests, st.data())
def test_a_document_with_one_thing_changed_is_read_or_refused_and_never_breaks(
    manifest: Manifest, data: st.DataObject
) -> None:
    document: dict[str, JsonValue] = json.loads(dump_manifest(manifest))
    key = data.draw(st.sampled_from([*document, "more"]))
    document[key] = data.draw(_json)
    try:
        read = parse_manifest(json.dumps(document).encode(), "here")
    except ModelExportError as error:
        assert str(error).startswith("here is not a manifest")  # noqa: PT017 either is right
    else:
        assert key != "more"
        assert is_model_name(read.model)


@given(st.binary(max_size=200))
def test_what_is_no_manifest_at_all_is_refused(document: bytes) -> None:
    with pytest.raises(ModelExportError, match=r"^here is not a manifest"):
        parse_manifest(document, "here")


_FILE = {"path": "a", "size_bytes": 1, "sha256": "0" * 64}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("schema", 2),
        ("model", "../x"),
        ("version", 0),
        ("version", 2**63),
        ("created_at", "2026-01-01T00:00:00"),
        ("files", [{**_FILE, "path": "../../etc/passwd"}]),
        ("files", [{**_FILE, "path": "/etc/passwd"}]),
        ("files", [{**_FILE, "path": "a//b"}]),
        ("files", [{**_FILE, "path": "a\\b"}]),
        ("files", [{**_FILE, "size_bytes": -1}]),
        ("files", [{**_FILE, "sha256": "0" * 63}]),
    ],
)
def test_a_value_that_could_do_harm_is_refused_by_its_key(key: str, value: Any) -> None:
    document = json.loads(
        dump_manifest(
            Manifest(
                model="heart",
                version=1,
                files=(FileEntry(**_FILE),),  # type: ignore[arg-type] # one dict, mixed values
                signatures={},
                tensorflow_version="2.20.0",
                created_at=datetime(2026, 1, 1, tzinfo=UTC),
                created_by="somebody",
            )
        )
    )
    document[key] = value
    with pytest.raises(ModelExportError, match=f"can read: {key}"):
        parse_manifest(json.dumps(document).encode(), "here")


@given(st.integers(1, MAX_VERSION))
def test_every_number_is_read_from_its_own_name(version: int) -> None:
    assert parse_version(str(version)) == version


@given(st.text("0123456789+- _.eé\u0661", max_size=21))
def test_a_name_is_a_version_only_if_the_version_is_written_so(name: str) -> None:
    version = parse_version(name)
    assert version is None or (str(version) == name and 1 <= version <= MAX_VERSION)


@pytest.mark.parametrize(
    "name", ["0", "007", "-1", "1.0", "1 ", "\u0661", "9223372036854775808", ""]
)
def test_what_is_not_exactly_a_version_is_none(name: str) -> None:
    assert parse_version(name) is None
