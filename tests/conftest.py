"""What holds for all tests, and the engine with throw-away projects for it."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.engine.harness import Project, create_project
from tools.engine.acquire import Engine, ensure_engine

pytest_plugins = ["tests.cluster.fixtures"]

# The tests start hundreds of processes; without this each would compile all that it imports anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A busy machine is no fault of the code under test; figures are taken in benchmarks/.
settings.register_profile("servestack", deadline=None)
settings.load_profile("servestack")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take minutes: at the end one process would wait for the other."""
    cluster = {item.path for item in items if item.get_closest_marker("cluster")}
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path not in cluster, item.path not in slow))


@pytest.fixture(scope="session")
def engine() -> Engine:
    return ensure_engine(environ=os.environ, progress=print)


@pytest.fixture
def make_project(engine: Engine, tmp_path: Path) -> Iterator[Callable[..., Project]]:
    """Make projects that are destroyed after the test; see `create_project` for the arguments."""
    made: list[Project] = []

    def make(**options: Any) -> Project:
        directory = tmp_path / f"project-{len(made)}"
        project = create_project(directory, engine, **{"environ": os.environ, **options})
        made.append(project)
        return project

    yield make
    for project in made:
        if project.up_ran:
            project.destroy()
