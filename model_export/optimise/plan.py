"""What is asked of an optimisation, checked as far as that goes without running anything.

Loads no TensorFlow: a mistake costs no minute.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from model_export.errors import RefusedError
from model_export.export_record import EXPORT_RECORD_PATH, ExportRecord, parse_export_record
from model_export.inspection import Inspection, inspect_model
from model_export.manifest import Signature
from model_export.model_files import local_files
from model_export.optimise.comparison import Rows, label_output, own_rows, read_rows
from model_export.optimise.objective import CALIBRATED, Objective
from model_export.source import SourceFile, list_files

_DEFAULT_SIGNATURE: Final = "serving_default"
# A protocol buffer ends at 2 GiB, and a frozen model is one.
_MAX_FROZEN_BYTES: Final = 2 * 10**9


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One optimisation that nothing speaks against so far."""

    source: Path
    objective: Objective
    inspection: Inspection
    record: ExportRecord
    files: tuple[SourceFile, ...]
    signature_name: str
    signature: Signature
    compared: Rows
    representative: Rows | None
    label_output: str | None


def make_plan(
    directory: Path,
    objective: Objective,
    signature_name: str | None,
    representative: Path | None,
    compare: Path | None,
    label_output_name: str | None,
) -> Plan:
    """Read and check all that is asked for."""
    if representative and objective not in CALIBRATED:
        raise RefusedError(f"Objective '{objective}' takes no representative rows; leave them out.")
    if objective is Objective.INT8 and not representative:
        raise RefusedError(
            "Objective 'int8' needs rows like those that clients send, to learn the ranges of all "
            "activations: give --representative FILE.jsonl, a hundred rows or more."
        )
    inspection = inspect_model(local_files(directory))
    name, signature = _signature(inspection, signature_name)
    _require_plain_operations(inspection)
    if objective is Objective.FREEZE and inspection.checkpoint.size_bytes > _MAX_FROZEN_BYTES:
        raise RefusedError(
            f"{directory} has more than 2 GB of variables, which no frozen model can hold: serve "
            "it as it is."
        )
    record = _record(directory)
    compared = read_rows(compare, signature) if compare else own_rows(record, name, signature)
    return Plan(
        source=directory.resolve(),
        objective=objective,
        inspection=inspection,
        record=record,
        files=list_files(directory),
        signature_name=name,
        signature=signature,
        compared=compared,
        representative=read_rows(representative, signature) if representative else None,
        label_output=label_output(signature, label_output_name) if compared.labels else None,
    )


def _signature(inspection: Inspection, chosen: str | None) -> tuple[str, Signature]:
    graph = inspection.served_graph
    signatures = graph.signatures if graph else {}
    if not signatures:
        raise RefusedError(f"{inspection.where} has no signature in a graph tagged 'serve'.")
    only = next(iter(signatures)) if len(signatures) == 1 else _DEFAULT_SIGNATURE
    name = chosen or only
    if name not in signatures:
        raise RefusedError(
            f"{inspection.where} has no signature '{name}'; choose with --signature one of "
            f"{', '.join(signatures)}."
        )
    return name, signatures[name]


def _require_plain_operations(inspection: Inspection) -> None:
    graph = inspection.served_graph
    custom = graph.custom_operations if graph else ()
    python = graph.python_operations if graph else ()
    if python:
        raise RefusedError(
            f"{inspection.where} calls back into Python ({', '.join(python)}), which runs nowhere "
            "but where it was made; write that part in TensorFlow operations."
        )
    if custom:
        raise RefusedError(
            f"{inspection.where} has operations that TensorFlow does not know: "
            f"{', '.join(custom)}. What needs a library of its own can be neither converted nor "
            "frozen here."
        )


def _record(directory: Path) -> ExportRecord:
    location = directory / EXPORT_RECORD_PATH
    if not location.exists():
        return ExportRecord()
    return parse_export_record(location.read_bytes(), str(location))


def read_class_names(file: Path, signature: Signature) -> tuple[str, ...]:
    """Read the classes' names, one a line; they must be as many as some output has scores."""
    try:
        names = tuple(file.read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise RefusedError(f"Cannot read {file}: {error}.") from error
    widths = {spec.shape[-1] for spec in signature.outputs.values() if spec.shape}
    if widths and None not in widths and len(names) not in widths:
        raise RefusedError(
            f"{file} has {len(names)} names, one a line, and no output of the model has as many "
            f"scores ({', '.join(map(str, sorted(filter(None, widths))))})."
        )
    return names
