"""Versions come and go by the rules, with loading and freeing as plain functions."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from local_model_server.domain import (
    AllVersions,
    Code,
    LatestVersions,
    ModelConfig,
    ServingError,
    SpecificVersions,
    VersionPolicy,
    VersionState,
)
from local_model_server.lifecycle import Loader
from local_model_server.manager import ModelManager
from local_model_server.servable import LoadedServable, Plan
from local_model_server.signatures import Binding


class EmptyServable(LoadedServable):
    """A version without a graph."""

    signatures: Mapping[str, Any] = {}

    def _new_plan(self, binding: Binding) -> Plan:
        raise NotImplementedError


class World:
    """A manager over real directories; which loads fail is the test's choice."""

    def __init__(self, base: Path, **options: Any) -> None:
        self.base = base
        self.broken: set[int] = set()
        self.loads: list[int] = []
        self.freed: list[int] = []
        self.traffic: dict[str, dict[int, int]] = {}
        loader = Loader(
            load=self._load,
            free=lambda servable: self.freed.append(servable.version),
            executor=ThreadPoolExecutor(2),
            max_retries=options.pop("retries", 0),
            retry_interval_seconds=options.pop("retry_seconds", 0.0),
        )
        self.manager = ModelManager(
            loader, file_system_poll_seconds=0, read_traffic=lambda: self.traffic, **options
        )

    def _load(self, name: str, version: int, path: str) -> LoadedServable:
        assert Path(path).is_dir()
        self.loads.append(version)
        if version in self.broken:
            raise ServingError(Code.DATA_LOSS, f"version {version} is broken")
        return EmptyServable(name, version, check_method=False)

    def publish(self, *names: object) -> None:
        for name in names:
            (self.base / str(name)).mkdir(parents=True)

    async def configure(self, policy: VersionPolicy | None = None, **labels: int) -> None:
        await self.manager.reload(
            [
                ModelConfig(
                    name="m",
                    base_path=str(self.base),
                    policy=policy or LatestVersions(),
                    labels=labels,
                )
            ]
        )

    def states(self) -> dict[int, str]:
        return {one.version: one.state.name for one in self.manager.statuses("m")}

    async def reach(self, states: dict[int, str]) -> None:
        async with asyncio.timeout(10):
            while self.states() != states:  # noqa: ASYNC110 - states are asked for, as by a client
                await asyncio.sleep(0.001)

    def answering(self, **choice: Any) -> int:
        with self.manager.lease("m", **choice) as servable:
            return servable.version


def in_world(test: Callable[[World], Awaitable[None]], path: Path, **options: Any) -> None:
    async def run() -> None:
        await test(World(path / "m", **options))

    asyncio.run(run())


@pytest.mark.parametrize(
    ("policy", "loaded"),
    [
        (LatestVersions(), {12}),
        (LatestVersions(count=2), {12, 7}),
        (AllVersions(), {12, 7, 3}),
        (SpecificVersions(versions=(3, 99)), {3}),
    ],
)
def test_a_policy_picks_from_the_numeric_directories(
    tmp_path: Path, policy: VersionPolicy, loaded: set[int]
) -> None:
    async def test(world: World) -> None:
        world.publish("0003", 7, 12, "writing-13", "x1", "-4")
        (world.base / "14").write_text("a file")
        await world.configure(policy)
        await world.reach(dict.fromkeys(loaded, "AVAILABLE"))

    in_world(test, tmp_path)


def test_a_new_version_is_available_before_the_old_one_goes(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        world.publish(1)
        await world.configure()
        world.publish(2)
        with world.manager.lease("m") as old:
            await world.manager.look()
            await world.reach({2: "AVAILABLE", 1: "UNLOADING"})
            assert world.answering() == 2
            assert (old.version, world.freed) == (1, [])
        await world.reach({2: "AVAILABLE", 1: "END"})
        assert world.freed == [1]

    in_world(test, tmp_path)


def test_a_version_that_fails_leaves_the_old_one_and_says_why(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        world.publish(1)
        await world.configure()
        world.broken.add(2)
        world.publish(2)
        await world.manager.look()
        await world.reach({2: "END", 1: "AVAILABLE"})
        (told,) = world.manager.statuses("m", version=2)
        assert (told.code, told.message) == (Code.DATA_LOSS, "version 2 is broken")
        assert world.answering() == 1
        await world.manager.look()
        await asyncio.sleep(0)
        assert world.loads == [1, 2]

    in_world(test, tmp_path)


def test_a_load_is_tried_again_as_often_as_the_flags_say(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        world.broken.add(1)
        world.publish(1)
        with pytest.raises(ServingError, match=r"did not become available.*version 1 is broken"):
            await world.configure()
        assert world.loads == [1, 1, 1]
        assert world.states() == {1: "END"}

    in_world(test, tmp_path, retries=2)


def test_the_reason_is_told_while_a_load_waits_for_its_next_attempt(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        world.broken.add(1)
        world.publish(1)
        configuring = asyncio.create_task(world.configure())
        while not world.loads:  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0.001)
        async with asyncio.timeout(10):
            while not world.manager.statuses("m")[0].message:  # noqa: ASYNC110 - likewise
                await asyncio.sleep(0.001)
        (told,) = world.manager.statuses("m")
        assert (told.state, told.code) == (VersionState.LOADING, Code.DATA_LOSS)
        (world.base / "1").rename(world.base / "gone")
        await world.manager.look()
        await world.reach({1: "END"})
        configuring.cancel()

    in_world(test, tmp_path, retries=5, retry_seconds=600.0)


def test_a_model_left_out_of_the_configuration_is_unloaded(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        world.publish(1)
        await world.configure()
        await world.manager.reload([])
        await world.reach({1: "END"})
        with pytest.raises(ServingError, match=r"Latest\(m\)"):
            world.answering()
        await world.configure()
        assert world.answering() == 1

    in_world(test, tmp_path)


def test_a_base_path_that_vanishes_changes_nothing(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        world.publish(1)
        await world.configure()
        world.base.rename(tmp_path / "elsewhere")
        await world.manager.look()
        assert world.answering() == 1

    in_world(test, tmp_path)


def test_a_label_may_not_name_what_is_not_available_and_then_nothing_changes(
    tmp_path: Path,
) -> None:
    async def test(world: World) -> None:
        world.publish(1, 2)
        await world.configure(SpecificVersions(versions=(1,)))
        for _ in range(2):
            with pytest.raises(ServingError, match="not currently available for inference") as no:
                await world.configure(SpecificVersions(versions=(1, 2)), stable=2)
            assert no.value.code is Code.FAILED_PRECONDITION
        assert world.states() == {1: "AVAILABLE"}
        await world.configure(SpecificVersions(versions=(1, 2)), stable=1)
        await world.reach({1: "AVAILABLE", 2: "AVAILABLE"})
        assert (world.answering(), world.answering(label="stable")) == (2, 1)
        await world.configure(SpecificVersions(versions=(1, 2)), stable=2)
        assert world.answering(label="stable") == 2

    in_world(test, tmp_path)


def test_the_flag_allows_a_new_label_early_but_never_moves_one_in_use(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        world.publish(1, 2)
        await world.configure(SpecificVersions(versions=(1,)), stable=1)
        with pytest.raises(ServingError, match="not currently available"):
            await world.configure(SpecificVersions(versions=(1, 2)), stable=2)
        await world.configure(SpecificVersions(versions=(1,)), stable=1, canary=2)
        with pytest.raises(ServingError, match=r"Specific\(m, 2\)"):
            world.answering(label="canary")

    in_world(test, tmp_path, allow_labels_for_unavailable=True)


def test_traffic_shares_are_exact_and_fall_back_to_what_is_there(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        world.publish(1, 2, 3)
        world.traffic = {"m": {1: 90, 2: 10}}
        await world.configure(AllVersions())
        await world.reach({3: "AVAILABLE", 2: "AVAILABLE", 1: "AVAILABLE"})
        answers = [world.answering() for _ in range(100)]
        assert (answers.count(1), answers.count(2)) == (90, 10)
        # A configuration that is only read again does not begin the hundred anew.
        answers = []
        for _ in range(100):
            await world.configure(AllVersions())
            answers.append(world.answering())
        assert (answers.count(1), answers.count(2)) == (90, 10)
        assert world.answering(version=3) == 3
        await world.configure(SpecificVersions(versions=(2, 3)))
        assert {world.answering() for _ in range(10)} == {2}
        await world.configure(SpecificVersions(versions=(3,)))
        assert {world.answering() for _ in range(10)} == {3}

    in_world(test, tmp_path)


def test_going_back_to_an_older_version_never_answers_with_the_newer_again(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        world.publish(1, 2)
        await world.configure(SpecificVersions(versions=(2,)))
        await world.configure(SpecificVersions(versions=(1,)))
        async with asyncio.timeout(10):
            while world.states().get(1) != "AVAILABLE":
                assert world.answering() == 2
                await asyncio.sleep(0)
        assert world.answering() == 1
        await world.reach({1: "AVAILABLE", 2: "END"})

    in_world(test, tmp_path)
