"""`model-export publish` against the clouds' own copy tools, over the same local object stores.

`./benchmarks/run publish`; what is measured, and what is fair about it: docs/benchmarks.md.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from figures import Ratio, ratio, ratio_table
from machine import CACHE, PROJECT, PROJECT_PYTHON, describe, note
from records import heading, keep
from stores import Store, counting_proxy, gcs_store, s3_store

_MODEL_EXPORT: Final = PROJECT_PYTHON.parent / "model-export"
_LIMIT_SECONDS: Final = 300
_BLOCK_BYTES: Final = 1 << 22
_MB: Final = 10**6
CHANGED_GOAL_MB: Final = 2.0
MEMORY_GOAL_MB: Final = 250
# The smallest graph that our publisher takes, made with the project's own interpreter.
_GRAPH: Final = """
import sys
from model_export import wire
document = wire.message("SavedModel")(saved_model_schema_version=1)
graph = document.meta_graphs.add()
graph.meta_info.tags.append("serve")
graph.meta_info.tensorflow_version = "2.20.0"
signature = graph.signatures["serving_default"]
signature.method_name = "tensorflow/serving/predict"
signature.inputs["x"].dtype = signature.outputs["y"].dtype = 1
sys.stdout.buffer.write(document.SerializeToString())
"""
_IDLE: Final = """
import sys
import model_export.cli_publish
from model_export.store import open_store
list(open_store(sys.argv[1]).versions("none"))
"""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A model's files beside its graph; `goal` is what the peer's time is to be over ours."""

    name: str
    file_bytes: tuple[int, ...]
    goal: float | None = None


LARGE: Final = Shape(name="450 MB in 23 files", file_bytes=(450 * _MB // 22,) * 22, goal=1.0)
SMALL: Final = Shape(name="2,000 files of 20 kB", file_bytes=(20_000,) * 1999, goal=2.0)
# One file that goes in parts, and others that go whole.
HUGE: Final = Shape(name="2 GB", file_bytes=(1500 * _MB, *(25 * _MB,) * 20))


@dataclass(frozen=True, kw_only=True)
class Run:
    """One command, from its start to its end."""

    seconds: float
    processor_seconds: float
    peak_mb: float


def make(directory: Path, shape: Shape, graph: bytes) -> Path:
    """Write a SavedModel whose files cannot be compressed."""
    (directory / "variables").mkdir(parents=True)
    (directory / "saved_model.pb").write_bytes(graph)
    for number, size_bytes in enumerate(shape.file_bytes):
        with (directory / "variables" / f"{number:04}").open("wb") as file:
            for start in range(0, size_bytes, _BLOCK_BYTES):
                file.write(os.urandom(min(_BLOCK_BYTES, size_bytes - start)))
    return directory


def run(command: Sequence[str | Path], environment: dict[str, str]) -> Run:
    """Run a command that must succeed."""
    with tempfile.TemporaryFile() as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=PROJECT,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        # The kernel keeps the peak of each process that ends, and of those it waited for.
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            said = output.read().decode(errors="replace")[-3000:]
            raise SystemExit(f"{' '.join(map(str, command))} failed:\n{said}")
    return Run(
        seconds=round(seconds, 3),
        processor_seconds=round(used.ru_utime + used.ru_stime, 3),
        peak_mb=round(used.ru_maxrss * 1024 / _MB, 1),
    )


def ours(verb: str, directory: Path, bucket: str, store: Store, port: int | None = None) -> Run:
    """Publish a directory, or fetch into one."""
    url = f"{store.scheme}://{bucket}"
    command = [_MODEL_EXPORT, verb, directory, "--model", "model", "--store", url]
    return run(command, store.on_port(port or store.port))


def race(store: Store, shape: Shape, source: Path, rounds: int) -> dict[str, list[Run]]:
    """Take turns on one server; what was sent is taken away before the next."""
    entries: dict[str, Callable[[str], Run]] = {
        "model-export publish": lambda bucket: ours("publish", source, bucket, store),
        store.peer: lambda bucket: run(store.peer_command(source, bucket), store.environment),
    }
    seen: dict[str, list[Run]] = {name: [] for name in entries}
    for number in range(rounds):
        for name in entries if number % 2 == 0 else reversed(entries):
            bucket = f"run-{len(shape.file_bytes)}-{number}-{len(name)}"
            with store.bucket(bucket):
                seen[name].append(entries[name](bucket))
                note(f"{store.server}, {shape.name}, {name}: {seen[name][-1].seconds:.1f} s")
                if len(store.keys(bucket)) <= len(shape.file_bytes):
                    raise SystemExit(f"{name} did not send everything")
    return seen


def send_changed(store: Store, source: Path) -> float:
    """Publish twice, one file of 1 MB changed in between; give the MB that the second one sent."""
    changed = source / "variables" / "changed"
    changed.write_bytes(os.urandom(_MB))
    with store.bucket("changed"):
        ours("publish", source, "changed", store)
        changed.write_bytes(os.urandom(_MB))
        with counting_proxy(store.port) as count:
            ours("publish", source, "changed", store, count.port)
    changed.unlink()
    return round(count.sent_bytes / _MB, 3)


def measure_memory(store: Store, source: Path, target: Path) -> dict[str, Run]:
    """Publish and fetch a large model, beside a client that has only asked something."""
    idle = [PROJECT_PYTHON, "-c", _IDLE, f"{store.scheme}://memory"]
    with store.bucket("memory"):
        seen = {
            "idle client": run(idle, store.on_port(store.port)),
            "publish": ours("publish", source, "memory", store),
            "fetch": ours("fetch", target, "memory", store),
        }
    shutil.rmtree(target)
    note(f"{store.server}, memory: {[f'{k} {v.peak_mb:.0f} MB' for k, v in seen.items()]}")
    return seen


def main() -> int:
    """Measure, print and keep the results."""
    parser = argparse.ArgumentParser(prog="./benchmarks/run publish", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument(
        "--stores",
        nargs="+",
        choices=("gs", "s3"),
        default=("gs", "s3"),
        help="measure only these, and keep no results",
    )
    arguments = parser.parse_args()
    # So that whoever ends the benchmark ends the servers with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    about = describe(sys.argv, ("gsutil", "awscli"))
    graph = subprocess.run(
        [PROJECT_PYTHON, "-c", _GRAPH], cwd=PROJECT, check=True, capture_output=True
    ).stdout
    races: dict[str, dict[str, dict[str, list[Run]]]] = {}
    changed: dict[str, float] = {}
    memory: dict[str, dict[str, Run]] = {}
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="publish-", dir=CACHE) as name:
        directory = Path(name)
        sources = {shape: make(directory / shape.name, shape, graph) for shape in (LARGE, SMALL)}
        for scheme in arguments.stores:
            with _opened(scheme, directory / scheme, on_disk=False) as store:
                races[store.server] = {
                    shape.name: race(store, shape, source, arguments.rounds)
                    for shape, source in sources.items()
                }
                changed[store.server] = send_changed(store, sources[LARGE])
        for source in sources.values():
            shutil.rmtree(source)
        huge = make(directory / HUGE.name, HUGE, graph)
        for scheme in arguments.stores:
            with _opened(scheme, directory / f"{scheme}-disk", on_disk=True) as store:
                memory[store.server] = measure_memory(store, huge, directory / "fetched")
            shutil.rmtree(directory / f"{scheme}-disk")
    text = report(about, races, changed, memory)
    print(text)
    if len(arguments.stores) == len(("gs", "s3")):
        document = {**about, "races": races, "changed_mb": changed, "memory": memory}
        keep("publish", document, text)
    return 0


def report(
    about: dict[str, Any],
    races: dict[str, dict[str, dict[str, list[Run]]]],
    changed: dict[str, float],
    memory: dict[str, dict[str, Run]],
) -> str:
    """Write the result as Markdown."""
    lines = heading("Publishing to an object store", about)
    lines += ["", "| server | model | command | seconds | seconds of processor |"]
    lines += ["|---|---|---|---|---|"]
    goals = {shape.name: shape.goal for shape in (LARGE, SMALL)}
    ratios: list[Ratio] = []
    for server, shapes in races.items():
        for shape, entries in shapes.items():
            for command, runs in entries.items():
                cells = (
                    ", ".join(f"{getattr(one, key):.2f}" for one in runs)
                    for key in ("seconds", "processor_seconds")
                )
                lines.append(f"| {server} | {shape} | `{command}` | {' | '.join(cells)} |")
            (mine, theirs), peer = entries.values(), list(entries)[1].split()[0]
            for key, words, goal in (
                ("seconds", "time", goals[shape]),
                ("processor_seconds", "processor time", None),
            ):
                over, under = ([getattr(one, key) for one in runs] for runs in (theirs, mine))
                ratios.append(ratio(f"{shape}: {words}, {peer} / ours", over, under, goal))
    lines += ["", ratio_table(ratios)]
    lines += ["", "| one file of 1 MB changed in 450 MB | sent | goal |", "|---|---:|---|"]
    for server, sent_mb in changed.items():
        goal = f"≤ {CHANGED_GOAL_MB:g} MB: {_verdict(sent_mb <= CHANGED_GOAL_MB)}"
        lines.append(f"| {server} | {sent_mb:.2f} MB | {goal} |")
    lines += ["", "| 2 GB | idle client | peak | above idle | goal |", "|---|---:|---:|---:|---|"]
    for server, seen in memory.items():
        idle = seen["idle client"].peak_mb
        for verb in ("publish", "fetch"):
            peak = seen[verb].peak_mb
            goal = f"< {MEMORY_GOAL_MB} MB: {_verdict(peak - idle < MEMORY_GOAL_MB)}"
            cells = f"{idle:.0f} MB | {peak:.0f} MB | {peak - idle:.0f} MB | {goal}"
            lines.append(f"| {server}, {verb} | {cells} |")
    return "\n".join([*lines, ""])


def _opened(scheme: str, directory: Path, *, on_disk: bool) -> AbstractContextManager[Store]:
    directory.mkdir()
    return gcs_store(directory, on_disk=on_disk) if scheme == "gs" else s3_store(directory)


def _verdict(met: bool) -> str:  # noqa: FBT001 the only word there is to say
    return "met" if met else "missed"


if __name__ == "__main__":
    sys.exit(main())
