"""A stack whose state is in a bucket, on the real engine and real servers of both protocols."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlencode

import pytest

from infra.config import Platform
from model_export.gcs_bucket import GcsBucket
from model_export.s3_bucket import S3Bucket
from tests.releases.go_storage import for_go
from tests.releases.platforms import Place, running_places, shared_desk
from tests.small_models import make_saved_model
from tests.stores.clouds import KINDS, Cloud, running_cloud

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.timeout(600)]


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with running_places(tmp_path_factory.mktemp) as started:
        yield started(Platform.KUBERNETES)


@dataclass(frozen=True)
class State:
    """An empty bucket for a state, and the environment that leads the engine to it."""

    cloud: Cloud
    bucket: str
    environment: dict[str, str]

    def objects(self) -> list[str]:
        """List what lies in it."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.cloud.environment().items():
                patch.setenv(name, value)
            bucket = (S3Bucket if self.cloud.kind == "s3" else GcsBucket)(self.bucket)
            return [entry.key for entry in bucket.objects("")]


@pytest.fixture(params=KINDS)
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[State]:
    with running_cloud(request.param, tmp_path) as cloud, for_go(cloud.endpoint) as address:
        name = cloud.make_bucket()
        if cloud.kind == "gs":
            url = f"gs://{name}"
            access = {
                "STORAGE_EMULATOR_HOST": address,
                "GOOGLE_OAUTH_ACCESS_TOKEN": "nobody asks for it",
            }
        else:
            access = cloud.environment()
            options = {"endpoint": cloud.endpoint, "region": "us-east-1", "s3ForcePathStyle": True}
            url = f"s3://{name}?{urlencode(options)}"
        yield State(cloud, name, {**access, "PULUMI_BACKEND_URL": url})


def test_a_stack_with_its_state_in_a_bucket_is_released_told_of_and_rolled_back(
    place: Place, state: State, tmp_path: Path
) -> None:
    desk = shared_desk(tmp_path / "desk", "kind", place)
    desk = replace(desk, environment={**desk.environment, **state.environment})
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
    lying = state.objects()
    assert ".pulumi/stacks/servestack/kind.json" in lying
    assert not any(key.startswith(".pulumi/locks/") for key in lying)
