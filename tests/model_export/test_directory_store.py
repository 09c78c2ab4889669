"""What only a store in a directory has to get right: names, links, owners, rights."""

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from model_export.directory_store import DirectoryStore
from model_export.draft import Draft
from model_export.errors import ModelExportError, RefusedError
from model_export.publish import publish
from model_export.source import list_files
from model_export.store import open_store

_NOBODY = 65534


def _names(directory: Path) -> set[str]:
    return {entry.name for entry in directory.iterdir()}


def test_what_is_no_version_is_not_listed(model: Path, store: DirectoryStore, root: Path) -> None:
    publish(model, model="heart", store=store)
    for name in ("heart/007", "heart/0", "heart/12", "heart/latest", "Not A Model/1"):
        (root / name).mkdir(parents=True)
    (root / "heart/13").write_text("a file")
    (root / "Not A Model/1/manifest.json").write_text("{}")
    assert store.models() == ("heart",)
    assert store.versions("heart") == (1,)


def test_the_next_number_leaves_alone_what_stands_in_the_way(
    model: Path, store: DirectoryStore, root: Path
) -> None:
    (root / "heart/4").mkdir(parents=True)
    (root / "heart/4/mine.txt").write_text("mine")
    assert publish(model, model="heart", store=store).manifest.version == 5
    with pytest.raises(RefusedError, match=r"heart/4 stands in the way: it has no manifest\.json"):
        publish(model, model="heart", store=store, version=4)
    assert _names(root / "heart/4") == {"mine.txt"}


def test_a_directory_that_is_filled_at_the_last_moment_is_not_overwritten(
    model: Path, store: DirectoryStore, root: Path
) -> None:
    def fill(_: int) -> None:
        (root / "heart/1").mkdir(exist_ok=True)
        (root / "heart/1/mine.txt").write_text("mine")

    with pytest.raises(RefusedError, match="stands in the way"):
        publish(model, model="heart", store=store, version=1, advance=fill)
    assert _names(root / "heart") == {"1"}
    assert _names(root / "heart/1") == {"mine.txt"}


def test_files_of_a_version_are_read_only_and_its_directories_can_be_read_by_others(
    model: Path, store: DirectoryStore, root: Path
) -> None:
    publish(model, model="heart", store=store)
    modes = {
        path.relative_to(root).as_posix(): stat.S_IMODE(path.stat().st_mode)
        for path in (root / "heart").rglob("*")
    }
    umask = os.umask(0)
    os.umask(umask)
    assert modes["heart/1/saved_model.pb"] == modes["heart/1/manifest.json"] == 0o444
    assert modes["heart/1"] == modes["heart/1/variables"] == 0o777 & ~umask


def test_the_staging_directory_of_a_dead_publisher_is_removed_and_that_of_a_live_one_is_not(
    model: Path, store: DirectoryStore, root: Path
) -> None:
    abandoned = root / "heart/.publishing-dead"
    (abandoned / "variables").mkdir(parents=True)
    (abandoned / "saved_model.pb").write_bytes(b"half")
    files = list_files(model)
    draft = Draft(model="heart", version=None, files=files, labels={}, metrics={})
    with store.begin(draft) as upload:
        upload.send(files[:1], lambda _: None)
        assert not abandoned.exists()
        publish(model, model="heart", store=store)
        (alive,) = _names(root / "heart") - {"1"}
        assert _names(root / "heart" / alive) == {"variables"}
    assert _names(root / "heart") == {"1"}


def test_a_version_directory_that_was_copied_is_not_taken_for_a_version(
    model: Path, store: DirectoryStore, root: Path
) -> None:
    publish(model, model="heart", store=store)
    (root / "heart/1").rename(root / "heart/2")
    with pytest.raises(ModelExportError, match=r"is the manifest of heart/1, not of heart/2"):
        store.manifest("heart", 2)


def test_a_full_disk_is_named_and_leaves_nothing_behind(model: Path, root: Path) -> None:
    (model / "variables/large").write_bytes(bytes(300_000))
    limited = 'ulimit -f 128; exec "$@"'
    command = [sys.executable, "-m", "model_export.cli", "publish", str(model)]
    run = subprocess.run(
        ["bash", "-c", limited, "bash", *command, "--model", "heart", "--store", str(root)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stderr.startswith("model-export: The store is full: ")
    assert run.stderr.count("\n") == 1
    assert _names(root / "heart") == set()


@contextmanager
def _without_rights() -> Iterator[None]:
    """Be a user who owns nothing; root alone can become one, others are so already."""
    mine = os.geteuid()
    if mine == 0:
        os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(mine)


@pytest.fixture
def open_tmp_path() -> Iterator[Path]:
    """Give a directory that others may look into, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


def test_a_store_that_may_not_be_written_is_named_in_one_line(
    model: Path, open_tmp_path: Path
) -> None:
    model = model.rename(open_tmp_path / "model")
    store = open_tmp_path / "store"
    store.mkdir(mode=0o555)
    with _without_rights(), pytest.raises(ModelExportError) as caught:
        publish(model, model="heart", store=open_store(str(store)))
    assert f"Cannot use the store: {store.resolve() / 'heart'}: Permission denied" in str(caught)
    assert _names(store) == set()


def test_a_store_that_may_not_be_read_is_named_in_one_line(open_tmp_path: Path) -> None:
    (open_tmp_path / "closed/store").mkdir(parents=True)
    (open_tmp_path / "closed").chmod(0)
    with _without_rights(), pytest.raises(ModelExportError, match="Permission denied"):
        open_store(str(open_tmp_path / "closed/store"))
    (open_tmp_path / "closed").chmod(0o755)
