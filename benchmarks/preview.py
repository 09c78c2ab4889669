"""How long a preview of a cloud's whole stack takes, against that of a program without resources.

`./benchmarks/run preview`; on the real engine, in front of stand-ins for the clouds' plug-ins, so
that there is no network in the figures. A program of the user's has to import the SDKs, too.
"""

import argparse
import sys
from statistics import median
from typing import Any, Final

from machine import describe
from records import clock_table, figures_of, heading, keep

GOAL: Final = 1.5
_STACKS: Final = {"dev": "Google Cloud", "aws-dev": "AWS"}
_SDKS: Final = {"dev": "pulumi_gcp", "aws-dev": "pulumi_aws"}


def _names(stack: str) -> dict[str, str]:
    return {
        "stack": f"the stack `{stack}`",
        "empty": f"a program that imports pulumi, {_SDKS[stack]} and pulumi_kubernetes",
        "empty, same modules": "a program that imports the same modules and the bucket's client",
    }


def report(about: dict[str, Any], figures: dict[str, Any]) -> str:
    """Write the result as Markdown."""
    lines = heading("A preview of a cloud's whole stack", about)
    for stack, seen in figures.items():
        lines += ["", f"## {_STACKS[stack]}", "", *_section(stack, seen)]
    return "\n".join([*lines, ""])


def _section(stack: str, seen: dict[str, Any]) -> list[str]:
    names = _names(stack)
    told = {names[name]: rounds for name, rounds in seen["rounds"].items()}
    lines = [f"{seen['resources']} resources.", "", *clock_table("preview of", told), ""]
    for name in ("empty, same modules", "empty"):
        ratios = {
            key: median(
                ours[key] / theirs[key]
                for ours, theirs in zip(seen["rounds"]["stack"], seen["rounds"][name], strict=True)
            )
            for key in ("clock", "processor")
        }
        verdict = "met" if ratios["clock"] <= GOAL else "missed"
        lines.append(
            f"Against {names[name]}: **{ratios['clock']:.2f}** times on the clock, "
            f"{ratios['processor']:.2f} on the processor (at most {GOAL:g}: {verdict})."
        )
    return lines


def main() -> int:
    """Measure, print and keep the results."""
    parser = argparse.ArgumentParser(prog="./benchmarks/run preview", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument(
        "--stack", action="append", choices=_STACKS, help="default: each, one after the other"
    )
    arguments = parser.parse_args()
    about = describe(sys.argv)
    figures = {
        stack: figures_of("preview_of.py", stack, str(arguments.rounds))
        for stack in arguments.stack or _STACKS
    }
    text = report(about, figures)
    print(text)
    keep("preview", about | figures, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
