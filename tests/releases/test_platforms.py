"""The commands on every platform's own stack file, in front of stand-ins for the clouds."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.config import Platform, read_stack_file
from tests.engine.harness import CHECKOUT
from tests.releases.platforms import Place, running_places, shared_desk
from tests.small_models import make_saved_model

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Platform], Place]]:
    with running_places(tmp_path_factory.mktemp) as started:
        yield started


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_saved_model(tmp_path_factory.mktemp("model") / "saved", tensorflow="2.15.1")


STACKS = sorted(
    path.name.split(".")[1]
    for path in CHECKOUT.glob("Pulumi.*.yaml")
    if read_stack_file(path).platform is not Platform.LOCAL and not read_stack_file(path).protected
)


def test_there_is_a_stack_file_for_every_platform() -> None:
    files = [read_stack_file(CHECKOUT / f"Pulumi.{stack}.yaml") for stack in STACKS]
    assert {file.platform for file in files} == set(Platform) - {Platform.LOCAL}


@pytest.mark.parametrize("stack", STACKS)
def test_a_release_goes_out_and_back_on_any_platform(
    stack: str, places: Callable[[Platform], Place], saved_model: Path, tmp_path: Path
) -> None:
    place = places(read_stack_file(CHECKOUT / f"Pulumi.{stack}.yaml").platform)
    desk = shared_desk(tmp_path / "desk", stack, place)

    # Our own stack files pass our own policies.
    desk.run("up", "--yes", "--policy-pack", str(CHECKOUT / "infra" / "policy"))
    bucket = desk.run("bucket").stdout.strip()
    place.make_bucket(bucket)
    for version in (1, 2):
        desk.publish(bucket, saved_model, version, *(["--archive"] if place.is_archived else []))

    released = desk.run("release", "heart=1", "--yes", "--message", "The first")
    assert "heart: not served → 1" in released.stderr
    desk.run("release", "heart=2", "--yes", *(["--canary", "20"] if place.has_canary else []))
    rolled = desk.run("rollback", "--yes")
    assert re.search(r"heart: .*2.* → 1", rolled.stderr), rolled.stderr

    history = json.loads(desk.run("history", "--json").stdout)
    assert [entry["models"]["heart"]["version"] for entry in history[:3:2]] == [1, 1]
    assert history[2]["message"] == "The first"
    states = {entry["model"]: entry for entry in json.loads(desk.run("status", "--json").stdout)}
    assert states["heart"]["deployed"]["version"] == 1
    assert states["heart"]["problem"] is None
