"""Releases on a real Kubernetes node under load, and previews of a stack with many models.

`./benchmarks/run cluster`, as root on Debian; what is real about it and what is not:
docs/benchmarks.md.
"""

import argparse
import sys
from statistics import median
from typing import Any, Final

from machine import describe
from records import figures_of, heading, keep

CLIENTS: Final = 16


def report(about: dict[str, Any], figures: dict[str, Any]) -> str:
    """Write the result as Markdown."""
    lines = heading("On Kubernetes", about)
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
    figures = figures_of("cluster_of.py", str(CLIENTS), str(arguments.rounds))
    text = report(about, figures)
    print(text)
    keep("cluster", about | figures, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
