"""A stack whose state is in a bucket, on the real engine and a real S3 server."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import pytest

from infra.config import Platform
from tests.releases.platforms import Place, running_places, shared_desk
from tests.small_models import make_saved_model
from tests.stores.clouds import Cloud, running_cloud

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.timeout(600)]


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with running_places(tmp_path_factory.mktemp) as started:
        yield started(Platform.KUBERNETES)


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    with running_cloud("s3", tmp_path) as running:
        yield running


def backend_in(cloud: Cloud) -> str:
    options = {"endpoint": cloud.endpoint, "region": "us-east-1", "s3ForcePathStyle": "true"}
    return f"s3://{cloud.make_bucket()}?{urlencode(options)}"


def test_a_stack_with_its_state_in_a_bucket_is_released_told_of_and_rolled_back(
    place: Place, cloud: Cloud, tmp_path: Path
) -> None:
    desk = shared_desk(tmp_path / "desk", "kind", place)
    state = {**cloud.environment(), "PULUMI_BACKEND_URL": backend_in(cloud)}
    desk = replace(desk, environment={**desk.environment, **state})
    saved = make_saved_model(tmp_path / "saved", tensorflow="2.15.1")

    desk.run("up", "--yes")
    bucket = desk.run("bucket").stdout.strip()
    place.make_bucket(bucket)
    for version in (1, 2):
        desk.publish(bucket, saved, version)
    desk.run("release", "heart=1", "--yes", "--message", "The first")
    desk.run("release", "heart=2", "--yes")
    rolled = desk.run("rollback", "--yes")
    assert "heart: 2 → 1" in rolled.stderr

    history = json.loads(desk.run("history", "--json").stdout)
    assert [entry["models"]["heart"]["version"] for entry in history[:3]] == [1, 2, 1]
    assert history[2]["message"] == "The first"
    states = {entry["model"]: entry for entry in json.loads(desk.run("status", "--json").stdout)}
    assert states["heart"]["deployed"]["version"] == 1
