"""Keras 3 models and layers, live or in a file."""

import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from model_export.errors import RefusedError
from model_export.exporting.callee import UNNAMED, Callee, bind, key_of, leaves
from model_export.manifest import TensorSpec

KERAS_SUFFIXES: Final = {".keras", ".h5"}
# What a single input that nobody named is called here.
_SINGLE_INPUT: Final = "inputs"


def is_keras(thing: Any) -> bool:
    """Tell whether it is a Keras model or layer, without importing Keras for anything else."""
    return any(
        kind.__module__.startswith("keras.") and kind.__name__ == "Layer"
        for kind in type(thing).__mro__
    )


def keras_callee(model: Any) -> Callee:
    """Take a model or layer; one that was built of keras.Input knows its inputs and outputs."""
    import keras  # noqa: PLC0415 loads TensorFlow, which only an export pays for

    if keras.backend.backend() != "tensorflow":
        raise RefusedError(
            f"Keras runs on {keras.backend.backend()}, and a SavedModel is TensorFlow's. Start "
            "again with KERAS_BACKEND=tensorflow: a .keras file can be loaded on any backend."
        )
    title = f"{type(model).__name__} '{model.name}'"
    if not getattr(model, "inputs", None):
        return Callee(
            title=title, call=lambda tensors: bind(model, tensors), inputs=None, kept=(model,)
        )
    structure = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
    inputs = _named_inputs(structure, title)

    def call(tensors: Mapping[str, Any]) -> Any:
        in_order = [tensors[name] for name in inputs]
        return model(keras.tree.pack_sequence_as(structure, in_order), training=False)

    return Callee(
        title=title,
        call=call,
        inputs=inputs,
        output_names=_output_names(model.outputs),
        kept=(model,),
    )


def load_keras(path: Path) -> Any:
    """Load a model from a file; classes that it needs and nobody has registered are named."""
    import keras  # noqa: PLC0415 loads TensorFlow, which only an export pays for

    if path.suffix == ".keras":
        config = _config(path)
        missing = sorted(
            {
                name
                for name in _custom_classes(config)
                if keras.saving.get_registered_object(name) is None
            }
        )
        if missing:
            raise RefusedError(
                f"{path} holds custom objects that are not known here: {', '.join(missing)}. Give "
                "the Python file or module that defines them, decorated with "
                "@keras.saving.register_keras_serializable(), as in --custom-objects layers.py."
            )
    try:
        return keras.saving.load_model(path, compile=False)
    # Keras raises whatever its parts raise, and its messages go on for pages.
    except Exception as error:
        text = str(error).strip() or repr(error)
        if "unsafe" in text or "safe_mode" in text:
            raise RefusedError(
                f"{path} holds Python code (a Lambda layer), which is not run from a file. If you "
                "trust it, load it with keras.saving.load_model(..., safe_mode=False) and export "
                "the live model."
            ) from error
        raise RefusedError(f"{path} cannot be loaded by Keras: {text.splitlines()[0]}") from error


def _named_inputs(structure: Any, title: str) -> dict[str, TensorSpec]:
    found: dict[str, TensorSpec] = {}
    tensors = leaves(structure)
    for path, tensor in tensors:
        name = key_of(path) or tensor.name
        if len(tensors) == 1 and name.startswith(UNNAMED):
            name = _SINGLE_INPUT
        # A batch size that a model was built with is one that it happened to have.
        found[name] = TensorSpec(dtype=tensor.dtype, shape=(None, *tensor.shape[1:]))
    if len(found) < len(tensors):
        raise RefusedError(f"{title} has two inputs of one name; name each on its own.")
    return found


def _output_names(tensors: list[Any]) -> tuple[str, ...]:
    """Take the names of layers that somebody named; Keras counts the others anew in each run."""
    names = []
    for index, tensor in enumerate(tensors):
        layer = tensor._keras_history.operation  # noqa: SLF001 Keras has no other door to it
        counted = rf"{_snake_case(type(layer).__name__)}(_\d+)?"
        given = re.fullmatch(counted, layer.name) is None and layer.name not in names
        names.append(layer.name if given else f"output_{index}")
    return tuple(names)


def _snake_case(name: str) -> str:
    """Write a class's name as Keras does when it names an object after it."""
    parted = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name))
    return re.sub(r"\W+", "", parted).lower()


def _config(path: Path) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read("config.json"))
    except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise RefusedError(
            f"{path} is no Keras 3 model file, or it is cut short. Save the model again with "
            "model.save('….keras')."
        ) from error


def _custom_classes(config: Any) -> Iterator[str]:
    """Find the registered names of classes and functions that are not Keras' own."""
    if isinstance(config, list):
        for part in config:
            yield from _custom_classes(part)
    elif isinstance(config, dict):
        module = str(config.get("module"))
        if {"class_name", "registered_name"} <= config.keys() and not re.match(
            r"(keras|builtins)(\.|$)", module
        ):
            name = config["registered_name"] or config["class_name"]
            # A function's own name stands in its config.
            own = config.get("config")
            yield own if config["class_name"] == "function" and isinstance(own, str) else str(name)
        # A loss and an optimiser are of the training, and are not loaded.
        for key, part in config.items():
            if key != "compile_config":
                yield from _custom_classes(part)
