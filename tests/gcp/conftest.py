"""Stacks of Google Cloud for tests, and what all of them share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gcp.harness import GcpStack, MakeGcpStack, make_gcp_stack
from tools.engine.acquire import Engine


@pytest.fixture(scope="session")
def sdk_types(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the file in which the stand-ins keep what they read off the SDK."""
    return tmp_path_factory.mktemp("types") / "gcp.json"


@pytest.fixture
def make_stack(engine: Engine, sdk_types: Path, tmp_path: Path) -> Iterator[MakeGcpStack]:
    """Make stacks that are destroyed after the test."""
    made: list[GcpStack] = []

    def make(stack: str = "dev", **environ: str) -> GcpStack:
        directory = tmp_path / f"stack-{len(made)}"
        made.append(make_gcp_stack(directory, engine, stack, sdk_types, environ))
        return made[-1]

    yield make
    for stack in made:
        stack.end()
