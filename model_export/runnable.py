"""Models that can be run: a SavedModel as TF Serving runs it, a Keras file as Keras does.

Both load TensorFlow, and run the model's own code: only a trial's process makes them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from model_export import wire
from model_export.arrays import Arrays, dtype_of
from model_export.layout import SAVED_MODEL_NAME
from model_export.savedmodel import SERVE_TAG, parse_saved_model
from model_export.tensors import from_tensor

_DEFAULT_SIGNATURE: Final = "serving_default"
# What Classify and Regress call the input of a signature, whatever the model calls it.
_EXAMPLES: Final = "inputs"


class Original(Protocol):
    """A model that another was made from."""

    def answer(self, signature: str, inputs: Arrays) -> Arrays | None:
        """Give its outputs; None where it takes other inputs."""


class SavedModel:
    """A SavedModel in a Session of its own."""

    def __init__(self, directory: Path) -> None:
        import tensorflow as tf  # noqa: PLC0415 seconds, paid only by a trial

        document = (directory / SAVED_MODEL_NAME).read_bytes()
        self.signatures = parse_saved_model(document, str(directory)).signatures
        self._session = tf.compat.v1.Session(graph=tf.Graph())
        with self._session.graph.as_default():
            meta_graph = tf.compat.v1.saved_model.load(self._session, [SERVE_TAG], str(directory))
        self._definitions: Mapping[str, Any] = meta_graph.signature_def
        self._defaults = {
            name: {
                key: tf.make_ndarray(tensor)
                for key, tensor in self._definitions[name].defaults.items()
            }
            for name in self.signatures
        }

    def run(self, signature: str, inputs: Arrays) -> dict[str, Any]:
        """Run one signature on one batch."""
        if signature not in self.signatures:
            raise ValueError(f"the model has no signature '{signature}'")
        definition = self._definitions[signature]
        given = {**self._defaults[signature], **inputs}
        if given.keys() != definition.inputs.keys():
            raise ValueError(
                f"it takes {', '.join(sorted(definition.inputs))}, and was given "
                f"{', '.join(sorted(given)) or 'nothing'}"
            )
        for name, spec in self.signatures[signature].inputs.items():
            # A Session would convert what a server refuses.
            if dtype_of(given[name]) != spec.dtype:
                raise ValueError(
                    f"input '{name}' is {spec.dtype}, and was given {dtype_of(given[name])}"
                )
        outputs: dict[str, Any] = self._session.run(
            {name: info.name for name, info in definition.outputs.items()},
            {definition.inputs[name].name: array for name, array in given.items()},
        )
        return outputs

    def answer(self, signature: str, inputs: Arrays) -> Arrays | None:
        """Be the original of another model: the signature of the same name answers."""
        known = self.signatures.get(signature)
        return (
            self.run(signature, inputs) if known and known.inputs.keys() == inputs.keys() else None
        )

    def replay(self, warmup: Path) -> tuple[int, int]:
        """Run the warm-up records; count those that ran and those of a kind that cannot."""
        import tensorflow as tf  # noqa: PLC0415 loaded by now

        ran = skipped = 0
        for document in tf.data.TFRecordDataset(str(warmup)).as_numpy_iterator():
            log = wire.message("PredictionLog").FromString(document)
            request, inputs = _recorded(log)
            if not inputs:
                skipped += 1
                continue
            try:
                self.run(request.model_spec.signature_name or _DEFAULT_SIGNATURE, inputs)
            except Exception as error:
                error.add_note(f"record {ran + skipped + 1}")
                raise
            ran += 1
        return ran, skipped


class KerasModel:
    """A model as Keras saved it, in a `.keras` or `.h5` file."""

    def __init__(self, file: Path) -> None:
        import keras  # noqa: PLC0415 seconds, paid only by a trial

        self._model = keras.saving.load_model(file, compile=False)
        self._names = (
            list(self._model.input)
            if isinstance(self._model.input, dict)
            else [tensor.name for tensor in self._model.inputs]
        )

    def answer(self, signature: str, inputs: Arrays) -> Arrays | None:  # noqa: ARG002 it has but one
        """Call the model, if its inputs have these names, or if there is but one on both sides."""
        import keras  # noqa: PLC0415 loaded by now
        import tensorflow as tf  # noqa: PLC0415 loaded by now

        if set(self._names) == set(inputs):
            tensors = [tf.constant(inputs[name]) for name in self._names]
        elif len(self._names) == len(inputs) == 1:
            tensors = [tf.constant(*inputs.values())]
        else:
            return None
        answer = self._model(
            dict(zip(self._names, tensors, strict=True))
            if isinstance(self._model.input, dict)
            else keras.tree.pack_sequence_as(self._model.input, tensors),
            training=False,
        )
        named = (
            answer
            if isinstance(answer, dict)
            else dict(zip(self._model.output_names, keras.tree.flatten(answer), strict=True))
        )
        return {name: tensor.numpy() for name, tensor in named.items()}


def _recorded(log: Any) -> tuple[Any, Arrays]:
    """Give a warm-up record's request and what it feeds; nothing for what cannot be tried."""
    if log.HasField("predict_log"):
        request = log.predict_log.request
        return request, {name: from_tensor(tensor) for name, tensor in request.inputs.items()}
    request = (log.regress_log if log.HasField("regress_log") else log.classify_log).request
    examples = request.input.example_list.examples
    texts = [example.SerializeToString() for example in examples]
    return request, {_EXAMPLES: np.array(texts, object)} if texts else {}


def load_original(place: Path) -> Original:
    """Load what a SavedModel was made from: another SavedModel, or a Keras file."""
    return SavedModel(place) if place.is_dir() else KerasModel(place)
