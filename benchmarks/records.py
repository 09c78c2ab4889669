"""Figures out of the project's own environment, and the files that results are kept in."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any, Final

from machine import BENCHMARKS, PROJECT, PROJECT_PYTHON, RESULTS

_LIMIT_SECONDS: Final = 3600


def figures_of(script: str, *arguments: str) -> Any:
    """Run one of the scripts here in the project's environment; its last line is its figures."""
    finished = subprocess.run(
        [PROJECT_PYTHON, BENCHMARKS / script, *arguments],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        text=True,
        timeout=_LIMIT_SECONDS,
        check=False,
    )
    if finished.returncode != 0:
        raise SystemExit(f"{script} could not measure; see above")
    return json.loads(finished.stdout.splitlines()[-1])


def heading(title: str, about: dict[str, Any]) -> list[str]:
    """Begin a result in Markdown: what it is, and how it came to be."""
    described = (f"- {key.replace('_', ' ')}: {value}" for key, value in about.items())
    return [f"# {title}", "", *described]


def clock_table(what: str, figures: Mapping[str, Sequence[Mapping[str, float]]]) -> Iterator[str]:
    """Write as Markdown what `clock` measured, a row for each of its names."""
    yield f"| {what} | seconds, median | on the processor | rounds |"
    yield "|---|---:|---:|---|"
    for name, rounds in figures.items():
        clock, processor = (median(each[key] for each in rounds) for key in ("clock", "processor"))
        listed = ", ".join(f"{each['clock']:.2f}" for each in rounds)
        yield f"| {name} | {clock:.2f} | {processor:.2f} | {listed} |"


def keep(name: str, document: dict[str, Any], text: str) -> None:
    """Write the result, with every round of it and as it is read."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=1, default=vars) + "\n")
    (RESULTS / f"{name}.md").write_text(text)
