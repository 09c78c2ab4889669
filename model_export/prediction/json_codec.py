"""TF Serving's JSON from the caller's side: what is posted, and what an answer means. Pure.

Vertex and SageMaker hand the same documents through to the server behind them.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from model_export import wire
from model_export.errors import RefusedError
from model_export.manifest import Signature, TensorSpec
from model_export.prediction.call import (
    DEFAULT_SIGNATURE,
    CallError,
    Columns,
    Failure,
    Rows,
    Signatures,
    Target,
)
from model_export.savedmodel import INTERNAL_SIGNATURE
from model_export.tensors import to_array

# Of a model without metadata nobody knows what its only output is called.
UNNAMED_OUTPUT: Final = "output"
_DTYPES: Final = {"FLOAT": "float32", "DOUBLE": "float64", "HALF": "float16"}
_FAILURES: Final[Mapping[int, Failure]] = {
    HTTPStatus.BAD_REQUEST: "instances",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "instances",
    HTTPStatus.UNPROCESSABLE_ENTITY: "instances",
    HTTPStatus.INTERNAL_SERVER_ERROR: "instances",
    HTTPStatus.TOO_MANY_REQUESTS: "not executed",
    HTTPStatus.BAD_GATEWAY: "unknown",
    HTTPStatus.SERVICE_UNAVAILABLE: "unknown",
    HTTPStatus.GATEWAY_TIMEOUT: "late",
}


def request_body(target: Target, inputs: Rows | Columns) -> bytes:
    """Write the request, in columns where columns were given."""
    document: dict[str, Any] = (
        {"inputs": dict(inputs)} if isinstance(inputs, Mapping) else {"instances": list(inputs)}
    )
    if target.signature != DEFAULT_SIGNATURE:
        document["signature_name"] = target.signature
    try:
        return json.dumps(document, default=_plain).encode()
    except (TypeError, ValueError) as error:
        raise RefusedError(f"The instances cannot be written as JSON: {error}.") from error


def failed(
    where: str,
    status: int,
    answer: bytes,
    *,
    otherwise: str = "this is no answer of a model server",
    retry_after: str | None = None,
) -> CallError:
    """Say what the service answered instead of predictions."""
    document = _parsed(answer)
    fault = document.get("error") if isinstance(document, dict) else None
    return CallError(
        f"{where} answered {status}: {fault or otherwise}",
        _FAILURES.get(status, "final"),
        retry_after_seconds=float(retry_after) if retry_after and retry_after.isdigit() else None,
    )


def read_signatures(where: str, answer: bytes) -> Signatures:
    """Read the model's metadata."""
    document = _parsed(answer)
    try:
        definitions: dict[str, Any] = document["metadata"]["signature_def"]["signature_def"]
        return {
            name: Signature(
                method_name=definition["method_name"],
                inputs=_specs(definition["inputs"]),
                outputs=_specs(definition["outputs"]),
            )
            for name, definition in sorted(definitions.items())
            if not name.startswith(INTERNAL_SIGNATURE)
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CallError(f"{where} answered with no metadata of a model.", "final") from error


def read_outputs(
    where: str, answer: bytes, signature: Signature | None, instance_count: int
) -> dict[str, NDArray[Any]]:
    """Read the predictions of both forms: a list of rows, or columns."""
    document = _parsed(answer)
    names = tuple(signature.outputs) if signature else ()
    columns: dict[str, Any] | None = None
    if isinstance(document, dict) and "outputs" in document:
        outputs = document["outputs"]
        is_named = isinstance(outputs, dict) and (len(names) > 1 or not _is_bytes(outputs))
        columns = outputs if is_named else {_only(names): outputs}
    elif isinstance(document, dict) and isinstance(document.get("predictions"), list):
        rows = document["predictions"]
        if len(rows) == instance_count:
            columns = _columns(rows, names)
    if columns is None:
        raise failed(where, HTTPStatus.OK, answer)
    specs = signature.outputs if signature else {}
    if signature and columns.keys() != specs.keys():
        # The metadata may be those of an older version.
        raise CallError(
            f"{where} answered with the outputs {', '.join(columns)}; the model's metadata say "
            f"{', '.join(specs)}.",
            "instances",
        )
    return {name: _array(name, values, specs.get(name)) for name, values in columns.items()}


def _columns(rows: Sequence[Any], names: Sequence[str]) -> dict[str, Any] | None:
    if all(isinstance(row, dict) and not _is_bytes(row) for row in rows) and rows:
        keys = rows[0].keys()
        if any(row.keys() != keys for row in rows):
            return None
        return {key: [row[key] for row in rows] for key in sorted(keys)}
    return {_only(names): rows}


def _array(name: str, values: Any, spec: TensorSpec | None) -> NDArray[Any]:
    """Read the values as the model's dtype, or as what they look like."""
    if spec is not None:
        try:
            return to_array(name, values, spec)
        except RefusedError:
            pass  # A newer version may serve than the one that gave the metadata.
    try:
        array = np.array(values)
    except ValueError:
        array = np.empty(len(values), dtype=object)
        array[:] = values
    if array.dtype.kind not in "biuf":
        try:
            return to_array(name, values, TensorSpec(dtype="string", shape=None))
        except RefusedError:
            pass  # A container of one's own may answer with anything.
    return array


def _specs(tensors: Mapping[str, Any]) -> dict[str, TensorSpec]:
    return {name: _spec(info) for name, info in sorted(tensors.items())}


def _spec(info: Mapping[str, Any]) -> TensorSpec:
    shape = info["tensor_shape"]
    dims = tuple(int(dim["size"]) for dim in shape.get("dim", ()))
    name = info["dtype"].removeprefix("DT_")
    dtype = _DTYPES.get(name, name.lower())
    return TensorSpec(
        dtype=dtype if dtype in wire.DTYPES.values() else f"unknown ({name})",
        shape=None
        if shape.get("unknown_rank")
        else tuple(size if size >= 0 else None for size in dims),
    )


def _only(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else UNNAMED_OUTPUT


def _is_bytes(value: Mapping[str, Any]) -> bool:
    return value.keys() == {"b64"}


def _plain(value: Any) -> JsonValue:
    if isinstance(value, (np.ndarray, np.generic)):
        plain: JsonValue = value.tolist()
        return plain
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    raise TypeError(f"{value!r} is no value of JSON")


def _parsed(answer: bytes) -> Any:
    try:
        return json.loads(answer)
    except ValueError:
        return None
