"""What a deployed model answers, and the container that Vertex AI would run, run here."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from infra.serving.settings import BatchingSettings, ServingSettings
from infra.serving.vertex.api import VertexApi
from infra.serving.vertex.container import tf_serving_container
from infra.serving.vertex.specs import ContainerSpec, Place
from model_export.client import connect
from tests.vertex.specs import ENDPOINT_ID
from tests.vertex.test_wire import deployed

if TYPE_CHECKING:
    from tests.vertex.server.server import VertexServer

pytestmark = pytest.mark.slow

BODY = {"instances": [{"x": 1.0}]}


def test_a_deployed_model_answers_over_grpc_and_rest(vertex: "VertexServer", place: Place) -> None:
    deployed(VertexApi(place), place, 1)
    with connect(f"vertex://example-ml/europe-west4/{ENDPOINT_ID}?host={vertex.address}") as client:
        assert client.predict([{"x": 1.0}, {"x": 2.0}]).rows() == (1, 1)
    url = f"https://{vertex.rest_address}/v1/{place.endpoint(ENDPOINT_ID)}:rawPredict"
    roots = vertex.credentials.environment["REQUESTS_CA_BUNDLE"]
    token = {"Authorization": "Bearer token"}
    answer = requests.post(url, json=BODY, headers=token, verify=roots, timeout=10)
    assert answer.json() == {"predictions": [{"version": 1}]}
    assert requests.post(url, json=BODY, verify=roots, timeout=10).status_code == 401


def test_googles_own_client_predicts_in_both_of_its_ways(
    vertex: "VertexServer", place: Place
) -> None:
    from infra.serving.vertex.library import v1  # noqa: PLC0415 slow

    deployed(VertexApi(place), place, 1)
    for transport, host in (("grpc", vertex.address), ("rest", vertex.rest_address)):
        client = v1.PredictionServiceClient(
            transport=transport, client_options={"api_endpoint": host}
        )
        answer = client.predict(endpoint=place.endpoint(ENDPOINT_ID), instances=[{"x": 1.0}])
        assert [dict(entry) for entry in answer.predictions] == [{"version": 1}]
        client.transport.close()


# The container.


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a directory of two versions, each of which answers with its number."""
    import tensorflow as tf  # noqa: PLC0415 - seconds, and only for who needs a model

    directory = tmp_path_factory.mktemp("models")
    for version in (2, 3):
        module = tf.Module()
        signature = tf.function(
            lambda x, version=version: {"version": tf.zeros_like(x) + version},
            input_signature=[tf.TensorSpec([None], tf.float32, name="x")],
        )
        module.answer = signature
        saved = directory / "heart" / str(version)
        tf.saved_model.save(module, str(saved), signatures={"serving_default": signature})
    return directory


def container_of(models: Path, **settings: Any) -> ContainerSpec:
    """Give the container as a plan would, but with a directory for the bucket."""
    asked = ServingSettings(
        model="heart",
        base_path=f"{models}/heart",
        versions=(2,),
        rest_port=0,
        grpc_port=0,
        **settings,
    )
    return tf_serving_container(asked, image="example", size_bytes=1_000)


@contextmanager
def running(spec: ContainerSpec, directory: Path) -> Iterator[str]:
    """Run the container's command as Vertex AI does, with this project's server in it.

    Its ports are others than in a container of its own.
    """
    program = directory / "tensorflow_model_server"
    program.write_text(f'#!/bin/bash\nexec {sys.executable} -m local_model_server "$@"\n')
    program.chmod(0o755)
    rest, grpc = free_port(), free_port()
    moved = [
        arg.replace(f"={spec.port}", f"={rest}").replace("--port=8500", f"--port={grpc}")
        for arg in spec.args
    ]
    process = subprocess.Popen(
        [*spec.command, *moved],
        env={**os.environ, "PATH": f"{directory}:{os.environ['PATH']}", **spec.env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        until = time.monotonic() + 120
        while True:
            with suppress(requests.ConnectionError):
                if requests.get(f"http://127.0.0.1:{rest}{spec.health_route}", timeout=5).ok:
                    break
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < until
            time.sleep(0.1)
        yield f"http://127.0.0.1:{rest}"
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_containers_command_serves_exactly_the_version_on_the_routes_it_names(
    models: Path, tmp_path: Path
) -> None:
    batching = BatchingSettings(
        max_batch_size=8, batch_timeout_micros=1_000, max_enqueued_batches=10, num_batch_threads=2
    )
    spec = container_of(models, batching=batching, intra_op_threads=1)
    with running(spec, tmp_path) as address:
        # Healthy means that the next request is answered.
        body = json.dumps({"instances": [0.0]})
        answer = requests.post(f"{address}{spec.predict_route}", data=body, timeout=10)
        assert answer.json() == {"predictions": [2.0]}
        # A server with another version is not taken for healthy.
        other = spec.health_route.replace("/versions/2/", "/versions/3/")
        assert requests.get(f"{address}{other}", timeout=10).status_code == 404
