"""Whether a SavedModel can be served, tried before anybody depends on it.

Owns the course of the checks: what the files say first, then a trial in a process of its own, which
may crash or hang without harm. The rules are in `serving_rules`, the trial itself in `trial`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from model_export.errors import RefusedError
from model_export.export_record import EXPORT_RECORD_PATH, ExportRecord, parse_export_record
from model_export.inspection import WARMUP_PATH, inspect_model
from model_export.layout import SAVED_MODEL_NAME
from model_export.manifest import Signature
from model_export.model_files import LocalFiles, local_files
from model_export.serving_rules import Plan, check_model, check_plan, check_targets
from model_export.trial import Job, Rows
from model_export.trial_process import run_trial
from model_export.verdict import Finding, Run, Verdict

DEFAULT_TOLERANCE: Final = 1e-4
DEFAULT_STEP_SECONDS: Final = 300.0


@dataclass(frozen=True, kw_only=True)
class Trial:
    """How to try a model; a step that takes longer than `step_seconds` is given up."""

    instances: Sequence[JsonValue] | None = None
    original: Path | None = None
    tolerance: float = DEFAULT_TOLERANCE
    step_seconds: float = DEFAULT_STEP_SECONDS


def validate(directory: Path, *, trial: Trial | None = None, plan: Plan | None = None) -> Verdict:
    """Check a model's files, load and run it, and judge it for the targets it is meant for.

    Raises RefusedError for what is no model at all, and for instances that no signature takes.
    """
    trial, plan = trial or Trial(), _planned(plan or Plan(), directory)
    files = local_files(directory)
    _require_original(trial.original)
    findings = list(check_plan(plan))
    runs: tuple[Run, ...] = ()
    try:
        inspection = inspect_model(files)
    except RefusedError as error:
        damaged = Finding(level="error", check="files", message=str(error))
        return Verdict(where=files.where, findings=(*findings, damaged))
    findings += check_model(inspection, files.sizes)
    graph = inspection.served_graph
    if graph and graph.signatures:
        rows = _rows(files, graph.signatures, trial.instances)
        found, runs = run_trial(_job(files, rows, trial), trial.step_seconds)
        findings += found
        findings += check_targets(plan, graph, runs, _largest_row_bytes(rows))
    return Verdict(where=files.where, findings=tuple(findings), runs=runs)


def _planned(plan: Plan, directory: Path) -> Plan:
    """Take the number from the directory's name where none is given."""
    name = directory.resolve().name
    if plan.version is None and name.isdecimal():
        return Plan(version=name, labels=plan.labels, targets=plan.targets)
    return plan


def _require_original(original: Path | None) -> None:
    if original is None:
        return
    if original.is_dir() and not (original / SAVED_MODEL_NAME).is_file():
        raise RefusedError(f"{original} is not a SavedModel: it has no {SAVED_MODEL_NAME}.")
    if not original.exists():
        raise RefusedError(f"{original} does not exist; give a SavedModel or a .keras file.")


def _rows(
    files: LocalFiles, signatures: Mapping[str, Signature], given: Sequence[JsonValue] | None
) -> dict[str, Rows]:
    """Find instances for as many signatures as possible: what is given goes before the sample."""
    rows: dict[str, Rows] = {}
    if EXPORT_RECORD_PATH in files.sizes:
        record = _record(files)
        if record.sample and record.sample.signature_name in signatures:
            rows[record.sample.signature_name] = Rows(
                source="sample",
                instances=record.sample.instances,
                predictions=record.sample.predictions,
            )
    if given is None:
        return rows
    faults = {name: _misfit(given, signature) for name, signature in signatures.items()}
    if all(faults.values()):
        told = "; ".join(f"{name}: {fault}" for name, fault in faults.items())
        raise RefusedError(f"No signature takes these instances. {told}")
    fitting = Rows(source="given", instances=tuple(given))
    return rows | {name: fitting for name, fault in faults.items() if fault is None}


def _record(files: LocalFiles) -> ExportRecord:
    document = files.read(EXPORT_RECORD_PATH, 0, files.sizes[EXPORT_RECORD_PATH])
    return parse_export_record(document, f"{files.where}/{EXPORT_RECORD_PATH}")


def _misfit(instances: Sequence[JsonValue], signature: Signature) -> str | None:
    from model_export.tensors import columns, to_array  # noqa: PLC0415 loads NumPy

    try:
        for name, values in columns(instances, signature.inputs).items():
            to_array(name, values, signature.inputs[name])
    except RefusedError as error:
        return str(error)
    return None


def _largest_row_bytes(rows: Mapping[str, Rows]) -> int:
    return max(
        (len(json.dumps(row)) for each in rows.values() for row in each.instances), default=0
    )


def _job(files: LocalFiles, rows: Mapping[str, Rows], trial: Trial) -> Job:
    return Job(
        directory=files.directory,
        rows=rows,
        original=trial.original.resolve() if trial.original else None,
        tolerance=trial.tolerance,
        warmup=files.directory / WARMUP_PATH if WARMUP_PATH in files.sizes else None,
    )
