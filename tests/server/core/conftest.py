"""Servers that several tests share, since each takes seconds to start."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.server.core import models
from tests.server.core.running import RunningServer, config, start


@pytest.fixture(scope="session")
def zoo_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("zoo")
    models.save_tf1(root / "tf1")
    models.save_words(root / "words")
    models.save_slow(root / "slow")
    models.save_tflite(root / "lite")
    models.save_observer(root / "observer")
    for version in range(1, 4):
        models.save_versioned(root / "versioned", version)
    return root


@pytest.fixture(scope="session")
def zoo(zoo_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with one model of each kind; tests ask and change nothing."""
    directory = tmp_path_factory.mktemp("zoo-server")
    names = ("tf1", "words", "slow", "lite", "versioned")
    file = directory / "models.config"
    file.write_text(config(**{name: zoo_path / name for name in names}))
    server = start(
        directory,
        f"--model_config_file={file}",
        "--file_system_poll_wait_seconds=0",
        "--prefer_tflite_model",
        "--enable_grpc_healthcheck_service",
        "--max_num_load_retries=0",
    )
    try:
        for name in names:
            server.wait(name, {3 if name == "versioned" else 1: "AVAILABLE"})
        yield server
    finally:
        server.kill()


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., RunningServer]]:
    """Start servers that end with the test."""
    started: list[RunningServer] = []

    def start_one(*flags: str) -> RunningServer:
        directory = tmp_path / f"server-{len(started)}"
        directory.mkdir()
        started.append(start(directory, *flags))
        return started[-1]

    yield start_one
    for server in started:
        server.kill()
