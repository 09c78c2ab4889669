"""The program that tries a model in a process of its own: loads it, runs it, compares its answers.

Reads a job from stdin and reports in lines of JSON on the descriptor that it is given: each step
before it begins, so that whoever waits knows what the process was doing when it died.
`validation` is who waits.
"""

import ctypes
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import JsonValue, TypeAdapter

from model_export.manifest import Signature
from model_export.reasons import reason_line
from model_export.report import counted
from model_export.verdict import Finding, Level, Run

if TYPE_CHECKING:
    from model_export.arrays import Arrays
    from model_export.runnable import Original, SavedModel

STARTING: Final = "starting TensorFlow"
# Of prctl(2).
_SET_PARENT_DEATH_SIGNAL: Final = 1


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Instances for one signature, and what they were answered with when it was exported."""

    source: Literal["given", "sample"]
    instances: tuple[JsonValue, ...]
    predictions: tuple[JsonValue, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to try; a signature without rows gets generated ones."""

    directory: Path
    rows: Mapping[str, Rows]
    original: Path | None
    tolerance: float
    warmup: Path | None


JOB: Final = TypeAdapter(Job)


class Report:
    """Tells the waiting process how far this one is, and what was found."""

    def __init__(self, descriptor: int) -> None:
        self._file = os.fdopen(descriptor, "w", encoding="utf-8", buffering=1)

    def step(self, name: str) -> None:
        """Say what begins now."""
        self._write({"step": name})

    def ran(self, run: Run) -> None:
        """Say how a signature ran."""
        self._write({"run": asdict(run)})

    def found(self, level: Level, check: str, message: str, remedy: str = "") -> None:
        """Say what was found."""
        finding = Finding(level=level, check=check, message=message, remedy=remedy)
        self._write({"finding": asdict(finding)})

    def attempt(self, step: str, level: Level, check: str, remedy: str) -> "Attempt":
        """Do one step; what it raises is a finding of this level."""
        self.step(step)
        return Attempt(self, level, check, remedy)

    def _write(self, document: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(document) + "\n")


class Attempt:
    """One step, whose exception is a finding and ends nothing else."""

    def __init__(self, report: Report, level: Level, check: str, remedy: str) -> None:
        self._report = report
        self._level: Level = level
        self._check = check
        self._remedy = remedy

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if not isinstance(error, Exception):
            return False
        notes = "".join(f"{note}: " for note in getattr(error, "__notes__", ()))
        self._report.found(self._level, self._check, notes + reason_line(error), self._remedy)
        return True


def try_model(job: Job, report: Report) -> None:
    """Do the whole job."""
    from model_export.runnable import SavedModel, load_original  # noqa: PLC0415 loads NumPy

    model: SavedModel | None = None
    original: Original | None = None
    began = time.monotonic()
    with report.attempt(
        "loading the model", "error", "load", "No server will load it; export the model again."
    ):
        model = SavedModel(job.directory)
        report.found("ok", "load", f"loaded in {time.monotonic() - began:.1f} s")
    if model is None:
        return
    if job.original:
        with report.attempt(
            "loading the original", "error", "original", "Give the model that it was made from."
        ):
            original = load_original(job.original)
    compared = [_try(name, model, original, job, report) for name in model.signatures]
    if original and not any(compared):
        report.found(
            "warning",
            "original",
            "no signature has its inputs and outputs, so nothing was compared",
            "Compare with a model that takes and gives the same.",
        )
    if job.warmup:
        _replay(model, job.warmup, report)


def _try(
    name: str, model: "SavedModel", original: "Original | None", job: Job, report: Report
) -> bool:
    """Run one signature; tell whether it could be compared with the original."""
    from model_export import arrays  # noqa: PLC0415 loads NumPy

    check, signature, rows = f"signature {name}", model.signatures[name], job.rows.get(name)
    outputs: Arrays | None = None
    inputs: Arrays = {}
    began = time.monotonic()
    with report.attempt(
        f"running the {check}",
        "error" if rows else "warning",
        check,
        "These are instances that a client may send; export the model again."
        if rows
        else "The instances were made up and need mean nothing to it; give real ones "
        "(--instances).",
    ):
        inputs = _inputs(signature, rows)
        began = time.monotonic()
        outputs = model.run(name, inputs)
    if outputs is None:
        return False
    seconds = time.monotonic() - began
    row_count = len(rows.instances) if rows else arrays.GENERATED_ROW_COUNT
    source = rows.source if rows else "generated"
    report.found("ok", check, f"{counted(row_count, f'{source} row')} in {1000 * seconds:.0f} ms")
    _check_outputs(check, signature, outputs, report)
    if rows and rows.predictions:
        answered = arrays.from_rows(_rows(outputs, rows), list(outputs))
        expected = arrays.from_rows(rows.predictions, list(outputs))
        apart = arrays.difference(answered, expected, job.tolerance)
        _tell(apart, check, "what it answered when it was exported", report)
    wanted: Arrays | None = None
    if original:
        with report.attempt(
            f"running the original for the {check}", "error", "original", "See that it runs alone."
        ):
            answer = original.answer(name, inputs)
            wanted = answer and arrays.aligned(answer, list(outputs))
    largest = None
    if wanted:
        apart = arrays.difference(outputs, wanted, job.tolerance)
        _tell(apart, check, "the original", report)
        largest = apart.largest if isfinite(apart.largest) else None
    report.ran(
        Run(
            signature=name,
            instances=source,
            row_count=row_count,
            seconds=round(seconds, 4),
            difference=largest,
        )
    )
    return wanted is not None


def _inputs(signature: Signature, rows: Rows | None) -> "Arrays":
    from model_export.arrays import generated  # noqa: PLC0415 loads NumPy
    from model_export.tensors import columns, to_array  # noqa: PLC0415 likewise

    if rows is None:
        return generated(signature.inputs)
    return {
        name: to_array(name, values, signature.inputs[name])
        for name, values in columns(rows.instances, signature.inputs).items()
    }


def _rows(outputs: "Arrays", asked: Rows) -> tuple[JsonValue, ...]:
    from model_export.tensors import rows  # noqa: PLC0415 loads NumPy

    return rows(outputs, len(asked.instances))


def _check_outputs(check: str, signature: Signature, outputs: "Arrays", report: Report) -> None:
    from model_export import arrays  # noqa: PLC0415 loads NumPy

    for fault in arrays.spec_faults(outputs, signature.outputs):
        report.found("error", check, fault, "Export the model again.")
    if names := arrays.not_finite(outputs):
        report.found(
            "warning",
            check,
            f"NaN or infinity in the output {', '.join(names)}",
            "Not every client can read them from JSON; see whether the model is trained.",
        )


def _tell(apart: Any, check: str, expected: str, report: Report) -> None:
    if apart.faults:
        report.found(
            "error",
            check,
            f"{'; '.join(apart.faults)} from {expected}",
            "Export the model anew, or allow more with --tolerance.",
        )
    else:
        report.found("ok", check, f"agrees with {expected}, to {apart.largest:.2g}")


def _replay(model: "SavedModel", warmup: Path, report: Report) -> None:
    with report.attempt(
        "replaying the warm-up records",
        "error",
        "warm-up",
        "A server will refuse the model; write the records anew.",
    ):
        ran, skipped = model.replay(warmup)
        report.found(
            "ok",
            "warm-up",
            f"{ran} records ran"
            + (f", {skipped} are of a kind that was not tried" if skipped else ""),
        )


def _die_with_parent(parent: int) -> None:
    """End when the waiting process ends, even one that was killed; where Linux can do it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    # It may have ended before that was set.
    if os.getppid() != parent:
        sys.exit(1)


def main() -> None:
    """Run the job that stands on stdin; the arguments are a descriptor and the parent's number."""
    descriptor, parent = map(int, sys.argv[1:])
    _die_with_parent(parent)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    report = Report(descriptor)
    job = JOB.validate_json(sys.stdin.buffer.read())
    report.step(STARTING)
    import tensorflow as tf  # noqa: PLC0415 the step that it is

    tf.get_logger().setLevel("ERROR")
    try_model(job, report)


if __name__ == "__main__":
    main()
