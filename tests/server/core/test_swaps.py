"""Versions are swapped under load, and nothing is lost."""

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import numpy as np
import psutil
import pytest
from tensorflow_serving.apis import prediction_service_pb2_grpc

from tests.server.core import models
from tests.server.core.running import RunningServer, config, predict_request, start, until

pytestmark = pytest.mark.slow

StartServer = Callable[..., RunningServer]


@dataclass
class Load:
    """Clients that ask as fast as they are answered, half by gRPC and half by REST."""

    server: RunningServer
    model: str
    stop: bool = False
    failures: list[str] = field(default_factory=list)
    # When each request was sent and answered, and by which version.
    answers: list[tuple[float, float, int]] = field(default_factory=list)

    async def run(self, clients: int) -> None:
        await asyncio.gather(
            *(self._rpc() if number % 2 else self._rest() for number in range(clients))
        )

    async def _rpc(self) -> None:
        request = predict_request(self.model, {"x": np.zeros(1, np.float32)})
        async with grpc.aio.insecure_channel(
            f"127.0.0.1:{self.server.grpc_port}", options=[("grpc.use_local_subchannel_pool", 1)]
        ) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            while not self.stop:
                sent = time.monotonic()
                try:
                    answer = await stub.Predict(request, timeout=30)
                except grpc.RpcError as error:
                    self.failures.append(f"gRPC {error}")
                    continue
                version = int(answer.outputs["version"].float_val[0])
                assert answer.model_spec.version.value == version
                self.answers.append((sent, time.monotonic(), version))

    async def _rest(self) -> None:
        body = b'{"instances": [0.0]}'
        head = (
            f"POST /v1/models/{self.model}:predict HTTP/1.1\r\nHost: localhost\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.rest_port)
        while not self.stop:
            sent = time.monotonic()
            writer.write(head + body)
            top = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1])
                for line in top.split(b"\r\n")
                if line.lower().startswith(b"content-length")
            )
            document = json.loads(await reader.readexactly(length))
            if b" 200 " not in top.split(b"\r\n")[0]:
                self.failures.append(f"REST {document}")
                continue
            version = int(document["predictions"][0]["version"])
            self.answers.append((sent, time.monotonic(), version))
        writer.close()


def more_than(load: Load, count: int) -> Callable[[], bool]:
    return lambda: len(load.answers) > count


async def swap_under_load(
    server: RunningServer, base: Path, *, model: str, swaps: int, clients: int
) -> tuple[Load, int, int]:
    """Publish version after version; give the load and the memory after the first and last."""
    load = Load(server, model)
    running = asyncio.create_task(load.run(clients))
    process = psutil.Process(server.process.pid)
    first = last = 0
    for version in range(2, swaps + 2):
        await asyncio.to_thread(models.save_versioned, base, version, ballast_mb=8)
        wanted = {version: "AVAILABLE", version - 1: "END"}
        await asyncio.to_thread(server.wait, model, wanted)
        available = time.monotonic()
        answered = len(load.answers)
        await asyncio.to_thread(until, more_than(load, answered + 2 * clients), "answers")
        late = {seen for sent, _, seen in load.answers[answered:] if sent > available}
        assert late <= {version}
        last = process.memory_info().rss
        first = first or last
    load.stop = True
    await running
    return load, first, last


class Changing:
    """A server whose configuration file is read every second; each test adds its own model."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.models: dict[str, str] = {}
        self.file = directory / "models.config"
        self.configure()
        self.server = start(
            directory,
            f"--model_config_file={self.file}",
            "--model_config_file_poll_wait_seconds=1",
            "--max_num_load_retries=0",
        )

    def configure(self, **models_: str | None) -> None:
        """Add models, each with what its entry says beside its name; None takes one out."""
        for name, more in models_.items():
            self.models.pop(name, None)
            if more is not None:
                self.models[name] = (
                    f'config {{ name: "{name}" base_path: "{self.base(name)}" '
                    f'model_platform: "tensorflow" {more} }}'
                )
        # Renamed, since the server may be reading.
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"model_config_list {{ {' '.join(self.models.values())} }}")
        fresh.rename(self.file)

    def base(self, name: str) -> Path:
        return self.directory / name


@pytest.fixture(scope="module")
def changing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Changing]:
    made = Changing(tmp_path_factory.mktemp("changing"))
    yield made
    made.server.kill()


def test_fifty_swaps_under_load_fail_no_request_and_answer_with_no_wrong_version(
    changing: Changing,
) -> None:
    model, swaps, clients = "swapped", 50, 16
    models.save_versioned(changing.base(model), 1, ballast_mb=8)
    changing.configure(**{model: ""})
    changing.server.wait(model, {1: "AVAILABLE"})
    load, first, last = asyncio.run(
        swap_under_load(
            changing.server, changing.base(model), model=model, swaps=swaps, clients=clients
        )
    )
    assert load.failures == []
    assert {seen for _, _, seen in load.answers} == set(range(1, swaps + 2))
    assert last <= 1.2 * first, f"{first / 2**20:.0f} MiB became {last / 2**20:.0f} MiB"


def test_a_damaged_version_leaves_the_old_one_serving_and_says_why(changing: Changing) -> None:
    base = changing.base("damaged")
    whole = models.save_versioned(base, 1)
    changing.configure(damaged="")
    changing.server.wait("damaged", {1: "AVAILABLE"})
    graph = (whole / "saved_model.pb").read_bytes()
    for version, content in {2: graph[: len(graph) // 2], 3: b"", 4: None}.items():
        directory = base / f"writing-{version}"
        directory.mkdir()
        if content is not None:
            (directory / "saved_model.pb").write_bytes(content)
        directory.rename(base / str(version))
        changing.server.wait("damaged", {1: "AVAILABLE", version: "END"})
        status, document = changing.server.rest(f"damaged/versions/{version}")
        assert status == 200
        told = document["model_version_status"][0]["status"]
        assert told["error_code"] != "OK"
        assert str(base / str(version)) in told["error_message"]
        answer = changing.server.predict("damaged", {"x": np.zeros(1, np.float32)})
        assert answer.model_spec.version.value == 1


def test_a_version_is_warmed_up_before_it_is_offered_and_fails_with_its_warm_up(
    changing: Changing,
) -> None:
    for version, (alias, count) in {1: ("x", 1), 2: ("y", 1), 3: ("x", 1_001)}.items():
        path = models.save_versioned(changing.base("warmed"), version)
        models.add_warmup(path, "warmed", {alias: np.zeros(1, np.float32)}, count=count)
    changing.configure(warmed="model_version_policy { all {} }")
    changing.server.wait("warmed", {1: "AVAILABLE", 2: "END", 3: "END"})
    reasons = {
        one["version"]: one["status"]["error_message"]
        for one in changing.server.rest("warmed")[1]["model_version_status"]
    }
    assert "Missing but required: {x}" in reasons["2"]
    assert "Number of warmup records exceeds the maximum (1000)" in reasons["3"]


def test_the_configuration_follows_its_file_and_the_reload_call(changing: Changing) -> None:
    server = changing.server
    models.save_versioned(changing.base("one"), 1)
    models.save_versioned(changing.base("two"), 1)
    changing.configure(one="", two="confg {}")
    until(lambda: "confg" in server.log.read_text(), "the mistake in the log")
    assert server.states("one") == {}
    changing.configure(two="")
    server.wait("one", {1: "AVAILABLE"})
    server.wait("two", {1: "AVAILABLE"})
    changing.configure(one=None)
    server.wait("one", {1: "END"})
    # The call is good until the file is read again, which it is every second.
    assert server.reload(config(one=changing.base("one"))).status.error_code == 0
    server.wait("two", {1: "AVAILABLE"})
    with pytest.raises(grpc.RpcError) as caught:
        server.reload("")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_sigterm_lets_running_requests_end_and_then_exits_with_0(
    start_server: StartServer, zoo_path: Path
) -> None:
    server = start_server("--model_name=slow", f"--model_base_path={zoo_path / 'slow'}")
    server.wait("slow", {1: "AVAILABLE"})
    started = server.prediction.Predict.future(
        predict_request("slow", {"steps": 200_000}), timeout=60
    )
    # The request is in the server's hands once another one after it was answered.
    server.predict("slow", {"steps": 1})
    assert server.stop() == 0
    assert started.result().outputs["steps"].int_val[0] == 200_000
    assert "Stopped" in server.log.read_text()


def test_a_port_in_use_is_one_clear_line(start_server: StartServer) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        server = start_server(
            f"--rest_api_port={port}", "--model_name=m", "--model_base_path=/nowhere"
        )
        assert server.process.wait(30) == 1
    assert server.log.read_text() == (
        f"--rest_api_port: port {port} on 127.0.0.1 is in use; stop what uses it or name another\n"
    )


def test_a_label_for_an_unloaded_version_keeps_the_server_from_starting(
    start_server: StartServer, tmp_path: Path
) -> None:
    models.save_versioned(tmp_path / "m", 1)
    file = tmp_path / "models.config"
    file.write_text(
        config(m=tmp_path / "m").replace(
            'platform: "tensorflow"',
            'platform: "tensorflow" version_labels { key: "stable" value: 1 }',
        )
    )
    server = start_server(f"--model_config_file={file}")
    assert server.process.wait(60) == 1
    assert "Request to assign label to version 1 of model m" in server.log.read_text()
