"""What a publish refuses, and what the version says of itself afterwards."""

import math
import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from model_export.directory_store import DirectoryStore
from model_export.errors import ModelExportError, RefusedError
from model_export.manifest import Sample, TensorSpec
from model_export.publish import publish

MakeModel = Callable[..., Path]


def test_the_manifest_lists_every_file_with_size_and_digest(
    make_model: MakeModel, store: DirectoryStore, root: Path
) -> None:
    model = make_model(
        files={"assets/naïve words.txt": b"words", "assets.extra/big": b"x" * 3_000_000}
    )
    published = publish(model, model="heart", store=store)
    version = root / "heart/1"
    found = {
        path.relative_to(version).as_posix(): path.read_bytes()
        for path in version.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }
    assert found.keys() == {
        path.relative_to(model).as_posix() for path in model.rglob("*") if path.is_file()
    }
    assert {(entry.path, entry.size_bytes, entry.sha256) for entry in published.manifest.files} == {
        (path, len(content), sha256(content).hexdigest()) for path, content in found.items()
    }
    assert published.url == f"{root.as_uri()}/heart/1"
    assert store.manifest("heart", 1) == published.manifest


def test_the_manifest_tells_signatures_origin_and_what_the_caller_adds(
    model: Path, store: DirectoryStore
) -> None:
    publish(model, model="heart", store=store)
    manifest = publish(
        model, model="heart", store=store, labels={"team": "cardio"}, metrics={"accuracy": 0.9}
    ).manifest
    signature = manifest.signatures["serving_default"]
    assert signature.inputs == {"x": TensorSpec(dtype="float32", shape=(None,))}
    assert signature.outputs == {"y": TensorSpec(dtype="float32", shape=None)}
    assert manifest.tensorflow_version == "2.20.0"
    assert "@" in manifest.created_by
    assert manifest.parent == 1
    assert manifest.labels == {"team": "cardio"}
    assert manifest.metrics == {"accuracy": 0.9}


def test_what_the_exporter_left_goes_into_the_manifest(
    make_model: MakeModel, store: DirectoryStore
) -> None:
    record = (
        b'{"keras_version": "3.15.1", "sample": {"signature_name": "serving_default",'
        b' "instances": [1.0], "predictions": [2.0]}}'
    )
    model = make_model(files={"assets.extra/export.json": record})
    manifest = publish(model, model="heart", store=store).manifest
    assert manifest.keras_version == "3.15.1"
    assert manifest.sample == Sample(
        signature_name="serving_default", instances=(1.0,), predictions=(2.0,)
    )


def test_a_published_version_can_be_published_again_and_is_the_same(
    model: Path, store: DirectoryStore, root: Path
) -> None:
    first = publish(model, model="heart", store=store)
    again = publish(root / "heart/1", model="liver", store=store)
    assert again.manifest.digest == first.manifest.digest


def test_progress_is_told_of_every_byte(model: Path, store: DirectoryStore) -> None:
    pieces: list[int] = []
    published = publish(model, model="heart", store=store, advance=pieces.append)
    assert sum(pieces) == published.manifest.size_bytes


@pytest.mark.parametrize("name", ["", "Heart", "1heart", "heart-", "he/art", "..", "a" * 64, "hé"])
def test_a_name_that_some_target_does_not_take_is_refused(
    model: Path, store: DirectoryStore, root: Path, name: str
) -> None:
    with pytest.raises(RefusedError, match="a name is 1 to 63 lower-case letters"):
        publish(model, model=name, store=store)
    assert not list(root.iterdir())


@pytest.mark.parametrize("version", [0, -1, 2**63])
def test_a_number_that_is_no_version_is_refused(
    model: Path, store: DirectoryStore, version: int
) -> None:
    with pytest.raises(RefusedError, match="a whole number from 1 on"):
        publish(model, model="heart", store=store, version=version)


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_metric_that_is_no_finite_number_is_refused(
    model: Path, store: DirectoryStore, number: float
) -> None:
    with pytest.raises(RefusedError, match="a finite number"):
        publish(model, model="heart", store=store, metrics={"loss": number})


def test_a_label_with_a_line_break_is_refused(model: Path, store: DirectoryStore) -> None:
    with pytest.raises(RefusedError, match="no control characters"):
        publish(model, model="heart", store=store, labels={"note": "a\nb"})


def _drop(model: Path) -> None:
    (model / "saved_model.pb").unlink()


def _cut(model: Path) -> None:
    content = (model / "saved_model.pb").read_bytes()
    (model / "saved_model.pb").write_bytes(content[: len(content) // 2])


def _empty(model: Path) -> None:
    (model / "saved_model.pb").write_bytes(b"")


def _scramble(model: Path) -> None:
    (model / "saved_model.pb").write_bytes(b"this is text, not a model")


def _replace_by_directory(model: Path) -> None:
    _drop(model)
    (model / "saved_model.pb").mkdir()


def _link_out(model: Path) -> None:
    (model / "variables/more").symlink_to(model.parent)


def _link_file_out(model: Path) -> None:
    (model.parent / "secret").write_text("secret")
    (model / "variables/more").symlink_to("../../secret")


def _link_nowhere(model: Path) -> None:
    (model / "variables/more").symlink_to("nowhere")


def _link_directory_inside(model: Path) -> None:
    (model / "again").symlink_to("variables")


def _pipe(model: Path) -> None:
    os.mkfifo(model / "variables/pipe")


def _odd_name(model: Path) -> None:
    (model / "variables/two\nlines").write_text("x")


def _no_utf8(model: Path) -> None:
    Path(os.fsdecode(os.fsencode(model) + b"/variables/\xff")).write_text("x")


def _bad_record(model: Path) -> None:
    (model / "assets.extra").mkdir()
    (model / "assets.extra/export.json").write_text('{"sample": {"instances": 3}, "smaple": 1}')


def _foreign_sample(model: Path) -> None:
    (model / "assets.extra").mkdir()
    (model / "assets.extra/export.json").write_text(
        '{"sample": {"signature_name": "other", "instances": [], "predictions": []}}'
    )


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_drop, r"is not a SavedModel: it has no saved_model\.pb"),
        (_cut, "corrupt or cut short"),
        (_empty, "is empty: it holds no graph"),
        (_scramble, "corrupt or cut short"),
        (_replace_by_directory, "Is a directory"),
        (_link_out, "leads out of the model's directory"),
        (_link_file_out, "leads out of the model's directory, to .*/secret"),
        (_link_nowhere, "more is a symbolic link that leads nowhere"),
        (_link_directory_inside, "is a link to a directory"),
        (_pipe, "is not a regular file"),
        (_odd_name, r"two\\nlines.* Rename it"),
        (_no_utf8, "Rename it"),
        (_bad_record, r"sample\.signature_name.*sample\.instances.*smaple"),
        (_foreign_sample, r"no signature 'other' \(it has: serving_default\)"),
    ],
)
def test_a_directory_that_cannot_be_served_is_refused_before_the_store_is_touched(
    model: Path, store: DirectoryStore, root: Path, spoil: Callable[[Path], None], said: str
) -> None:
    spoil(model)
    with pytest.raises(RefusedError, match=said) as caught:
        publish(model, model="heart", store=store)
    assert "\n" not in str(caught.value)
    assert not list(root.iterdir())


def test_a_graph_for_training_only_is_refused(make_model: MakeModel, store: DirectoryStore) -> None:
    with pytest.raises(RefusedError, match=r"no graph with the tag 'serve' \(its tags: train\)"):
        publish(make_model(tags=("train",)), model="heart", store=store)


def test_a_graph_without_a_signature_that_a_client_can_call_is_refused(
    make_model: MakeModel, store: DirectoryStore
) -> None:
    model = make_model(signatures=("__saved_model_init_op",))
    with pytest.raises(RefusedError, match="has no signature"):
        publish(model, model="heart", store=store)


def test_a_link_that_stays_inside_is_published_as_the_file_it_leads_to(
    model: Path, store: DirectoryStore, root: Path
) -> None:
    (model / "variables/more").symlink_to("variables.index")
    publish(model, model="heart", store=store)
    copied = root / "heart/1/variables/more"
    assert not copied.is_symlink()
    assert copied.read_bytes() == b"index"


def _append(model: Path) -> None:
    with (model / "variables/variables.data-00000-of-00001").open("ab") as file:
        file.write(b"more")


def _rewrite(model: Path) -> None:
    path = model / "variables/variables.index"
    before = path.stat()
    path.write_bytes(b"xedni")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))


def _remove(model: Path) -> None:
    (model / "variables/variables.index").unlink(missing_ok=True)


def _add(model: Path) -> None:
    (model / "variables/new").write_bytes(b"new")


def _new_graph(model: Path) -> None:
    content = (model / "saved_model.pb").read_bytes()
    (model / "saved_model.pb").write_bytes(content + b"\x08\x01")


@pytest.mark.parametrize("change", [_append, _rewrite, _remove, _add, _new_graph])
def test_a_directory_that_changes_while_it_is_read_is_not_published(
    model: Path, store: DirectoryStore, root: Path, change: Callable[[Path], None]
) -> None:
    with pytest.raises(ModelExportError, match="changed while it was read"):
        publish(model, model="heart", store=store, advance=lambda _: change(model))
    assert not list((root / "heart").iterdir())


def test_a_version_names_the_one_that_it_was_made_from(model: Path, store: DirectoryStore) -> None:
    for _ in range(2):
        publish(model, model="heart", store=store)
    assert publish(model, model="heart", store=store, parent=1).manifest.parent == 1
    with pytest.raises(RefusedError, match="Parent 7: heart has no such version"):
        publish(model, model="heart", store=store, parent=7)
