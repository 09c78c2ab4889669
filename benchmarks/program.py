"""How long the stack program takes with 1, 10, 50 and 100 models on Kubernetes, without providers.

`./benchmarks/run program`; each run is a process of its own, by turns. Under mocks, so that neither
the engine nor a provider nor a cluster is in the figures; the mocks' own work is.
"""

import argparse
import json
import os
import subprocess
import sys
from statistics import median
from typing import Any, Final

from machine import BENCHMARKS, PROJECT, PROJECT_PYTHON, RESULTS, describe, note

COUNTS: Final = (1, 10, 50, 100)
GOAL_SECONDS: Final = 3.0
_LIMIT_SECONDS: Final = 300


def run(count: int) -> dict[str, float]:
    """Run the program with so many models."""
    finished = subprocess.run(
        [PROJECT_PYTHON, BENCHMARKS / "program_of.py", str(count)],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=_LIMIT_SECONDS,
        check=False,
    )
    if finished.returncode != 0:
        raise SystemExit(finished.stderr[-3000:])
    figures: dict[str, float] = json.loads(finished.stdout)
    return figures


def measure(rounds: int) -> dict[int, list[dict[str, float]]]:
    """Take turns."""
    seen: dict[int, list[dict[str, float]]] = {count: [] for count in COUNTS}
    for number in range(rounds):
        note(f"round {number + 1} of {rounds}")
        for count in COUNTS if number % 2 == 0 else reversed(COUNTS):
            seen[count].append(run(count))
    return seen


def report(about: dict[str, Any], seen: dict[int, list[dict[str, float]]]) -> str:
    """Write the result as Markdown."""
    lines = ["# The stack program with many models", ""]
    lines += [f"- {key.replace('_', ' ')}: {value}" for key, value in about.items()]
    lines += [
        "",
        "| models | resources | seconds, median | on the processor | rounds | peak memory |",
        "|---:|---:|---:|---:|---|---:|",
    ]
    middle = {}
    for count, rounds in seen.items():
        middle[count] = {key: median(each[key] for each in rounds) for key in rounds[0]}
        listed = ", ".join(f"{each['seconds']:.2f}" for each in rounds)
        at = middle[count]
        lines.append(
            f"| {count} | {at['resources']:.0f} | {at['seconds']:.2f} "
            f"| {at['processor_seconds']:.2f} | {listed} | {at['peak_mb']:.0f} MB |"
        )
    most, least = middle[COUNTS[-1]], middle[COUNTS[0]]
    for key, name in (("seconds", "on the clock"), ("processor_seconds", "on the processor")):
        more = most[key] - least[key]
        verdict = "met" if more < GOAL_SECONDS else "missed"
        lines += [
            "",
            (
                f"{COUNTS[-1]} models take **{more:.2f} s** more than one {name} "
                f"(goal: less than {GOAL_SECONDS:g} s: {verdict})."
            ),
        ]
    return "\n".join([*lines, ""])


def main() -> int:
    """Measure, print and keep the results."""
    parser = argparse.ArgumentParser(prog="./benchmarks/run program", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    arguments = parser.parse_args()
    about = describe(sys.argv)
    seen = measure(arguments.rounds)
    text = report(about, seen)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "program.json").write_text(json.dumps(about | {"rounds": seen}, indent=1) + "\n")
    (RESULTS / "program.md").write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
