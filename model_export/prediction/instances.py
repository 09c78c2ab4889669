"""What a caller gives to predict: rows, or columns as arrays; how many instances that is."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_export.errors import RefusedError
from model_export.manifest import Signature
from model_export.prediction.call import Columns, Rows
from model_export.tensors import as_dtype, columns, to_array


def instance_count(inputs: Rows | Columns) -> int:
    """Count the instances: the rows, or what the first column holds."""
    if not isinstance(inputs, Mapping):
        return len(inputs)
    first = np.asarray(next(iter(inputs.values()), ()))
    return len(first) if first.ndim else 1


def as_arrays(inputs: Rows | Columns, signature: Signature) -> dict[str, NDArray[Any]]:
    """Give one array for each input, of the dtype that the signature says."""
    specs = signature.inputs
    if not isinstance(inputs, Mapping):
        return {
            name: to_array(name, values, specs[name])
            for name, values in columns(inputs, specs).items()
        }
    if not inputs.keys() <= specs.keys():
        unknown = ", ".join(sorted(inputs.keys() - specs.keys()))
        raise RefusedError(f"There is no input {unknown}; the signature takes {', '.join(specs)}.")
    # One that is left out may have a default; the server knows.
    return {name: as_dtype(name, values, specs[name]) for name, values in inputs.items()}
