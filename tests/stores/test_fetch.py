"""A version comes back whole from every kind of store, or not at all."""

import fcntl
import os
import resource
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from model_export import fetch as fetch_module
from model_export.errors import ModelExportError, RefusedError
from model_export.fetch import fetch
from model_export.manifest import Manifest
from model_export.publish import publish
from model_export.store import Store

MakeModel = Callable[..., Path]
_WEIGHTS = "variables/variables.data-00000-of-00001"


@dataclass
class _Counting:
    """A store that notes what is read of it, and may hand out something else."""

    store: Store
    read_paths: list[tuple[str, int]] = field(default_factory=list)
    spoil: Callable[[bytes], bytes] = bytes

    @property
    def url(self) -> str:
        return self.store.url

    def manifest(self, model: str, version: int) -> Manifest:
        return self.store.manifest(model, version)

    def read(self, model: str, version: int, path: str, start: int, count: int) -> bytes:
        self.read_paths.append((path, start))
        return self.spoil(self.store.read(model, version, path, start, count))


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_module, "PIECE_BYTES", 1000)


@pytest.fixture
def published(store: Store, make_model: MakeModel) -> tuple[Store, Path]:
    """Give a store with a version of some pieces, and the model that it was."""
    model = make_model(weights=os.urandom(5500))
    publish(model, model="heart", store=store)
    return store, model


def _contents(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }


def test_a_version_comes_back_byte_for_byte(published: tuple[Store, Path], tmp_path: Path) -> None:
    store, model = published
    pieces: list[int] = []
    manifest = fetch(store, "heart", 1, tmp_path / "new/fetched", advance=pieces.append)
    assert _contents(tmp_path / "new/fetched") == _contents(model)
    assert sum(pieces) == manifest.size_bytes
    assert list((tmp_path / "new").iterdir()) == [tmp_path / "new/fetched"]


def test_an_interrupted_fetch_leaves_nothing_to_see_and_the_next_goes_on(
    published: tuple[Store, Path], tmp_path: Path
) -> None:
    store, model = published

    def interrupt(_: int) -> None:
        if (tmp_path / ".fetched.fetching" / _WEIGHTS).exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(store, "heart", 1, tmp_path / "fetched", advance=interrupt)
    assert not (tmp_path / "fetched").exists()
    weights = tmp_path / ".fetched.fetching" / _WEIGHTS
    weights.write_bytes((model / _WEIGHTS).read_bytes()[:2345])
    counting = _Counting(store)
    fetch(counting, "heart", 1, tmp_path / "fetched")  # type: ignore[arg-type]
    assert _contents(tmp_path / "fetched") == _contents(model)
    assert sorted(counting.read_paths)[-4:] == [(_WEIGHTS, n) for n in (2000, 3000, 4000, 5000)]
    assert all(start >= 2000 for path, start in counting.read_paths if path == _WEIGHTS)


def test_what_an_earlier_fetch_of_another_version_left_is_not_used(
    published: tuple[Store, Path], tmp_path: Path
) -> None:
    store, model = published
    weights = tmp_path / ".fetched.fetching" / _WEIGHTS
    weights.parent.mkdir(parents=True)
    weights.write_bytes(bytes(5500))
    (tmp_path / ".fetched.fetching.json").write_bytes(b"another manifest")
    fetch(store, "heart", 1, tmp_path / "fetched")
    assert _contents(tmp_path / "fetched") == _contents(model)


@pytest.mark.parametrize("spoil", [lambda piece: piece[:-1], lambda piece: bytes(len(piece))])
def test_bytes_that_are_not_the_manifests_are_refused_and_fetched_again(
    published: tuple[Store, Path], tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    store, model = published
    with pytest.raises(ModelExportError, match="does not have the bytes that its manifest tells"):
        fetch(_Counting(store, spoil=spoil), "heart", 1, tmp_path / "fetched")  # type: ignore[arg-type]
    assert not (tmp_path / "fetched").exists()
    fetch(store, "heart", 1, tmp_path / "fetched")
    assert _contents(tmp_path / "fetched") == _contents(model)


def test_an_empty_directory_is_filled_and_a_full_one_is_refused(
    published: tuple[Store, Path], tmp_path: Path
) -> None:
    store, model = published
    (tmp_path / "fetched").mkdir()
    fetch(store, "heart", 1, tmp_path / "fetched")
    with pytest.raises(RefusedError, match="is not an empty directory"):
        fetch(store, "heart", 1, tmp_path / "fetched")
    assert _contents(tmp_path / "fetched") == _contents(model)


def test_of_two_fetches_to_one_directory_the_later_is_refused(
    published: tuple[Store, Path], tmp_path: Path
) -> None:
    store, _ = published
    with (tmp_path / ".fetched.fetching.json").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(RefusedError, match="is being fetched by another command"):
            fetch(store, "heart", 1, tmp_path / "fetched")


def test_a_full_disk_is_named_and_leaves_nothing_to_see(
    published: tuple[Store, Path], tmp_path: Path
) -> None:
    store, model = published
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, limits[1]))
    try:
        with pytest.raises(ModelExportError, match=r"Cannot write .*: File too large"):
            fetch(store, "heart", 1, tmp_path / "fetched")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (tmp_path / "fetched").exists()
    fetch(store, "heart", 1, tmp_path / "fetched")
    assert _contents(tmp_path / "fetched") == _contents(model)
