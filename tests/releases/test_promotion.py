"""The same files from one environment's bucket to another's, known by their digest."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from infra.releases.errors import OperationFailedError
from infra.releases.promotion import PROMOTED_FROM, copy, find, serving_version
from infra.releases.session import RefusedError, Session
from infra.storage.published import PublishedModels
from model_export import wire
from model_export.publish import publish
from model_export.store import open_store

MakeModel = Callable[..., Path]


@pytest.fixture
def make_model(tmp_path: Path) -> MakeModel:
    def make(name: str, weights: bytes) -> Path:
        document = wire.message("SavedModel")(saved_model_schema_version=1)
        graph = document.meta_graphs.add()
        graph.meta_info.tags.append("serve")
        signature = graph.signatures["serving_default"]
        signature.method_name = "tensorflow/serving/predict"
        directory = tmp_path / name
        directory.mkdir()
        (directory / "saved_model.pb").write_bytes(document.SerializeToString())
        (directory / "weights").write_bytes(weights)
        return directory

    return make


@pytest.fixture
def buckets(tmp_path: Path) -> tuple[PublishedModels, PublishedModels]:
    for name in ("dev", "prod"):
        (tmp_path / name).mkdir()
    return PublishedModels((tmp_path / "dev").as_uri()), PublishedModels(
        (tmp_path / "prod").as_uri()
    )


def put(bucket: PublishedModels, model: Path, version: int, **more: Any) -> None:
    publish(model, model="heart", store=open_store(bucket.url), version=version, **more)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    engine = SimpleNamespace(checkout=tmp_path)
    return cast("Session", SimpleNamespace(engine=engine, say=print))


def test_the_same_files_are_found_under_another_number(
    buckets: tuple[PublishedModels, PublishedModels], make_model: MakeModel
) -> None:
    dev, prod = buckets
    good, other = make_model("good", b"1"), make_model("other", b"2")
    put(dev, good, 7)
    put(prod, other, 7)
    put(prod, good, 3)
    found = find("heart", 7, dev, prod)
    assert found.version == 3
    assert find("heart", 7, dev, dev).version == 7


def test_what_is_not_there_is_copied_with_what_is_known_of_it(
    buckets: tuple[PublishedModels, PublishedModels], make_model: MakeModel, session: Session
) -> None:
    dev, prod = buckets
    put(dev, make_model("good", b"1"), 7, labels={"team": "ml"}, metrics={"accuracy": 0.875})
    found = find("heart", 7, dev, prod)
    assert found.version is None
    assert copy(session, found) == 7
    manifest = prod.verified("heart", 7)
    assert manifest.digest == found.manifest.digest
    assert manifest.labels == {"team": "ml", PROMOTED_FROM: f"{dev.url}/heart/7"}
    assert manifest.metrics == {"accuracy": 0.875}
    assert find("heart", 7, dev, prod).version == 7


def test_a_number_that_is_taken_by_other_files_gives_way(
    buckets: tuple[PublishedModels, PublishedModels], make_model: MakeModel, session: Session
) -> None:
    dev, prod = buckets
    put(dev, make_model("good", b"1"), 2)
    put(prod, make_model("other", b"2"), 2)
    assert copy(session, find("heart", 2, dev, prod)) == 3
    assert find("heart", 2, dev, prod).version == 3


def test_a_copy_that_fails_releases_nothing(
    buckets: tuple[PublishedModels, PublishedModels],
    make_model: MakeModel,
    session: Session,
    tmp_path: Path,
) -> None:
    dev, prod = buckets
    put(dev, make_model("good", b"1"), 2)
    found = find("heart", 2, dev, prod)
    (tmp_path / "prod").rmdir()
    with pytest.raises(OperationFailedError, match="was not copied"):
        copy(session, found)
    (tmp_path / "prod").mkdir()
    weights = tmp_path / "dev" / "heart" / "2" / "weights"
    weights.chmod(0o644)
    weights.write_bytes(b"X")
    with pytest.raises(OperationFailedError, match="was not copied"):
        copy(session, found)
    assert prod.versions("heart") == ()


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (None, "is not served on stack dev"),
        ({"version": None}, "is not served on stack dev"),
        ({"version": "latest"}, "nobody has decided"),
    ],
)
def test_only_a_version_that_somebody_decided_on_is_brought(
    output: dict[str, Any] | None, said: str
) -> None:
    with pytest.raises(RefusedError, match=said):
        serving_version({"models": {"heart": output} if output else {}}, "heart", "dev")
    assert serving_version({"models": {"heart": {"version": 4.0}}}, "heart", "dev") == 4
