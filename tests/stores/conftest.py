"""One server of each kind for all tests, a bucket for each test, and small SavedModels."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from model_export.store import Store, open_store
from tests.small_models import make_saved_model
from tests.stores.clouds import ALL_KINDS, KINDS, Cloud, Kind, running_cloud

MakeModel = Callable[..., Path]


@pytest.fixture(scope="session")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Kind], Cloud]]:
    """Start each server when it is first asked for."""
    with ExitStack() as stack:
        running: dict[Kind, Cloud] = {}

        def start(kind: Kind) -> Cloud:
            if kind not in running:
                directory = tmp_path_factory.mktemp(kind)
                running[kind] = stack.enter_context(running_cloud(kind, directory))
            return running[kind]

        yield start


@pytest.fixture(params=KINDS)
def cloud(
    request: pytest.FixtureRequest,
    clouds: Callable[[Kind], Cloud],
    monkeypatch: pytest.MonkeyPatch,
) -> Cloud:
    """Give each kind of server in turn, with the environment that leads to it."""
    found = clouds(request.param)
    for name, value in found.environment().items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture(params=["directory", *ALL_KINDS])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give an empty place for a store, of each kind in turn."""
    if request.param == "directory":
        (tmp_path / "store").mkdir()
        return str(tmp_path / "store")
    cloud: Cloud = request.getfixturevalue("clouds")(request.param)
    monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    for name, value in cloud.environment().items():
        monkeypatch.setenv(name, value)
    return f"{cloud.scheme}://{cloud.make_bucket()}/models"


@pytest.fixture
def store(store_url: str) -> Store:
    """Give an empty store, of each kind in turn."""
    return open_store(store_url)


@pytest.fixture
def make_model(tmp_path: Path) -> MakeModel:
    """Give a function that writes a SavedModel directory; `weights` tells models apart."""

    def make(name: str = "model", *, weights: bytes = b"weights") -> Path:
        files = {
            "assets/naïve words.txt": b"words",
            "assets/empty": b"",
            "variables/variables.data-00000-of-00001": weights,
        }
        return make_saved_model(tmp_path / name, files=files)

    return make


@pytest.fixture
def model(make_model: MakeModel) -> Path:
    """Give a small valid SavedModel."""
    return make_model()
