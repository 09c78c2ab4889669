"""What the commands of a release take beyond the engine, and whether a rollback loses a request.

`./benchmarks/run releases`; on the real engine. On this machine a real server under load; for the
report of many models the stand-in of a cluster, so that no network is in the figures.
"""

import argparse
import sys
from collections.abc import Sequence
from statistics import median
from typing import Any, Final

from machine import describe
from records import clock_table, figures_of, heading, keep

HISTORY_GOAL_SECONDS: Final = 3.0
ROLLBACK_GOAL_SECONDS: Final = 5.0
REPORT_GOAL_SECONDS: Final = 2.0

Rounds = Sequence[dict[str, float]]


def beyond(ours: Rounds, engines: Rounds, key: str) -> float:
    """Give what ours takes more than the engine, in the median of the rounds."""
    return median(one[key] - other[key] for one, other in zip(ours, engines, strict=True))


def _verdict(seconds: float, goal: float) -> str:
    return f"less than {goal:g} s: {'met' if seconds < goal else 'missed'}"


def _beyond_lines(figures: dict[str, Rounds], ours: str, engine: str, goal: float) -> list[str]:
    clock, processor = (
        beyond(figures[ours], figures[engine], key) for key in ("clock", "processor")
    )
    more = f"Beyond `{engine}`: **{clock:.2f} s** ({_verdict(clock, goal)})"
    return [
        "",
        *clock_table("command", figures),
        "",
        f"{more}, {processor:.2f} s on the processor.",
    ]


def report(about: dict[str, Any], seen: dict[str, Any]) -> str:
    """Write the result as Markdown."""
    lines = heading("Releases: history, rollback, report", about)
    lines += ["", "## A history of 1,000 updates", "", *clock_table("command", seen["history"]), ""]
    for name, rounds in seen["history"].items():
        if not name.startswith("engine"):
            seconds = median(each["clock"] for each in rounds)
            verdict = _verdict(seconds, HISTORY_GOAL_SECONDS)
            lines.append(f"`{name}`: **{seconds:.2f} s** ({verdict}).")
    rollback, load = seen["rollback"]["rounds"], seen["rollback"]["load"]
    lines += ["", "## From `rollback` to the old version answering"]
    lines += _beyond_lines(rollback, "rollback", "engine: up", ROLLBACK_GOAL_SECONDS)
    lines.append("")
    lines.append(
        f"Meanwhile {load['requests']:,} requests were made, of which "
        f"**{len(load['failures'])}** failed; the longest took {load['longest_seconds']:.2f} s."
    )
    lines += [f"    {failure}" for failure in load["failures"][:5]]
    lines += ["", "## Report of 50 models that all change"]
    lines += _beyond_lines(seen["report"], "report", "engine: preview", REPORT_GOAL_SECONDS)
    return "\n".join([*lines, ""])


def main() -> int:
    """Measure, print and keep the results."""
    parser = argparse.ArgumentParser(prog="./benchmarks/run releases", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    arguments = parser.parse_args()
    about = describe(sys.argv)
    seen = figures_of("releases_of.py", str(arguments.rounds))
    text = report(about, seen)
    print(text)
    keep("releases", about | seen, text)
    return 1 if seen["rollback"]["load"]["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
