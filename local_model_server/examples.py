"""Classify and regress: tf.Examples in, results out, by TF Serving's rules for such signatures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from tensorflow_serving.apis.classification_pb2 import ClassificationResult
from tensorflow_serving.apis.regression_pb2 import RegressionResult

from local_model_server.domain import DEFAULT_SIGNATURE, Code, ServingError
from local_model_server.signatures import Tensors

if TYPE_CHECKING:
    from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
    from tensorflow_serving.apis.input_pb2 import Input

_INPUTS: Final = "inputs"
_CLASSES: Final = "classes"
_SCORES: Final = "scores"
_OUTPUTS: Final = "outputs"
_MATRIX_DIMENSIONS: Final = 2


def serialized_examples(examples: "Input") -> NDArray[Any]:
    """Serialize a request's examples, each with the context that all of them share."""
    kind = examples.WhichOneof("kind")
    if kind == "example_list_with_context":
        context = examples.example_list_with_context.context.SerializeToString()
        # Messages merge when their bytes are put one after another.
        texts = [
            context + example.SerializeToString()
            for example in examples.example_list_with_context.examples
        ]
    else:
        texts = [example.SerializeToString() for example in examples.example_list.examples]
    if not texts:
        raise ServingError(Code.INVALID_ARGUMENT, "Input is empty.")
    return np.array(texts, dtype=object)


@dataclass(frozen=True, kw_only=True)
class ClassifySignature:
    """A signature with classes, scores or both."""

    name: str
    outputs: tuple[str, ...]

    @classmethod
    def of(cls, signatures: "Mapping[str, SignatureDef]", name: str) -> "ClassifySignature":
        """Find it; ServingError where it cannot classify."""
        name, signature = _of_examples(signatures, name, "classification")
        count = len(signature.outputs)
        if count not in (1, 2):
            raise ServingError(
                Code.INVALID_ARGUMENT, f"Expected one or two output Tensors, found {count}"
            )
        outputs = tuple(alias for alias in (_CLASSES, _SCORES) if alias in signature.outputs)
        if not outputs:
            raise ServingError(
                Code.FAILED_PRECONDITION,
                "Expected classification signature outputs to contain at least one of "
                f'"{_CLASSES}" or "{_SCORES}". Signature was: {signature}',
            )
        return cls(name=name, outputs=outputs)

    def result(self, outputs: Tensors, rows: int) -> ClassificationResult:
        """Pair labels and scores."""
        for alias, array in outputs.items():
            if array.ndim != _MATRIX_DIMENSIONS:
                raise ServingError(
                    Code.INVALID_ARGUMENT,
                    f"Expected Tensor shape: [batch_size num_classes] but got {_shape(array)}",
                )
            wanted = "DT_STRING" if alias == _CLASSES else "DT_FLOAT"
            if array.dtype != (np.dtype(object) if alias == _CLASSES else np.float32):
                raise ServingError(
                    Code.INVALID_ARGUMENT,
                    f"Expected {alias} Tensor of {wanted}. Got: {array.dtype}",
                )
            if len(array) != rows:
                raise ServingError(
                    Code.INVALID_ARGUMENT,
                    f"Expected {alias} output batch size of {rows}. Got: {len(array)}",
                )
        if len({array.shape for array in outputs.values()}) > 1:
            raise ServingError(
                Code.INVALID_ARGUMENT,
                "Tensors class and score should match in dim_size(1). Got "
                + " vs. ".join(str(array.shape[1]) for array in outputs.values()),
            )
        result = ClassificationResult()
        for row in range(rows):
            classifications = result.classifications.add()
            for column in range(next(iter(outputs.values())).shape[1]):
                one = classifications.classes.add()
                if _CLASSES in outputs:
                    one.label = outputs[_CLASSES][row, column]
                if _SCORES in outputs:
                    one.score = outputs[_SCORES][row, column]
        return result


@dataclass(frozen=True, kw_only=True)
class RegressSignature:
    """A signature with one number for each example."""

    name: str
    outputs: tuple[str, ...] = (_OUTPUTS,)

    @classmethod
    def of(cls, signatures: "Mapping[str, SignatureDef]", name: str) -> "RegressSignature":
        """Find it; ServingError where it cannot regress."""
        name, signature = _of_examples(signatures, name, "regression")
        if len(signature.outputs) != 1:
            raise ServingError(Code.INVALID_ARGUMENT, "Expected one output Tensor.")
        if _OUTPUTS not in signature.outputs:
            raise ServingError(
                Code.FAILED_PRECONDITION,
                f"No regression outputs found in SignatureDef: {signature}",
            )
        return cls(name=name)

    def result(self, outputs: Tensors, rows: int) -> RegressionResult:
        """Give each example its value."""
        array = outputs[_OUTPUTS]
        is_column = array.ndim == _MATRIX_DIMENSIONS and array.shape[1] == 1
        if array.ndim != 1 and not is_column:
            raise ServingError(
                Code.INVALID_ARGUMENT,
                "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got "
                f"{_shape(array)}",
            )
        if len(array) != rows:
            raise ServingError(
                Code.INVALID_ARGUMENT,
                f"Expected output batch size to be {rows}. Got: {len(array)}",
            )
        if array.dtype != np.float32:
            raise ServingError(
                Code.INVALID_ARGUMENT, f"Expected output Tensor of DT_FLOAT.  Got: {array.dtype}"
            )
        result = RegressionResult()
        for value in array.reshape(-1).tolist():
            result.regressions.add(value=value)
        return result


def _of_examples(
    signatures: "Mapping[str, SignatureDef]", name: str, kind: str
) -> "tuple[str, SignatureDef]":
    name = name or DEFAULT_SIGNATURE
    signature = signatures.get(name)
    if signature is None:
        raise ServingError(Code.INVALID_ARGUMENT, f"No signature was found with the name: {name}")
    if len(signature.inputs) != 1:
        raise ServingError(Code.INVALID_ARGUMENT, "Expected one input Tensor.")
    if _INPUTS not in signature.inputs:
        raise ServingError(
            Code.FAILED_PRECONDITION, f"No {kind} inputs found in SignatureDef: {signature}"
        )
    return name, signature


def _shape(array: NDArray[Any]) -> str:
    return "[" + ",".join(map(str, array.shape)) + "]"
