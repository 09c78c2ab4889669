"""Signatures for TF Serving's Classify and Regress, which send tf.Examples instead of tensors."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from model_export.errors import RefusedError
from model_export.exporting.callee import Callee
from model_export.manifest import TensorSpec

CLASSIFY_METHOD: Final = "tensorflow/serving/classify"
REGRESS_METHOD: Final = "tensorflow/serving/regress"
_INPUTS: Final = "inputs"
_TEXTS: Final = TensorSpec(dtype="string", shape=(None,))
_PAIR: Final = 2
_MATRIX: Final = 2


@dataclass(frozen=True, kw_only=True)
class Classify:
    """Ask for a signature `classify`: a score for each class, and the classes' labels.

    `scores` names the output. With one score for each row and two labels, the score is the
    probability of the second.
    """

    scores: str
    labels: tuple[str, ...] = ()


def classify_callee(callee: Callee, asked: Classify) -> Callee:
    """Answer the scores of tf.Examples, beside the labels."""

    def answer(outputs: Mapping[str, Any]) -> dict[str, Any]:
        import tensorflow as tf  # noqa: PLC0415 loads TensorFlow, which only an export pays for

        scores = tf.cast(_output(callee, outputs, asked.scores), tf.float32)
        if scores.shape.rank == 1:
            scores = scores[:, tf.newaxis]
        if scores.shape.rank != _MATRIX:
            raise RefusedError(
                f"Output '{asked.scores}' has the shape {scores.shape}; Classify takes a score "
                "for each row and class."
            )
        if not asked.labels:
            return {"scores": scores}
        if len(asked.labels) == _PAIR and scores.shape[1] == 1:
            scores = tf.concat([1.0 - scores, scores], axis=1)
        if scores.shape[1] not in {len(asked.labels), None}:
            raise RefusedError(
                f"Output '{asked.scores}' has {scores.shape[1]} scores for each row, but "
                f"{len(asked.labels)} labels were given."
            )
        labels = tf.constant([asked.labels])
        return {"classes": tf.tile(labels, [tf.shape(scores)[0], 1]), "scores": scores}

    return _of_examples(callee, answer)


def regress_callee(callee: Callee, output: str) -> Callee:
    """Answer one number for each tf.Example."""

    def answer(outputs: Mapping[str, Any]) -> dict[str, Any]:
        import tensorflow as tf  # noqa: PLC0415 loads TensorFlow, which only an export pays for

        numbers = tf.cast(_output(callee, outputs, output), tf.float32)
        is_column = numbers.shape.rank == _MATRIX and numbers.shape[1] == 1
        if numbers.shape.rank != 1 and not is_column:
            raise RefusedError(
                f"Output '{output}' has the shape {numbers.shape}; Regress takes one number for "
                "each row."
            )
        return {"outputs": numbers}

    return _of_examples(callee, answer)


def _of_examples(callee: Callee, answer: Callable[[Mapping[str, Any]], dict[str, Any]]) -> Callee:
    import tensorflow as tf  # noqa: PLC0415 loads TensorFlow, which only an export pays for

    inputs = callee.inputs or {}
    features = {name: _feature(name, spec) for name, spec in inputs.items()}

    def call(tensors: Mapping[str, Any]) -> dict[str, Any]:
        parsed = tf.io.parse_example(tensors[_INPUTS], features)
        given = {
            name: parsed[name]
            if parsed[name].dtype == spec.dtype
            else tf.cast(parsed[name], spec.dtype)
            for name, spec in inputs.items()
        }
        return answer(callee.answer(given))

    return Callee(title=callee.title, call=call, inputs={_INPUTS: _TEXTS}, kept=callee.kept)


def _feature(name: str, spec: TensorSpec) -> Any:
    import tensorflow as tf  # noqa: PLC0415 loads TensorFlow, which only an export pays for

    if spec.shape is None or None in spec.shape[1:]:
        raise RefusedError(
            f"Input '{name}' has no fixed shape for a row, so it cannot be read from tf.Examples. "
            "Give it one with --input, or leave out classify and regress."
        )
    dtype = tf.as_dtype(spec.dtype)
    # An example knows three dtypes; what is narrower is converted.
    if dtype.is_floating:
        dtype = tf.float32
    elif dtype.is_integer or dtype.is_bool:
        dtype = tf.int64
    return tf.io.FixedLenFeature(spec.shape[1:], dtype)


def _output(callee: Callee, outputs: Mapping[str, Any], name: str) -> Any:
    if name not in outputs:
        raise RefusedError(f"{callee.title} has no output '{name}' (it has: {', '.join(outputs)}).")
    return outputs[name]
