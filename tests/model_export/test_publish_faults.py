"""Publishers that are killed, and publishers that race: afterwards every version is whole."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from model_export.directory_store import DirectoryStore
from model_export.publish import publish

# Publishes, says so when it comes to the named call, and goes on once it reads a line.
_PUBLISHER = """
import os, sys
from pathlib import Path
from model_export.publish import publish
from model_export.store import open_store

stop, version, model, root = sys.argv[1:]
def wait(*_):
    print("here", flush=True)
    sys.stdin.readline()

def before(call):
    def called(*arguments, **keywords):
        wait()
        return call(*arguments, **keywords)
    return called

advance = wait if stop == "read" else lambda _: None
if stop == "rename":
    Path.rename = before(Path.rename)
if stop == "fsync":
    os.fsync = before(os.fsync)
if stop == "start":
    wait()
try:
    published = publish(
        Path(model), model="heart", store=open_store(root), version=int(version) or None,
        advance=advance,
    )
    print(published.manifest.version)
except Exception as error:
    print(type(error).__name__, error)
"""


@contextmanager
def _publisher(
    stop: str, model: Path, root: Path, version: int = 0
) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", _PUBLISHER, stop, str(version), str(model), str(root)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("stop", ["read", "fsync", "rename"])
def test_a_killed_publisher_leaves_nothing_visible_and_the_next_one_clears_up(
    model: Path, store: DirectoryStore, root: Path, stop: str
) -> None:
    with _publisher(stop, model, root) as process:
        process.send_signal(signal.SIGKILL)
    (left,) = (root / "heart").iterdir()
    assert left.name.startswith(".publishing-")
    assert store.models() == ()
    assert publish(model, model="heart", store=store).manifest.version == 1
    assert [entry.name for entry in (root / "heart").iterdir()] == ["1"]


def test_a_publisher_that_is_slow_keeps_its_staging_directory(
    model: Path, store: DirectoryStore, root: Path
) -> None:
    with _publisher("rename", model, root) as process:
        assert publish(model, model="heart", store=store).manifest.version == 1
        answer, _ = process.communicate("\n" * 9)
    assert answer.splitlines()[-1] == "2"
    assert store.manifest("heart", 2).parent == 1


def _race(model: Path, root: Path, count: int, version: int = 0) -> list[str]:
    """Let publishers start together; give what each said in the end."""
    command = [sys.executable, "-c", _PUBLISHER, "start", str(version), str(model), str(root)]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    return [process.communicate()[0].strip() for process in processes]


def test_eight_publishers_at_once_get_eight_numbers_and_each_version_is_whole(
    make_model: Callable[..., Path], store: DirectoryStore, root: Path
) -> None:
    model = make_model(files={f"assets/{n}": bytes([n]) * 1000 for n in range(20)})
    assert sorted(_race(model, root, 8)) == [str(number) for number in range(1, 9)]
    assert sorted(entry.name for entry in (root / "heart").iterdir()) == [
        str(number) for number in range(1, 9)
    ]
    for number in range(1, 9):
        _require_whole(store, root, number)


def test_of_publishers_that_want_the_same_number_one_gets_it_and_the_others_are_told(
    model: Path, store: DirectoryStore, root: Path
) -> None:
    said = sorted(_race(model, root, 4, version=7))
    assert said[0] == "7"
    assert all(text.startswith("RefusedError Version 7 is published already") for text in said[1:])
    assert [entry.name for entry in (root / "heart").iterdir()] == ["7"]
    _require_whole(store, root, 7)


def _require_whole(store: DirectoryStore, root: Path, version: int) -> None:
    manifest = store.manifest("heart", version)
    found = {
        path.relative_to(root / f"heart/{version}").as_posix(): path.stat().st_size
        for path in (root / f"heart/{version}").rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }
    assert found == {entry.path: entry.size_bytes for entry in manifest.files}
    assert json.loads((root / f"heart/{version}/manifest.json").read_bytes())["version"] == version
