"""What the commands of a release take beyond the engine, and whether a rollback loses a request.

`./benchmarks/run releases`; on the real engine. On this machine a real server under load; for the
report of many models the stand-in of a cluster, so that no network is in the figures.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any, Final

from machine import BENCHMARKS, PROJECT, PROJECT_PYTHON, RESULTS, describe

HISTORY_GOAL_SECONDS: Final = 3.0
ROLLBACK_GOAL_SECONDS: Final = 5.0
REPORT_GOAL_SECONDS: Final = 2.0
_LIMIT_SECONDS: Final = 3600

Rounds = Sequence[dict[str, float]]


def run(rounds: int) -> dict[str, Any]:
    """Measure in the project's environment."""
    finished = subprocess.run(
        [PROJECT_PYTHON, BENCHMARKS / "releases_of.py", str(rounds)],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        text=True,
        timeout=_LIMIT_SECONDS,
        check=False,
    )
    if finished.returncode != 0:
        raise SystemExit("the releases could not be measured; see above")
    figures: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return figures


def beyond(ours: Rounds, engines: Rounds, key: str) -> float:
    """Give what ours takes more than the engine, in the median of the rounds."""
    return median(one[key] - other[key] for one, other in zip(ours, engines, strict=True))


def _table(figures: dict[str, Rounds]) -> Iterator[str]:
    yield "| command | seconds, median | on the processor | rounds |"
    yield "|---|---:|---:|---|"
    for name, rounds in figures.items():
        clock, processor = (median(each[key] for each in rounds) for key in ("clock", "processor"))
        listed = ", ".join(f"{each['clock']:.2f}" for each in rounds)
        yield f"| {name} | {clock:.2f} | {processor:.2f} | {listed} |"


def _verdict(seconds: float, goal: float) -> str:
    return f"less than {goal:g} s: {'met' if seconds < goal else 'missed'}"


def _beyond_lines(figures: dict[str, Rounds], ours: str, engine: str, goal: float) -> list[str]:
    clock, processor = (
        beyond(figures[ours], figures[engine], key) for key in ("clock", "processor")
    )
    more = f"Beyond `{engine}`: **{clock:.2f} s** ({_verdict(clock, goal)})"
    return ["", *_table(figures), "", f"{more}, {processor:.2f} s on the processor."]


def report(about: dict[str, Any], seen: dict[str, Any]) -> str:
    """Write the result as Markdown."""
    lines = ["# Releases: history, rollback, report", ""]
    lines += [f"- {key.replace('_', ' ')}: {value}" for key, value in about.items()]
    lines += ["", "## A history of 1,000 updates", "", *_table(seen["history"]), ""]
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
    seen = run(arguments.rounds)
    text = report(about, seen)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "releases.json").write_text(json.dumps(about | seen, indent=1) + "\n")
    (RESULTS / "releases.md").write_text(text)
    return 1 if seen["rollback"]["load"]["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
