"""The local server against what a user would pick instead, and against the bare call.

`./benchmarks/run serving`; what is measured, and what is fair about it: docs/benchmarks.md.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import tensorflow as tf
from figures import (
    IN_PROCESS,
    Ratio,
    Rounds,
    Subject,
    as_json,
    failures,
    rate_table,
    rates,
    ratio,
    ratio_table,
    shortest_p99s,
)
from load import Point, Protocol, measure
from machine import describe, note
from models import INPUT_NAME, OUTPUT_NAME, Model, make_dense, train_digits
from records import heading, keep
from running import Server, started, wait_until_right
from servers import OURS, PACKAGES, SETUPS

CLIENTS: Final = (1, 8, 64)
MODELS: Final = ("dense", "digits")
PROTOCOLS: Final[tuple[Protocol, ...]] = ("REST", "gRPC")
PEERS: Final = tuple(name for name in SETUPS if name != OURS)


class BareCall:
    """The yardstick: the signature called from one thread, its tensors made beforehand."""

    def __init__(self, model: Model) -> None:
        self._loaded: Any = tf.saved_model.load(str(model.path))
        self._signature = self._loaded.signatures["serving_default"]
        self._tensors = [tf.constant(images) for images in model.requests]
        self.expected = self._call(0)
        self.subject = Subject(
            model=model.name, server=IN_PROCESS, batching=False, protocol=None, clients=1
        )

    def measure(self, seconds: float) -> Point:
        """Call again and again."""
        for number in range(50):
            self._call(number)
        latencies: list[float] = []
        begin = last = time.perf_counter()
        while last < begin + seconds:
            self._call(len(latencies))
            now = time.perf_counter()
            latencies.append(now - last)
            last = now
        latencies.sort()
        p50, p90, p99 = (
            latencies[int(share * len(latencies))] * 1000 for share in (0.5, 0.9, 0.99)
        )
        return Point(
            requests_per_second=len(latencies) / (last - begin),
            p50_ms=p50,
            p90_ms=p90,
            p99_ms=p99,
            errors=0,
            first_error="",
        )

    def _call(self, number: int) -> Any:
        tensor = self._tensors[number % len(self._tensors)]
        return self._signature(**{INPUT_NAME: tensor})[OUTPUT_NAME].numpy()


def measure_model(
    model: Model, directory: Path, clients: dict[bool, tuple[int, ...]], arguments: Any
) -> Rounds:
    """Start every server with and without batching, then take rounds of points by turns.

    `clients` gives the numbers of clients without and with batching.
    """
    bare = BareCall(model)
    rounds: defaultdict[Subject, list[Point]] = defaultdict(list)
    with ExitStack() as stack:
        note(f"starting {', '.join(arguments.servers)} for {model.name}")
        servers: list[Server] = []
        for batching in clients:
            for name in arguments.servers:
                place = directory / f"{model.name}-{name}-{'batching' if batching else 'plain'}"
                place.mkdir()
                setup = SETUPS[name](model, place, batching=batching)
                servers.append(stack.enter_context(started(setup)))
        for server in servers:
            wait_until_right(server, bare.expected)
            server.pause()
        plan = [
            (
                Subject(
                    model=model.name,
                    server=server.setup.server,
                    batching=server.setup.batching,
                    protocol=protocol,
                    clients=count,
                ),
                server,
            )
            for server in servers
            for protocol in server.setup.doors
            for count in clients[server.setup.batching]
        ]
        for number in range(arguments.rounds):
            note(f"{model.name}: round {number + 1} of {arguments.rounds}")
            rounds[bare.subject].append(bare.measure(arguments.seconds))
            # Every other round backwards, so that drift within a round cancels out too.
            for subject, server in plan if number % 2 == 0 else reversed(plan):
                rounds[subject].append(_measure_alone(subject, server, arguments.seconds))
    return rounds


def _measure_alone(subject: Subject, server: Server, seconds: float) -> Point:
    assert subject.protocol is not None  # noqa: S101 tells mypy: only the bare call has none
    door = server.setup.doors[subject.protocol]
    server.resume()
    try:
        return measure(door, clients=subject.clients, seconds=seconds)
    finally:
        server.pause()


def compare(rounds: Rounds) -> list[Ratio]:
    """Work out every ratio that was measured for."""

    def which(
        model: str,
        servers: tuple[str, ...],
        protocol: Protocol | None,
        clients: int,
        *,
        batching: bool | None = None,
    ) -> list[Subject]:
        return [
            subject
            for subject in rounds
            if subject.model == model
            and subject.server in servers
            and subject.protocol == protocol
            and subject.clients == clients
            and batching in (None, subject.batching)
        ]

    found: list[Ratio] = []
    for model, protocol in ((m, p) for m in MODELS for p in PROTOCOLS):
        goal = 2.0 if (model, protocol) == ("dense", "REST") else None
        for count in CLIENTS:
            ours = which(model, (OURS,), protocol, count)
            peers = which(model, PEERS, protocol, count)
            if ours and peers:
                where = f"{model}, {protocol}, {count} clients"
                found += [
                    ratio(
                        f"{where}: rate, ours / best peer",
                        rates(rounds, ours),
                        rates(rounds, peers),
                        goal,
                    ),
                    ratio(
                        f"{where}: p99, shortest peer's / ours",
                        shortest_p99s(rounds, peers),
                        shortest_p99s(rounds, ours),
                    ),
                ]
    bare = {model: which(model, (IN_PROCESS,), None, 1) for model in MODELS}
    if over := which("dense", (OURS,), "gRPC", 8, batching=False):
        found.append(
            ratio(
                "dense, gRPC, 8 clients: rate, ours without batching / bare call in process",
                rates(rounds, over),
                rates(rounds, bare["dense"]),
                0.5,
            )
        )
    for protocol in PROTOCOLS:
        with_batching = which("digits", (OURS,), protocol, 64, batching=True)
        without = which("digits", (OURS,), protocol, 64, batching=False)
        if with_batching and without:
            found.append(
                ratio(
                    f"digits, {protocol}, 64 clients: rate, ours with batching / without",
                    rates(rounds, with_batching),
                    rates(rounds, without),
                    3.0,
                )
            )
    return found


def main() -> int:
    """Measure, print and keep the results."""
    parser = argparse.ArgumentParser(prog="./benchmarks/run serving", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument(
        "--seconds", type=float, default=1.5, help="counted time of each point (%(default)s)"
    )
    parser.add_argument(
        "--servers",
        nargs="+",
        choices=list(SETUPS),
        default=list(SETUPS),
        help="measure only these, and keep no results",
    )
    parser.add_argument(
        "--models", nargs="+", choices=("dense", "digits"), default=("dense", "digits")
    )
    arguments = parser.parse_args()
    # So that whoever ends the benchmark ends the servers with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    about = describe(sys.argv, PACKAGES)
    rounds: dict[Subject, list[Point]] = {}
    models: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="servestack-benchmark-") as name:
        directory = Path(name)
        if "dense" in arguments.models:
            dense = make_dense(directory)
            models[dense.name] = dense.about
            rounds |= measure_model(dense, directory, {False: CLIENTS, True: (8, 64)}, arguments)
        if "digits" in arguments.models:
            digits = train_digits(directory)
            models[digits.name] = digits.about
            rounds |= measure_model(digits, directory, {False: (64,), True: (64,)}, arguments)
    ratios = compare(rounds)
    report = _report(about, models, rounds, ratios)
    print(report)
    if len(arguments.servers) == len(SETUPS) and len(models) == 2:
        document = {
            **about,
            "models": models,
            "ratios": [vars(each) | {"value": each.value} for each in ratios],
            "points": as_json(rounds),
        }
        keep("serving", document, report)
    return 1 if any(each.errors for s, p in rounds.items() if s.server == OURS for each in p) else 0


def _report(
    about: dict[str, Any], models: dict[str, str], rounds: Rounds, ratios: list[Ratio]
) -> str:
    parts = heading("Serving: requests per second and latency", about)
    parts += ["", "## Ratios", "", ratio_table(ratios)]
    for model, text in models.items():
        [bare] = [s for s in rounds if s.model == model and s.server == IN_PROCESS]
        clients = sorted({s.clients for s in rounds if s.model == model and s != bare})
        calls = sorted(point.requests_per_second for point in rounds[bare])
        parts += ["", f"## {model}: {text}", ""]
        parts.append(f"The bare call in process, one thread: {calls[len(calls) // 2]:,.0f}/s.")
        for protocol in PROTOCOLS:
            parts += ["", f"### {model} over {protocol}", ""]
            parts.append(rate_table(rounds, model, protocol, clients))
    failed = failures(rounds)
    parts += ["", "## Failed requests", "", *(failed or ["None."]), ""]
    return "\n".join(parts)


if __name__ == "__main__":
    sys.exit(main())
