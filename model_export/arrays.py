"""The arrays that go into a trial and come out of it: made up, checked, compared. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from model_export.compatibility import accepts, shape_text
from model_export.manifest import TensorSpec

Arrays = Mapping[str, NDArray[Any]]

GENERATED_ROW_COUNT: Final = 2
_SEED: Final = 7
# For a dimension that is open and is not the batch: several inputs must agree on it.
_OPEN_DIMENSION: Final = 8
_UNNAMED_OUTPUT: Final = re.compile(r"output_\d+")


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How far the numbers of two outputs are apart; no faults means within the tolerance."""

    largest: float
    faults: tuple[str, ...]


def generated(inputs: Mapping[str, TensorSpec]) -> dict[str, NDArray[Any]]:
    """Make up a batch: numbers in [0, 1), integers 0 and 1, empty strings; the same every time."""
    random = np.random.default_rng(_SEED)
    return {
        name: _random(random, name, spec.dtype, _shape(spec))
        for name, spec in sorted(inputs.items())
    }


def _random(
    random: np.random.Generator, name: str, dtype: str, shape: tuple[int, ...]
) -> NDArray[Any]:
    if dtype == "string":
        return np.full(shape, b"", dtype=object)
    try:
        kind: str = np.dtype(dtype).kind
    except TypeError:
        kind = ""
    if kind in {"f", "c"}:
        return np.asarray(random.random(shape)).astype(dtype)
    if kind in {"i", "u", "b"}:
        return np.asarray(random.integers(0, 2, shape)).astype(dtype)
    raise ValueError(f"input '{name}' is a {dtype}, for which no value can be made up")


def _shape(spec: TensorSpec) -> tuple[int, ...]:
    if spec.shape is None:
        return (GENERATED_ROW_COUNT,)
    opened = (GENERATED_ROW_COUNT, *(_OPEN_DIMENSION for _ in spec.shape))
    return tuple(
        if_open if size is None else size for size, if_open in zip(spec.shape, opened, strict=False)
    )


def spec_faults(outputs: Arrays, specs: Mapping[str, TensorSpec]) -> list[str]:
    """Name the outputs that are not what the signature promises."""
    faults: list[str] = []
    for name, spec in sorted(specs.items()):
        found = TensorSpec(dtype=dtype_of(outputs[name]), shape=outputs[name].shape)
        if found.dtype != spec.dtype or not accepts(spec.shape, found.shape):
            faults.append(
                f"output '{name}' is {found.dtype}{shape_text(found)} where the signature promises "
                f"{spec.dtype}{shape_text(spec)}"
            )
    return faults


def not_finite(outputs: Arrays) -> list[str]:
    """Name the outputs in which there is a NaN or an infinity."""
    return [
        name
        for name, array in sorted(outputs.items())
        if array.dtype.kind in {"f", "c"} and not np.isfinite(array).all()
    ]


def aligned(expected: Arrays, names: Sequence[str]) -> Arrays | None:
    """Give the expected outputs the names of the actual ones; None where nobody can tell."""
    if set(expected) == set(names):
        return expected
    in_order = sorted(names, key=lambda name: (len(name), name))
    if len(expected) == len(names) and (
        len(names) == 1 or all(map(_UNNAMED_OUTPUT.fullmatch, names))
    ):
        return dict(zip(in_order, expected.values(), strict=True))
    return None


def from_rows(rows: Sequence[JsonValue], names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Turn rows as REST answers them into arrays."""
    return {
        name: np.asarray([row[name] if isinstance(row, dict) else row for row in rows])
        for name in names
    }


def difference(actual: Arrays, expected: Arrays, tolerance: float) -> Difference:
    """Compare outputs of the same names: numbers within the tolerance, all else for equality.

    The tolerance is absolute up to 1 and relative above. NaN equals NaN.
    """
    largest = 0.0
    faults: list[str] = []
    for name, wanted in sorted(expected.items()):
        found = actual[name]
        if found.shape != wanted.shape:
            faults.append(f"output '{name}' has the shape {found.shape}, not {wanted.shape}")
        elif {found.dtype.kind, wanted.dtype.kind} <= set("fc"):
            with np.errstate(invalid="ignore"):
                apart = np.abs(found.astype(complex) - wanted.astype(complex))
            apart[(found == wanted) | (np.isnan(found) & np.isnan(wanted))] = 0
            apart[~np.isfinite(apart)] = np.inf
            worst = float(apart.max(initial=0))
            largest = max(largest, worst)
            if ((apart > tolerance * np.maximum(1, np.abs(wanted))) | np.isinf(apart)).any():
                faults.append(f"output '{name}' differs by up to {worst:.3g}")
        elif not (found == wanted).all():
            count = int((found != wanted).sum())
            faults.append(f"output '{name}' differs in {count} of {found.size} values")
    return Difference(largest=largest, faults=tuple(faults))


def dtype_of(array: NDArray[Any]) -> str:
    """Name an array's type as a signature does."""
    return "string" if array.dtype == object else array.dtype.name
