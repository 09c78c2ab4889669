"""Versions swapped one after the other while clients keep asking.

`./benchmarks/run swaps`; what is counted as a wrong answer, and why: docs/benchmarks.md.
"""

import argparse
import http.client
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

import grpc
import psutil
from machine import PROJECT_PYTHON, describe, free_ports, note
from records import heading, keep
from tensorflow_serving.apis import predict_pb2
from versions import save_version

CLIENTS: Final = 16
MEMORY_GOAL: Final = 1.2
# The same directory under two policies: `newest` holds one version, as by default, and is asked
# without a number; `pair` holds two, so that the one asked for by number stays through a swap.
NEWEST: Final = "newest"
PAIR: Final = "pair"
_REQUEST_SECONDS: Final = 10.0
_SWAP_SECONDS: Final = 60.0
_DWELL_SECONDS: Final = 0.3
_ROW_COUNT: Final = 3


@dataclass(kw_only=True)
class Truth:
    """What an answer may be: from the newest version known to serve to the newest published."""

    serving: int = 1
    published: int = 1
    over: threading.Event = field(default_factory=threading.Event)


@dataclass(kw_only=True)
class Tally:
    """What one client saw."""

    answers: int = 0
    failures: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    longest_seconds: float = 0.0


class Client(ABC):
    """Asks over one connection of its own; gives the version that each row of the answer tells."""

    @abstractmethod
    def ask(self, version: int | None) -> set[int]:
        """Ask for a version, or for whichever is served."""

    @abstractmethod
    def close(self) -> None:
        """Hang up."""


class RestClient(Client):
    """Keeps its connection alive, and takes a closed one for the failure that it is."""

    _BODY: Final = json.dumps({"instances": [0.0] * _ROW_COUNT})

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_REQUEST_SECONDS)

    def ask(self, version: int | None) -> set[int]:
        """Ask over REST."""
        path = f"/v1/models/{NEWEST if version is None else f'{PAIR}/versions/{version}'}:predict"
        self._connection.request("POST", path, self._BODY, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        body = response.read()
        if response.status != http.HTTPStatus.OK:
            raise OSError(f"status {response.status}: {body[:200]!r}")
        return set(json.loads(body)["predictions"])

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


class GrpcClient(Client):
    """Uses a channel of its own, without retries."""

    def __init__(self, port: int) -> None:
        self._channel = grpc.insecure_channel(
            f"127.0.0.1:{port}",
            options=[("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)],
        )
        self._call = self._channel.unary_unary(
            "/tensorflow.serving.PredictionService/Predict",
            request_serializer=predict_pb2.PredictRequest.SerializeToString,
            response_deserializer=predict_pb2.PredictResponse.FromString,
        )

    def ask(self, version: int | None) -> set[int]:
        """Ask over gRPC."""
        request = predict_pb2.PredictRequest()
        request.model_spec.name = NEWEST if version is None else PAIR
        if version is not None:
            request.model_spec.version.value = version
        tensor = request.inputs["x"]
        tensor.dtype = 1
        tensor.tensor_shape.dim.add(size=_ROW_COUNT)
        tensor.float_val.extend([0.0] * _ROW_COUNT)
        response = self._call(request, timeout=_REQUEST_SECONDS)
        # The specification in the answer must agree with the answer itself.
        told = {response.model_spec.version.value} if response.model_spec.version.value else set()
        return told | set(response.outputs["version"].int64_val)

    def close(self) -> None:
        """Hang up."""
        self._channel.close()


def insist(connect: Callable[[], Client], truth: Truth, tally: Tally) -> None:
    """Ask until it is over, by turns for a version by number and for the newest."""
    client = connect()
    by_number = False
    while not truth.over.is_set():
        by_number = not by_number
        least = truth.serving
        asked = time.perf_counter()
        try:
            told = client.ask(least if by_number else None)
        except (OSError, http.client.HTTPException, grpc.RpcError) as error:
            tally.failures.append(f"{type(error).__name__}: {error}"[:300])
            client.close()
            client = connect()
            time.sleep(0.05)
            continue
        most = least if by_number else truth.published
        tally.longest_seconds = max(tally.longest_seconds, time.perf_counter() - asked)
        tally.answers += 1
        if len(told) != 1 or not least <= min(told) <= most:
            tally.wrong.append(f"asked for {least} to {most}, got {sorted(told)}")
    client.close()


@contextmanager
def serving(directory: Path, base_path: Path) -> Iterator[tuple[psutil.Process, int, int]]:
    """Run the server on the directory under both policies; give its REST and gRPC ports."""
    config = directory / "models.txt"
    config.write_text(
        "model_config_list {\n"
        + "".join(
            f'  config {{ name: "{name}" base_path: "{base_path}" model_platform: "tensorflow" '
            f"model_version_policy {{ latest {{ num_versions: {count} }} }} }}\n"
            for name, count in ((NEWEST, 1), (PAIR, 2))
        )
        + "}\n"
    )
    rest_port, grpc_port = free_ports(2)
    log = directory / "log.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *(PROJECT_PYTHON, "-m", "local_model_server", f"--model_config_file={config}"),
                *(f"--port={grpc_port}", f"--rest_api_port={rest_port}"),
            ],
            cwd=directory,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        for name in (NEWEST, PAIR):
            wait_for(rest_port, name, 1)
        yield psutil.Process(process.pid), rest_port, grpc_port
    except TimeoutError as error:
        raise SystemExit(f"{error}\n{log.read_text(errors='replace')[-2000:]}") from error
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def wait_for(port: int, model: str, version: int) -> None:
    """Wait until a version serves."""
    deadline = time.monotonic() + _SWAP_SECONDS
    url = f"http://127.0.0.1:{port}/v1/models/{model}/versions/{version}"
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                if b'"AVAILABLE"' in response.read():
                    return
        except urllib.error.URLError:
            # Not listening, or not heard of the version yet.
            pass
        time.sleep(0.02)
    raise TimeoutError(f"version {version} of {model} does not serve after {_SWAP_SECONDS:g} s")


def memory_mb(process: psutil.Process) -> float:
    """Give the resident memory, the median of a second under load."""
    samples = []
    for _ in range(10):
        samples.append(process.memory_info().rss / 2**20)
        time.sleep(0.1)
    return median(samples)


def measure(directory: Path, swaps: int) -> dict[str, Any]:
    """Swap under load and count."""
    staging, base_path = directory / "staging", directory / "versions"
    staging.mkdir()
    base_path.mkdir()
    note(f"saving {swaps + 1} versions")
    for version in range(1, swaps + 2):
        save_version(staging, version)
    (staging / "1").rename(base_path / "1")
    truth = Truth()
    with serving(directory, base_path) as (process, rest_port, grpc_port):
        tallies = {
            "REST": [Tally() for _ in range(CLIENTS)],
            "gRPC": [Tally() for _ in range(CLIENTS)],
        }
        connects = {"REST": lambda: RestClient(rest_port), "gRPC": lambda: GrpcClient(grpc_port)}
        crowd = [
            threading.Thread(target=insist, args=(connects[protocol], truth, tally))
            for protocol, each in tallies.items()
            for tally in each
        ]
        began = time.monotonic()
        for thread in crowd:
            thread.start()
        seconds: list[float] = []
        memory: list[float] = []
        try:
            time.sleep(1)
            for version in range(2, swaps + 2):
                if version % 10 == 1:
                    note(f"{version - 1} of {swaps} swaps")
                truth.published = version
                published = time.monotonic()
                (staging / str(version)).rename(base_path / str(version))
                wait_for(rest_port, NEWEST, version)
                wait_for(rest_port, PAIR, version)
                seconds.append(time.monotonic() - published)
                truth.serving = version
                time.sleep(_DWELL_SECONDS)
                if version in {2, swaps + 1}:
                    memory.append(memory_mb(process))
        finally:
            truth.over.set()
            for thread in crowd:
                thread.join(2 * _REQUEST_SECONDS)
        lasted = time.monotonic() - began
    return {
        "swaps": swaps,
        "clients": {"REST": CLIENTS, "gRPC": CLIENTS},
        "seconds": round(lasted, 1),
        "median_swap_seconds": round(median(seconds), 2),
        "protocols": {
            protocol: {
                "answers": sum(tally.answers for tally in each),
                "failed": sum(len(tally.failures) for tally in each),
                "wrong": sum(len(tally.wrong) for tally in each),
                "longest_request_seconds": round(max(t.longest_seconds for t in each), 3),
                "examples": [text for t in each for text in (*t.failures, *t.wrong)][:5],
            }
            for protocol, each in tallies.items()
        },
        "memory_mb_after_first_swap": round(memory[0]),
        "memory_mb_after_last_swap": round(memory[-1]),
        "memory_ratio": round(memory[-1] / memory[0], 3),
    }


def report(about: dict[str, Any], seen: dict[str, Any]) -> str:
    """Write the result as Markdown."""
    lines = heading("Version swaps under load", about)
    lines += [
        "",
        (
            f"{seen['swaps']} swaps, {CLIENTS} REST and {CLIENTS} gRPC clients at the same time, "
            f"{seen['seconds']} s; a swap took {seen['median_swap_seconds']} s from the rename "
            "that publishes a version until it served (the server looks once a second)."
        ),
        "",
        "| | answers | failed (goal 0) | from a version not asked for (goal 0) | longest request |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {protocol} | {each['answers']:,} | {each['failed']} | {each['wrong']} | "
        f"{each['longest_request_seconds']} s |"
        for protocol, each in seen["protocols"].items()
    ]
    lines += [
        "",
        (
            f"Memory after the first swap {seen['memory_mb_after_first_swap']} MB, after the last "
            f"{seen['memory_mb_after_last_swap']} MB: ratio **{seen['memory_ratio']}** "
            f"(goal ≤ {MEMORY_GOAL})."
        ),
        "",
    ]
    examples = [text for each in seen["protocols"].values() for text in each["examples"]]
    return "\n".join([*lines, *(f"- {text}" for text in examples)])


def main() -> int:
    """Measure, print and keep the results."""
    parser = argparse.ArgumentParser(prog="./benchmarks/run swaps", description=__doc__)
    parser.add_argument("--swaps", type=int, default=50, help="default: %(default)s")
    arguments = parser.parse_args()
    # So that whoever ends the benchmark ends the server with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    about = describe(sys.argv, ("tensorflow", "grpcio"))
    with tempfile.TemporaryDirectory(prefix="servestack-benchmark-") as name:
        seen = measure(Path(name), arguments.swaps)
    text = report(about, seen)
    print(text)
    if arguments.swaps == parser.get_default("swaps"):
        keep("swaps", about | seen, text)
    bad = any(each["failed"] or each["wrong"] for each in seen["protocols"].values())
    return 1 if bad or seen["memory_ratio"] > MEMORY_GOAL else 0


if __name__ == "__main__":
    sys.exit(main())
