"""A published version is inspected where it lies."""

from collections.abc import Callable
from pathlib import Path

import pytest

from model_export.errors import RefusedError
from model_export.inspection import as_json, inspect_model
from model_export.model_files import find_model
from model_export.publish import publish
from model_export.store import open_store


def test_a_version_is_told_by_its_address_as_its_directory_is(
    store_url: str, make_model: Callable[..., Path]
) -> None:
    model = make_model()
    (model / "assets.extra").mkdir()
    (model / "assets.extra/export.json").write_text('{"keras_version": "3.15.1"}')
    # Records larger than what is read at once, and an empty one.
    records = [b"x" * 100_000, b"", b"x" * 70_000]
    (model / "assets.extra/tf_serving_warmup_requests").write_bytes(
        b"".join(len(each).to_bytes(8, "little") + b"crc." + each + b"crc." for each in records)
    )
    published = publish(model, model="heart", store=open_store(store_url))
    there = inspect_model(find_model(f"{store_url}/heart/1"))
    assert there.where in {published.url, f"{store_url}/heart/1"}
    assert (there.warmup_record_count, there.keras_version) == (3, "3.15.1")
    here = inspect_model(find_model(str(model)))
    assert as_json(there) | {"where": ""} == as_json(here) | {"where": ""}


@pytest.mark.usefixtures("store")
def test_a_version_that_is_not_there_is_refused(store_url: str) -> None:
    with pytest.raises(RefusedError, match=r"has no version 7 of model 'heart'|is not a directory"):
        find_model(f"{store_url}/heart/7")
