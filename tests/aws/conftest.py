"""One AWS for all tests of a process, emptied for each stack, and stacks in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.aws.harness import AwsStack, make_aws_stack
from tests.aws.moto_server import empty, moto_server
from tests.small_models import make_saved_model
from tools.engine.acquire import Engine


@pytest.fixture(scope="session")
def aws_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with moto_server(tmp_path_factory.mktemp("moto")) as url:
        yield url


@pytest.fixture(scope="session")
def aws_types(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the file in which the stand-in keeps what it read off the SDK."""
    return tmp_path_factory.mktemp("types") / "aws.json"


@pytest.fixture(scope="module")
def stack(
    engine: Engine, aws_url: str, aws_types: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AwsStack]:
    """One stack for a module, since each run of the engine costs seconds."""
    empty(aws_url)
    directory = tmp_path_factory.mktemp("aws") / "stack"
    made = make_aws_stack(directory, engine, "aws-dev", aws_url, aws_types)
    yield made
    made.faults({})
    if made.up_ran:
        made.destroy()


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a small valid SavedModel, exported by a TensorFlow that SageMaker has an image of."""
    return make_saved_model(
        tmp_path_factory.mktemp("model") / "saved",
        tensorflow="2.18.1",
        files={"variables/variables.data-00000-of-00001": b"weights"},
    )
