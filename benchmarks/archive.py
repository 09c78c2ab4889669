"""`model-export archive` against `tar | gzip -1`, each on one core, of 450 MB of float weights.

`./benchmarks/run archive`; what is measured, and what is fair about it: docs/benchmarks.md.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from figures import Ratio, ratio, ratio_table
from machine import CACHE, PROJECT, PROJECT_PYTHON, describe, note
from publish import _GRAPH, _MODEL_EXPORT, Run, run
from records import heading, keep
from stores import s3_store

_MB: Final = 10**6
MEMORY_GOAL_MB: Final = 150
# As weights are: normally distributed, so that only their exponents can be made smaller.
_WEIGHTS: Final = """
import sys
import numpy
numbers = numpy.random.default_rng(0)
with open(sys.argv[1], "wb") as file:
    for _ in range(45):
        file.write((numbers.normal(size=2_500_000) * 0.05).astype("float32").tobytes())
"""
_ONE_CORE: Final = ("taskset", "-c", "0")


def make(directory: Path) -> Path:
    """Write a SavedModel of 450 MB."""
    (directory / "variables").mkdir(parents=True)
    graph = subprocess.run(
        [PROJECT_PYTHON, "-c", _GRAPH], cwd=PROJECT, check=True, capture_output=True
    ).stdout
    (directory / "saved_model.pb").write_bytes(graph)
    data = directory / "variables" / "variables.data-00000-of-00001"
    subprocess.run([PROJECT_PYTHON, "-c", _WEIGHTS, data], check=True)
    return directory


def race(entries: dict[str, Callable[[], Run]], rounds: int) -> dict[str, list[Run]]:
    """Take turns."""
    seen: dict[str, list[Run]] = {name: [] for name in entries}
    for number in range(rounds):
        for name in entries if number % 2 == 0 else reversed(entries):
            seen[name].append(entries[name]())
            note(f"{name}: {seen[name][-1].seconds:.1f} s, {seen[name][-1].peak_mb:.0f} MB")
    return seen


def main() -> int:
    """Measure, print and keep the results."""
    parser = argparse.ArgumentParser(prog="./benchmarks/run archive", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    arguments = parser.parse_args()
    about = describe(sys.argv)
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="archive-", dir=CACHE) as name:
        directory = Path(name)
        source, store = make(directory / "model"), directory / "store"
        store.mkdir()
        place = ["--model", "model", "--store"]
        run([_MODEL_EXPORT, "publish", source, *place, store], {})
        pipe = f"tar -C {source} -c . | gzip -1 > {directory / 'reference.tar.gz'}"
        archive = [*_ONE_CORE, _MODEL_EXPORT, "archive", "--replace", *place]
        (directory / "s3").mkdir()
        with s3_store(directory / "s3") as s3, s3.bucket("archive"):
            there = s3.on_port(s3.port)
            run([_MODEL_EXPORT, "publish", source, *place, "s3://archive"], there)
            seen = race(
                {
                    "model-export archive, a directory": lambda: run([*archive, store], {}),
                    "model-export archive, s3": lambda: run([*archive, "s3://archive"], there),
                    "tar | gzip -1": lambda: run([*_ONE_CORE, "sh", "-c", pipe], {}),
                },
                arguments.rounds,
            )
        sizes = {
            "ours": (store / "model/.archives/1/model.tar.gz").stat().st_size,
            "tar | gzip -1": (directory / "reference.tar.gz").stat().st_size,
        }
    text = report(about, seen, sizes)
    print(text)
    document = {**about, "rounds": seen, "sizes": sizes}
    keep("archive", document, text)
    return 0


def report(about: dict[str, Any], seen: dict[str, list[Run]], sizes: dict[str, int]) -> str:
    """Write the result as Markdown."""
    lines = heading("An archive of 450 MB", about)
    lines += [f"- size, {name}: {size / _MB:.0f} MB" for name, size in sizes.items()]
    lines += ["", "| on one core | seconds | seconds of processor | peak memory |"]
    lines += ["|---|---|---|---:|"]
    for name, runs in seen.items():
        cells = (
            ", ".join(f"{getattr(one, key):.2f}" for one in runs)
            for key in ("seconds", "processor_seconds")
        )
        lines.append(f"| `{name}` | {' | '.join(cells)} | {max(x.peak_mb for x in runs):.0f} MB |")
    theirs = seen["tar | gzip -1"]
    ratios: list[Ratio] = []
    for name, runs in seen.items():
        if name == "tar | gzip -1":
            continue
        for key, words in (("seconds", "time"), ("processor_seconds", "processor time")):
            over, under = ([getattr(one, key) for one in side] for side in (theirs, runs))
            ratios.append(ratio(f"{name}: {words}, tar / ours", over, under, 1.0))
    peak = max(one.peak_mb for name, runs in seen.items() if "export" in name for one in runs)
    verdict = "met" if peak < MEMORY_GOAL_MB else "missed"
    lines += ["", ratio_table(ratios), ""]
    lines += [f"Peak memory of ours: {peak:.0f} MB (goal: below {MEMORY_GOAL_MB} MB: {verdict})."]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main())
