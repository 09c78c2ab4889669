"""`model-export inspect` against TensorFlow's own `saved_model_cli show --all`, as whole processes.

`./benchmarks/run inspection`; both read the same models, by turns, from warm file caches.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from figures import ratio, ratio_table
from machine import CACHE, PROJECT, PROJECT_PYTHON, describe, note
from records import heading, keep

SAMPLES: Final = ("heart", "digits")
GOAL: Final = 10.0
_LIMIT_SECONDS: Final = 300
_BIN: Final = PROJECT_PYTHON.parent


def commands(model: Path) -> dict[str, list[str | Path]]:
    """Give what is compared."""
    return {
        "model-export inspect": [_BIN / "model-export", "inspect", model],
        "saved_model_cli show --all": [_BIN / "saved_model_cli", "show", "--all", "--dir", model],
    }


def run(command: Sequence[str | Path]) -> dict[str, float]:
    """Run a command that must succeed; give its seconds on the clock and on the processor."""
    before, began = os.times(), time.perf_counter()
    finished = subprocess.run(
        command, cwd=PROJECT, capture_output=True, text=True, timeout=_LIMIT_SECONDS, check=False
    )
    seconds, after = time.perf_counter() - began, os.times()
    if finished.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{finished.stderr[-3000:]}")
    processor = sum(after[2:4]) - sum(before[2:4])
    return {"seconds": round(seconds, 3), "processor_seconds": round(processor, 3)}


def measure(models: dict[str, Path], rounds: int) -> dict[str, dict[str, list[dict[str, float]]]]:
    """Take turns, after a first run of each that only warms the caches."""
    seen: dict[str, dict[str, list[dict[str, float]]]] = {}
    for name, model in models.items():
        plan = commands(model)
        seen[name] = {command: [] for command in plan}
        for command in plan.values():
            run(command)
        for number in range(rounds):
            note(f"{name}: round {number + 1} of {rounds}")
            for command in plan if number % 2 == 0 else reversed(plan):
                seen[name][command].append(run(plan[command]))
    return seen


def report(about: dict[str, Any], seen: dict[str, dict[str, list[dict[str, float]]]]) -> str:
    """Write the result as Markdown."""
    lines = heading("Inspecting a SavedModel", about)
    lines += ["", "| model | command | seconds | seconds of processor |", "|---|---|---|---|"]
    ratios = []
    for name, each in seen.items():
        for command, runs in each.items():
            cells = (
                ", ".join(f"{one[key]:.2f}" for one in runs)
                for key in ("seconds", "processor_seconds")
            )
            lines.append(f"| {name} | `{command}` | {' | '.join(cells)} |")
        ours, theirs = each.values()
        for key, words, goal in (
            ("seconds", "time", GOAL),
            ("processor_seconds", "processor time", None),
        ):
            ratios.append(
                ratio(
                    f"{name}: {words}, saved_model_cli / inspect",
                    [one[key] for one in theirs],
                    [one[key] for one in ours],
                    goal,
                )
            )
    return "\n".join([*lines, "", ratio_table(ratios), ""])


def main() -> int:
    """Measure, print and keep the results."""
    parser = argparse.ArgumentParser(prog="./benchmarks/run inspection", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="default: %(default)s")
    arguments = parser.parse_args()
    about = describe(sys.argv)
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="inspection-", dir=CACHE) as name:
        models = {sample: Path(name) / sample for sample in SAMPLES}
        for sample, model in models.items():
            note(f"training {sample}")
            run([PROJECT_PYTHON, "-m", "samples", sample, "--output", model])
        seen = measure(models, arguments.rounds)
    text = report(about, seen)
    print(text)
    keep("inspect", about | {"models": seen}, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
