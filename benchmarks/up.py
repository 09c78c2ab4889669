"""How long `./scripts/up` takes when there is nothing to do, and what our program costs a preview.

`./benchmarks/run up`; it works on a clone of the last commit, never on your own stack.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from machine import CACHE, PROJECT, describe, note
from records import heading, keep

UP_GOAL_SECONDS: Final = 10.0
_FIRST_UP_SECONDS: Final = 480
_COMMAND_SECONDS: Final = 120
_UP: Final = ("./scripts/up", "--yes")
_PREVIEW: Final = ("./scripts/pulumi", "preview", "-s", "local", "--expect-no-changes")


def run(command: Sequence[str | Path], cwd: Path, limit_seconds: float) -> float:
    """Run a command that must succeed; give its seconds."""
    began = time.perf_counter()
    finished = subprocess.run(
        command,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=limit_seconds,
        check=False,
    )
    seconds = time.perf_counter() - began
    if finished.returncode != 0:
        words = " ".join(map(str, command))
        raise SystemExit(f"{words} failed ({finished.returncode}):\n{finished.stdout[-3000:]}")
    return seconds


def make_empty_project(directory: Path, clone: Path) -> Path:
    """Write a Pulumi project without any resource, for the clone's own interpreter."""
    directory.mkdir()
    (directory / "__main__.py").write_text('"""Nothing."""\n')
    (directory / "Pulumi.yaml").write_text(
        "name: empty\n"
        f"runtime: {{name: python, options: {{virtualenv: {json.dumps(str(clone / '.venv'))}}}}}\n"
    )
    return directory


def measure(clone: Path, rounds: int) -> dict[str, Any]:
    """Bring the stack up in the clone, then time what changes nothing, by turns."""
    empty = make_empty_project(clone.parent / "empty", clone)
    seconds: dict[str, list[float]] = {"up": [], "preview": [], "preview of nothing": []}
    try:
        note("first up, in a fresh clone with warm caches")
        first = run(_UP, clone, _FIRST_UP_SECONDS)
        run(["./scripts/pulumi", "stack", "init", "local", "-C", empty], clone, _COMMAND_SECONDS)
        run(
            ["./scripts/pulumi", "up", "-s", "local", "--yes", "--skip-preview", "-C", empty],
            clone,
            _COMMAND_SECONDS,
        )
        for number in range(rounds):
            note(f"round {number + 1} of {rounds}")
            seconds["up"].append(run(_UP, clone, _COMMAND_SECONDS))
            seconds["preview"].append(run(_PREVIEW, clone, _COMMAND_SECONDS))
            seconds["preview of nothing"].append(
                run([*_PREVIEW, "-C", empty], clone, _COMMAND_SECONDS)
            )
    finally:
        note("destroy")
        destroy = run(
            ["./scripts/pulumi", "destroy", "-s", "local", "--yes"], clone, _COMMAND_SECONDS
        )
    ratios = [
        ours / nothing
        for ours, nothing in zip(seconds["preview"], seconds["preview of nothing"], strict=True)
    ]
    return {
        "first_up_seconds": round(first, 1),
        "destroy_seconds": round(destroy, 1),
        "rounds_seconds": {name: [round(s, 2) for s in each] for name, each in seconds.items()},
        "median_seconds": {name: round(median(each), 2) for name, each in seconds.items()},
        "preview_ratio": round(median(ratios), 2),
    }


def report(about: dict[str, Any], seen: dict[str, Any]) -> str:
    """Write the result as Markdown."""
    medians = seen["median_seconds"]
    up = medians["up"]
    goals = {"up": f"< {UP_GOAL_SECONDS:g} s: {'met' if up < UP_GOAL_SECONDS else 'missed'}"}
    lines = heading("The embedded stack without a change", about)
    lines += ["", "| command | median | rounds | goal |", "|---|---:|---|---|"]
    names = {
        "up": "`./scripts/up`",
        "preview": "`./scripts/pulumi preview -s local`",
        "preview of nothing": "the same for a program without resources",
    }
    for key, rounds in seen["rounds_seconds"].items():
        listed = ", ".join(f"{each:.2f}" for each in rounds)
        lines.append(f"| {names[key]} | {medians[key]} s | {listed} | {goals.get(key, '')} |")
    lines += [
        "",
        f"A preview takes **{seen['preview_ratio']}** times as long as that of an empty program.",
        "",
        (
            "The first `./scripts/up` in the fresh clone, training included and with every cache "
            f"warm (packages, engine), took {seen['first_up_seconds']} s; destroying, "
            f"{seen['destroy_seconds']} s."
        ),
        "",
    ]
    return "\n".join(lines)


def main() -> int:
    """Measure, print and keep the results."""
    parser = argparse.ArgumentParser(prog="./benchmarks/run up", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    arguments = parser.parse_args()
    # So that whoever ends the benchmark ends the stack with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    about = describe(sys.argv)
    CACHE.mkdir(exist_ok=True)
    # Inside the checkout's file system, where the packages' cache can be linked to.
    with tempfile.TemporaryDirectory(prefix="up-", dir=CACHE) as name:
        clone = Path(name).resolve() / "clone"
        run(["git", "clone", "--quiet", PROJECT, clone], Path(name), _COMMAND_SECONDS)
        seen = measure(clone, arguments.rounds)
    text = report(about, seen)
    print(text)
    keep("up", about | seen, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
