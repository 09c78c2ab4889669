"""What the same rows are answered before and after, and how right either is. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from model_export.arrays import from_rows, generated
from model_export.errors import RefusedError
from model_export.export_record import ExportRecord
from model_export.instances import parse_instances
from model_export.manifest import Signature
from model_export.tensors import columns, rows, to_array

_LABELLED: Final = {"instance", "label"}
_EVEN: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Instances of one signature, where they come from, and what each should be answered."""

    origin: str
    instances: tuple[JsonValue, ...]
    labels: tuple[JsonValue, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How far one output moved; numbers have a largest and a mean difference."""

    output: str
    largest: float | None
    mean: float | None
    unequal_count: int
    count: int


def read_rows(file: Path, signature: Signature) -> Rows:
    """Read a file of instances, each alone or as `{"instance": …, "label": …}`."""
    try:
        found = parse_instances(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise RefusedError(f"Cannot read {file}: {error}.") from error
    except RefusedError as error:
        raise RefusedError(f"{file}: {error}") from error
    labels: list[JsonValue] = []
    instances: list[JsonValue] = []
    own_names = signature.inputs.keys() == _LABELLED
    for row in found:
        if isinstance(row, dict) and row.keys() == _LABELLED and not own_names:
            labels.append(row["label"])
            instances.append(row["instance"])
        else:
            instances.append(row)
    if labels and len(labels) != len(instances):
        raise RefusedError(
            f"{file}: {len(labels)} of {len(instances)} rows have a label; give one to all or none."
        )
    try:
        for name, values in columns(instances, signature.inputs).items():
            to_array(name, values, signature.inputs[name])
    except RefusedError as error:
        raise RefusedError(f"{file}: {error}") from error
    return Rows(origin=str(file), instances=tuple(instances), labels=tuple(labels))


def own_rows(record: ExportRecord, signature_name: str, signature: Signature) -> Rows:
    """Take the sample that the model brings, or make rows up."""
    sample = record.sample
    if sample and sample.signature_name == signature_name:
        return Rows(origin="the model's own sample", instances=sample.instances)
    try:
        arrays = generated(signature.inputs)
        made_up = rows(arrays, len(next(iter(arrays.values()))))
    except (ValueError, TypeError, StopIteration) as error:
        raise RefusedError(
            f"No rows can be made up for signature '{signature_name}' ({error}); give --compare."
        ) from error
    return Rows(origin="made-up values", instances=made_up)


def differences(
    before: Sequence[JsonValue], after: Sequence[JsonValue], outputs: Sequence[str]
) -> tuple[Difference, ...]:
    """Compare the predictions for the same rows, output by output."""
    old, new = from_rows(before, outputs), from_rows(after, outputs)
    return tuple(_difference(name, old[name], new[name]) for name in sorted(outputs))


def score(
    predictions: Sequence[JsonValue], labels: Sequence[JsonValue], output: str
) -> tuple[str, float]:
    """Give the accuracy; where a label is no class but a fraction, the mean absolute error."""
    answered = from_rows(predictions, [output])[output]
    if answered.ndim > 1 and answered.shape[-1] == 1:
        answered = answered[..., 0]
    wanted = np.asarray(labels)
    if answered.ndim == 2 and wanted.ndim == 1:  # noqa: PLR2004 a row of scores, one label
        answered = answered.argmax(axis=1)
    if answered.shape != wanted.shape:
        raise RefusedError(
            f"The labels have the shape {wanted.shape}, and output '{output}' gives "
            f"{answered.shape}; choose the output that they speak of (--label-output)."
        )
    if wanted.dtype.kind == "f" and (wanted % 1).any():
        return "mean absolute error", float(np.abs(answered - wanted).mean())
    if answered.dtype.kind == "f" and set(wanted.ravel().tolist()) <= {0, 1}:
        answered = answered > _EVEN
    return "accuracy", float((answered == wanted).mean())


def label_output(signature: Signature, chosen: str | None) -> str:
    """Say which output the labels speak of."""
    names = sorted(signature.outputs)
    if chosen is not None and chosen not in names:
        raise RefusedError(f"There is no output '{chosen}'; the model has {', '.join(names)}.")
    if chosen is None and len(names) > 1:
        raise RefusedError(
            f"The rows have labels and the model several outputs ({', '.join(names)}); say with "
            "--label-output which one they speak of."
        )
    return chosen or names[0]


def _difference(name: str, old: NDArray[Any], new: NDArray[Any]) -> Difference:
    if old.shape != new.shape:
        raise RefusedError(f"Output '{name}' had the shape {old.shape} and now has {new.shape}.")
    equal = old == new
    largest = mean = None
    if old.dtype.kind == new.dtype.kind == "f":
        equal = equal | (np.isnan(old) & np.isnan(new))
        apart = np.where(equal, 0.0, np.abs(old - new))
        largest, mean = float(apart.max(initial=0.0)), float(apart.mean()) if apart.size else 0.0
    return Difference(
        output=name,
        largest=largest,
        mean=mean,
        unequal_count=int((~equal).sum()),
        count=int(equal.size),
    )
