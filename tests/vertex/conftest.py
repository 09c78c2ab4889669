"""A server that speaks Vertex AI's protocol, and specs for it. Google's client takes seconds."""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.serving.vertex.specs import Place
from tests.vertex.stack import VertexStack, make_stack
from tools.engine.acquire import Engine

if TYPE_CHECKING:
    from tests.vertex.server.server import VertexServer


@pytest.fixture(scope="session")
def vertex_server(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[VertexServer]":
    with warnings.catch_warnings():
        # Google's client announces the end of each Python version.
        warnings.simplefilter("ignore", FutureWarning)
        # Imported here, since it loads that client.
        from tests.vertex.server.server import running_server  # noqa: PLC0415

    with running_server(tmp_path_factory.mktemp("vertex")) as server:
        # Read by gRPC when the first channel is opened, and by Google's default credentials.
        before = dict(os.environ)
        os.environ.update(server.credentials.environment)
        yield server
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture
def vertex(vertex_server: "VertexServer") -> "VertexServer":
    vertex_server.reset()
    return vertex_server


@pytest.fixture
def stack(engine: Engine, vertex: "VertexServer", tmp_path: Path) -> Iterator[VertexStack]:
    made = make_stack(tmp_path / "project", engine, vertex)
    yield made
    if made.project.up_ran:
        made.project.destroy()


@pytest.fixture
def place(vertex: "VertexServer") -> Place:
    return Place(project="example-ml", region="europe-west4", api_host=vertex.address)
