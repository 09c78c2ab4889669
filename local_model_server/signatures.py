"""What a signature asks of a request, told in TF Serving's words. Pure, over SignatureDef.

Shapes are checked too, which TF Serving leaves to the graph: a request that cannot run must be
known before it is put into a batch with others.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from local_model_server.domain import DEFAULT_SIGNATURE, Code, ServingError

if TYPE_CHECKING:
    from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef, TensorInfo

Tensors = Mapping[str, NDArray[Any]]

CLASSIFY_METHOD: Final = "tensorflow/serving/classify"
REGRESS_METHOD: Final = "tensorflow/serving/regress"
PREDICT_METHOD: Final = "tensorflow/serving/predict"


@dataclass(frozen=True, kw_only=True)
class InputSpec:
    """One input, ready to be compared; `shape` None is any rank, a dimension None any size."""

    alias: str
    tensor_name: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...] | None

    def check(self, array: NDArray[Any]) -> None:
        """Refuse what the graph was not made for."""
        if array.dtype != self.dtype:
            raise ServingError(
                Code.INVALID_ARGUMENT,
                f"Expects input {self.alias} to be {_dtype_name(self.dtype)} but "
                f"{_dtype_name(array.dtype)} is provided",
            )
        shape = array.shape
        if self.shape is None:
            return
        if len(shape) != len(self.shape) or any(
            size is not None and size != given
            for size, given in zip(self.shape, shape, strict=True)
        ):
            wanted = ",".join("?" if size is None else str(size) for size in self.shape)
            raise ServingError(
                Code.INVALID_ARGUMENT,
                f"Expects input {self.alias} to have shape [{wanted}] but "
                f"[{','.join(map(str, shape))}] is provided",
            )


class Binding:
    """A signature with an output filter: puts a request's tensors into the order of the graph."""

    def __init__(
        self, name: str, signature: "SignatureDef", output_filter: Sequence[str] = ()
    ) -> None:
        self.signature_name = name
        self.inputs = tuple(_input_spec(*item) for item in sorted(signature.inputs.items()))
        self.outputs = _filtered(signature, output_filter)
        self.output_tensor_names = tuple(signature.outputs[alias].name for alias in self.outputs)
        self._aliases = tuple(spec.alias for spec in self.inputs)
        self._defaults = {
            alias: tf.make_ndarray(proto) for alias, proto in signature.defaults.items()
        }

    def bind(self, inputs: Tensors) -> list[NDArray[Any]]:
        """Check a request's tensors and order them; ServingError says what is wrong."""
        if len(inputs) != len(self._aliases) or any(a not in inputs for a in self._aliases):
            inputs = self._completed(inputs)
        arrays = [inputs[alias] for alias in self._aliases]
        for spec, array in zip(self.inputs, arrays, strict=True):
            spec.check(array)
        return arrays

    def _completed(self, inputs: Tensors) -> Tensors:
        given, wanted = set(inputs), set(self._aliases)
        missing = wanted - given - set(self._defaults)
        if given <= wanted and not missing:
            return self._defaults | dict(inputs)
        raise ServingError(
            Code.INVALID_ARGUMENT,
            f"input size does not match signature: {len(given)}!={len(wanted)} "
            f"len({{{_joined(given)}}}) != len({{{_joined(wanted)}}}). "
            f"Sent extra: {{{_joined(given - wanted)}}}. "
            f"Missing but required: {{{_joined(missing)}}}.",
        )


def predict_signature(
    signatures: "Mapping[str, SignatureDef]", name: str, *, check_method: bool
) -> "tuple[str, SignatureDef]":
    """Find the signature that a predict request names."""
    name = name or DEFAULT_SIGNATURE
    signature = signatures.get(name)
    if signature is None:
        raise ServingError(Code.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
    methods = (PREDICT_METHOD, CLASSIFY_METHOD, REGRESS_METHOD)
    if check_method and signature.method_name not in methods:
        raise ServingError(
            Code.INTERNAL,
            f"Expected prediction signature method_name to be one of {{{', '.join(methods)}}}. "
            f"Was: {signature.method_name}",
        )
    return name, signature


def _input_spec(alias: str, info: "TensorInfo") -> InputSpec:
    return InputSpec(
        alias=alias,
        tensor_name=_tensor_name(alias, info),
        dtype=np.dtype(tf.as_dtype(info.dtype).as_numpy_dtype),
        shape=None
        if info.tensor_shape.unknown_rank
        else tuple(dim.size if dim.size >= 0 else None for dim in info.tensor_shape.dim),
    )


def _tensor_name(alias: str, info: "TensorInfo") -> str:
    if info.WhichOneof("encoding") != "name":
        raise ServingError(
            Code.UNIMPLEMENTED, f"tensor {alias} is sparse or composite; only dense ones are served"
        )
    name: str = info.name
    return name


def _filtered(signature: "SignatureDef", output_filter: Sequence[str]) -> tuple[str, ...]:
    for index, alias in enumerate(output_filter):
        if alias not in signature.outputs:
            raise ServingError(
                Code.INVALID_ARGUMENT,
                f"output tensor alias not found in signature: {alias} Outputs expected to be in "
                f"the set {{{_joined(signature.outputs)}}}.",
            )
        if alias in output_filter[:index]:
            raise ServingError(Code.INVALID_ARGUMENT, f"duplicate output tensor alias: {alias}")
    aliases = tuple(output_filter) or tuple(sorted(signature.outputs))
    for alias in aliases:
        _tensor_name(alias, signature.outputs[alias])
    return aliases


def _dtype_name(dtype: np.dtype[Any]) -> str:
    return "string" if dtype.kind == "O" else str(tf.as_dtype(dtype).name)


def _joined(aliases: Iterable[str]) -> str:
    return ",".join(sorted(aliases))
