"""One real model server for all tests of predictions, and the two ways into it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.server.core.running import RunningServer


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[RunningServer]":
    """Serve a model of each kind; two versions of one of them, the older labelled stable."""
    # TensorFlow, which takes seconds to import, only when a test here runs.
    from tests.server.core import models, running  # noqa: PLC0415

    directory = tmp_path_factory.mktemp("prediction")
    models.save_tf1(directory / "tf1")
    models.save_words(directory / "words")
    models.save_slow(directory / "slow")
    models.save_observer(directory / "observer")
    for version in (1, 2):
        models.save_versioned(directory / "versioned", version)
    names = ("tf1", "words", "slow", "observer")
    config = directory / "models.config"
    text = running.config(**{name: directory / name for name in names})
    config.write_text(
        text.removesuffix("}")
        + f"""config {{ name: "versioned" base_path: "{directory / "versioned"}"
             model_platform: "tensorflow" model_version_policy {{ all {{}} }}
             version_labels {{ key: "stable" value: 1 }} }} }}"""
    )
    started = running.start(
        directory,
        f"--model_config_file={config}",
        "--allow_version_labels_for_unavailable_models",
        "--file_system_poll_wait_seconds=0",
    )
    try:
        for name in names:
            started.wait(name, {1: "AVAILABLE"})
        started.wait("versioned", {1: "AVAILABLE", 2: "AVAILABLE"})
        yield started
    finally:
        started.kill()


@pytest.fixture(params=["REST", "gRPC"])
def endpoint(request: pytest.FixtureRequest, server: "RunningServer") -> str:
    """Give each of the server's two doors in turn."""
    if request.param == "REST":
        return f"http://127.0.0.1:{server.rest_port}"
    return f"grpc://127.0.0.1:{server.grpc_port}"
