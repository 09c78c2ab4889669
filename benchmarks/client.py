"""`model_export.client` over gRPC against the bare stub of tensorflow-serving-api.

`./benchmarks/run client`; one process asks one server, in short turns, with the same images. The
bare stub is taken twice: as a program uses it that has arrays and wants arrays, and with requests
made beforehand and answers that nobody reads, which is as fast as it gets. The client always takes
arrays, asks for the types, keeps a deadline, and gives arrays back.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Any, Final

import grpc
import numpy as np
import tensorflow as tf
from figures import ratio, ratio_table
from machine import CACHE, PROJECT, PROJECT_PYTHON, describe, free_ports, note
from models import INPUT_NAME, OUTPUT_NAME, Model, make_dense
from records import heading, keep
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

sys.path.append(str(PROJECT))
from model_export.client import connect

GOAL: Final = 0.9
_THREADS: Final = (1, 8)
# Short turns, so that a machine that is busy for a while is busy for all of them.
_TURN_SECONDS: Final = 0.1
_TURNS_IN_A_ROUND: Final = 10
_OURS: Final = "model_export.client"
_ARRAYS: Final = "bare stub, arrays in and out"
_READY: Final = "bare stub, requests made beforehand, answers not read"

Ask = Callable[[Any], object]


@contextmanager
def served(model: Model, directory: Path) -> Iterator[str]:
    """Serve the model and give the address."""
    grpc_port, rest_port = free_ports(2)
    command: list[str | Path] = [PROJECT_PYTHON, "-m", "local_model_server"]
    command += [f"--port={grpc_port}", f"--rest_api_port={rest_port}"]
    command += [f"--model_name={model.name}", f"--model_base_path={model.base_path}"]
    with (directory / "log.txt").open("wb") as log:
        process = subprocess.Popen(command, cwd=PROJECT, stdout=log, stderr=log, env=os.environ)
    try:
        yield f"127.0.0.1:{grpc_port}"
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def subjects(model: Model, address: str) -> Iterator[dict[str, tuple[Ask, list[Any]]]]:
    """Give each way to ask, and what it is given in turn."""
    unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    channel = grpc.insecure_channel(address, options=unlimited)
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)

    def request(images: Any) -> Any:
        message = predict_pb2.PredictRequest()
        message.model_spec.name = model.name
        message.inputs[INPUT_NAME].CopyFrom(tf.make_tensor_proto(images))
        return message

    def arrays(images: Any) -> Any:
        answer = stub.Predict(request(images), timeout=60)
        return tf.make_ndarray(answer.outputs[OUTPUT_NAME])

    with connect(f"grpc://{address}", model=model.name) as client:

        def ours(images: Any) -> Any:
            return client.predict({INPUT_NAME: images}).outputs[OUTPUT_NAME]

        images = list(model.requests)
        deadline = time.monotonic() + 120
        while True:
            try:
                np.testing.assert_array_equal(ours(images[0]), arrays(images[0]))
                break
            except Exception:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        ready = [request(each) for each in images]
        yield {
            _OURS: (ours, images),
            _ARRAYS: (arrays, images),
            _READY: (lambda message: stub.Predict(message, timeout=60), ready),
        }
    channel.close()


def turn(ask: Ask, given: list[Any], threads: int) -> tuple[int, float]:
    """Ask with some threads for a while; give the number of requests and the seconds."""
    counts = [0] * threads
    begin = threading.Barrier(threads + 1)
    end = threading.Event()

    def loop(number: int) -> None:
        begin.wait()
        for each in cycle(given):
            if end.is_set():
                return
            ask(each)
            counts[number] += 1

    workers = [threading.Thread(target=loop, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    begin.wait()
    began = time.perf_counter()
    end.wait(_TURN_SECONDS)
    end.set()
    for worker in workers:
        worker.join()
    return sum(counts), time.perf_counter() - began


def round_of(ways: dict[str, tuple[Ask, list[Any]]], threads: int) -> dict[str, float]:
    """Let all take turns; give each one's requests per second."""
    counts, seconds = dict.fromkeys(ways, 0), dict.fromkeys(ways, 0.0)
    for number in range(_TURNS_IN_A_ROUND):
        for way in ways if number % 2 == 0 else reversed(ways):
            count, took = turn(*ways[way], threads)
            counts[way] += count
            seconds[way] += took
    return {way: round(counts[way] / seconds[way], 1) for way in ways}


def report(about: dict[str, Any], seen: dict[int, dict[str, list[float]]]) -> str:
    """Write the result as Markdown."""
    lines = heading("The gRPC client against the bare stub", about)
    lines += ["", "| threads | | requests a second, median of rounds |", "|---:|---|---:|"]
    ratios = []
    for threads, each in seen.items():
        for name, rates in each.items():
            lines.append(f"| {threads} | {name} | {median(rates):,.0f} |")
        for name in (_ARRAYS, _READY):
            text = f"{threads} threads: client / {name}"
            ratios.append(ratio(text, each[_OURS], each[name], GOAL))
    return "\n".join([*lines, "", ratio_table(ratios), ""])


def main() -> int:
    """Measure, print and keep the results."""
    parser = argparse.ArgumentParser(prog="./benchmarks/run client", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="default: %(default)s")
    arguments = parser.parse_args()
    about = describe(sys.argv, ("grpcio", "tensorflow-serving-api", "tensorflow"))
    CACHE.mkdir(exist_ok=True)
    seen: dict[int, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory(prefix="client-", dir=CACHE) as name:
        model = make_dense(Path(name))
        with served(model, Path(name)) as address, subjects(model, address) as ways:
            for threads in _THREADS:
                seen[threads] = {way: [] for way in ways}
                for number in range(arguments.rounds):
                    note(f"{threads} threads: round {number + 1} of {arguments.rounds}")
                    for way, rate in round_of(ways, threads).items():
                        seen[threads][way].append(rate)
    text = report(about, seen)
    print(text)
    if arguments.rounds == parser.get_default("rounds"):
        keep("client", about | {"requests_per_second": seen}, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
