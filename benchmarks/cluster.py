"""Releases on a real Kubernetes node under load, and previews of a stack with many models.

`./benchmarks/run cluster`, as root on Debian; what is real about it and what is not:
docs/benchmarks.md.
"""

import argparse
import json
import os
import subprocess
import sys
from statistics import median
from typing import Any, Final

from machine import BENCHMARKS, PROJECT, PROJECT_PYTHON, RESULTS, describe

CLIENTS: Final = 16
_LIMIT_SECONDS: Final = 3600


def measure(rounds: int) -> dict[str, Any]:
    """Run in the project's environment, which has the engine, the cluster and the tests' parts."""
    finished = subprocess.run(
        [PROJECT_PYTHON, BENCHMARKS / "cluster_of.py", str(CLIENTS), str(rounds)],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        text=True,
        timeout=_LIMIT_SECONDS,
        check=False,
    )
    if finished.returncode != 0:
        raise SystemExit(finished.returncode)
    figures: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return figures


def report(about: dict[str, Any], figures: dict[str, Any]) -> str:
    """Write the result as Markdown."""
    lines = ["# On Kubernetes", ""]
    lines += [f"- {key.replace('_', ' ')}: {value}" for key, value in about.items()]
    lines += [
        "",
        "## Releases under load",
        "",
        f"{CLIENTS} clients, each with a new connection for each request, through the Service.",
        "",
        "| step | seconds | answers of version 1 | of 2 | of 3 | failed |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    failed = 0
    for each in figures["releases"]:
        counts = " | ".join(f"{each['answers'].get(version, 0):,}" for version in "123")
        lost = sum(each["failures"].values())
        failed += lost
        lines.append(f"| {each['step']} | {each['seconds']:.0f} | {counts} | {lost} |")
    answers = sum(sum(each["answers"].values()) for each in figures["releases"])
    wrong = sum(each["answers"].get("3", 0) for each in figures["releases"])
    lines += [
        "",
        (
            f"Of {answers + failed:,} requests **{failed} failed** (goal: 0), and {wrong} went to "
            "the version that cannot load (goal: 0). What `pulumi up` ends with there:"
        ),
        "",
        *(f"    {each['error']}" for each in figures["releases"] if each["error"]),
        "",
        "## Previews",
        "",
        "| models | seconds, median | for each model more | rounds |",
        "|---:|---:|---:|---|",
    ]
    taken = {int(count): rounds for count, rounds in figures["previews"].items()}
    least = median(taken[1])
    for count, rounds in taken.items():
        more = f"{(median(rounds) - least) / (count - 1):.3f}" if count > 1 else ""
        listed = ", ".join(f"{each:.1f}" for each in rounds)
        lines.append(f"| {count} | {median(rounds):.1f} | {more} | {listed} |")
    return "\n".join([*lines, ""])


def main() -> int:
    """Measure, print and keep the results."""
    parser = argparse.ArgumentParser(prog="./benchmarks/run cluster", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="of previews; default: %(default)s")
    arguments = parser.parse_args()
    about = describe(sys.argv)
    figures = measure(arguments.rounds)
    text = report(about, figures)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "cluster.json").write_text(json.dumps(about | figures, indent=1) + "\n")
    (RESULTS / "cluster.md").write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
