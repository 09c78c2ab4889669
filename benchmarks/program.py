"""How long the stack program takes with 1, 10, 50 and 100 models on Kubernetes, without providers.

`./benchmarks/run program`; each run is a process of its own, by turns. Under mocks, so that neither
the engine nor a provider nor a cluster is in the figures; the mocks' own work is.
"""

import argparse
import sys
from statistics import median
from typing import Any, Final

from machine import describe, note
from records import figures_of, heading, keep

COUNTS: Final = (1, 10, 50, 100)
GOAL_SECONDS: Final = 3.0


def measure(rounds: int) -> dict[int, list[dict[str, float]]]:
    """Take turns."""
    seen: dict[int, list[dict[str, float]]] = {count: [] for count in COUNTS}
    for number in range(rounds):
        note(f"round {number + 1} of {rounds}")
        for count in COUNTS if number % 2 == 0 else reversed(COUNTS):
            seen[count].append(figures_of("program_of.py", str(count)))
    return seen


def report(about: dict[str, Any], seen: dict[int, list[dict[str, float]]]) -> str:
    """Write the result as Markdown."""
    lines = heading("The stack program with many models", about)
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
    keep("program", about | {"rounds": seen}, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
