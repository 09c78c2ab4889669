"""From a trained model to a SavedModel that a server and a client can rely on.

The door to `model_export.exporting`. Takes Keras models and layers, `.keras` files, tf.Module,
TensorFlow's functions and SavedModel directories. Owns what is written: the signatures, named and
asserted, the warm-up records that a server replays before it serves, and the sample that goes into
the manifest.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, Final

from pydantic import JsonValue

from model_export.errors import ModelExportError, RefusedError
from model_export.export_record import (
    EXPORT_RECORD_PATH,
    ExportRecord,
    dump_export_record,
    parse_export_record,
)
from model_export.exporting.callee import Callee, chained, renamed, require_servable, with_inputs
from model_export.exporting.examples import (
    CLASSIFY_METHOD,
    REGRESS_METHOD,
    Classify,
    classify_callee,
    regress_callee,
)
from model_export.exporting.function_source import function_callee, module_callee
from model_export.exporting.keras_source import (
    KERAS_SUFFIXES,
    is_keras,
    keras_callee,
    load_keras,
)
from model_export.exporting.saved_model_source import (
    SERVING_DEFAULT,
    SavedSource,
    default_signature,
    read_saved,
    saved_callees,
)
from model_export.exporting.warmup import MAX_WARMUP_RECORDS, WARMUP_PATH, write_warmup
from model_export.exporting.writing import Endpoint, write
from model_export.layout import MANIFEST_NAME, SIGNATURE_NAME
from model_export.manifest import Signature, TensorSpec
from model_export.reasons import unwritten

__all__ = ["WARMUP_PATH", "Classify", "TensorSpec", "export_model"]

_CLASSIFY: Final = "classify"
_REGRESS: Final = "regress"


def export_model(  # noqa: PLR0913 one keyword for each thing that may be chosen
    model: Any,
    directory: Path,
    *,
    instances: Sequence[Mapping[str, JsonValue] | JsonValue] = (),
    inputs: Mapping[str, TensorSpec | None] | None = None,
    outputs: Mapping[str, str] | None = None,
    preprocess: Any = None,
    postprocess: Any = None,
    classify: Classify | None = None,
    regress: str | None = None,
    signatures: Mapping[str, str] | None = None,
) -> Signature:
    """Write a model as a SavedModel and give the signature `serving_default`.

    `model` is a Keras model or layer, a tf.Module, a tf.function, a concrete or plain function, or
    the path of a `.keras` file or a SavedModel. The directory must not exist; it appears when all
    of it is written.

    `inputs` names them and says their dtypes and shapes, the open batch dimension first; None in
    place of a spec takes the model's own. `outputs` chooses and names: new name to own name.
    `preprocess` is called before the model, which then takes what `preprocess` takes, and
    `postprocess` after it; each is a function, tf.Module or Keras object. `classify` and `regress`
    ask for signatures that take tf.Examples; `regress` names the output.

    `signatures` says which method of a tf.Module, or which signature of a SavedModel, is written
    under which name. Left out: `__call__`, or all signatures under their names.

    `instances` are rows as a client sends them: the written model itself answers them, which goes
    into the sample, and the server warms up on each of them.
    """
    if directory.exists():
        raise RefusedError(f"{directory} exists already; choose another directory or remove it.")
    if len(instances) > MAX_WARMUP_RECORDS:
        raise RefusedError(f"A server warms up on at most {MAX_WARMUP_RECORDS} instances.")
    source = _read(model)
    asked = (inputs, outputs, preprocess, postprocess, classify, regress, signatures)
    fill: Callable[[Path], Mapping[str, Signature]]
    of_examples: dict[str, str] = {}
    if isinstance(source, SavedSource) and SERVING_DEFAULT in source.signatures and not any(asked):
        # Nothing can be lost that is not touched.
        fill = partial(_copy, source)
    else:
        endpoints = _endpoints(source, signatures)
        main = endpoints[SERVING_DEFAULT].callee
        main = _shaped(main, inputs, outputs, preprocess, postprocess)
        endpoints[SERVING_DEFAULT] = Endpoint(callee=main)
        if classify:
            callee = classify_callee(main, classify)
            endpoints[_CLASSIFY] = Endpoint(callee=callee, method_name=CLASSIFY_METHOD)
            of_examples[_CLASSIFY] = CLASSIFY_METHOD
        if regress:
            callee = regress_callee(main, regress)
            endpoints[_REGRESS] = Endpoint(callee=callee, method_name=REGRESS_METHOD)
            of_examples[_REGRESS] = REGRESS_METHOD
        fill = partial(write, endpoints)
    return _complete(source, directory, fill, instances, of_examples)


def _complete(
    source: Any,
    directory: Path,
    fill: Callable[[Path], Mapping[str, Signature]],
    instances: Sequence[Mapping[str, JsonValue] | JsonValue],
    of_examples: Mapping[str, str],
) -> Signature:
    """Write the model beside its place, add what we know of it, then show all of it at once."""
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=f".{directory.name}-", dir=directory.parent
        ) as temporary:
            written = Path(temporary) / "model"
            signature = fill(written)[SERVING_DEFAULT]
            location = written / EXPORT_RECORD_PATH
            record = _record(source)
            if instances:
                sample = write_warmup(written, SERVING_DEFAULT, signature, instances, of_examples)
                record = replace(record, sample=sample)
            location.parent.mkdir(exist_ok=True)
            location.write_bytes(dump_export_record(record))
            shutil.move(written, directory)
    except OSError as error:
        raise ModelExportError(
            f"Cannot write {unwritten(error, directory)}. Nothing was exported."
        ) from error
    return signature


def _copy(source: SavedSource, target: Path) -> Mapping[str, Signature]:
    shutil.copytree(source.directory, target)
    # It was of the version that this was.
    for name in (MANIFEST_NAME, SIGNATURE_NAME):
        (target / name).unlink(missing_ok=True)
    return source.signatures


def _read(model: Any) -> Any:
    """Open what is named by a path."""
    if not isinstance(model, (str, PathLike)):
        return model
    path = Path(model)
    if path.suffix in KERAS_SUFFIXES and path.is_file():
        return load_keras(path)
    if path.is_dir():
        return read_saved(path)
    if not path.exists():
        raise RefusedError(f"There is no {path}; give a .keras file or a SavedModel directory.")
    raise RefusedError(f"{path} is neither a .keras file nor a SavedModel directory.")


def _endpoints(source: Any, signatures: Mapping[str, str] | None) -> dict[str, Endpoint]:
    """Find what is to be written under which name; `serving_default` is among them."""
    if isinstance(source, SavedSource):
        return _saved_endpoints(source, signatures)
    if signatures and (is_keras(source) or not _is_module(source)):
        raise RefusedError(
            "Signatures are chosen of a tf.Module or a SavedModel; this model has one only."
        )
    if is_keras(source):
        return {SERVING_DEFAULT: Endpoint(callee=keras_callee(source))}
    if not _is_module(source):
        return {SERVING_DEFAULT: Endpoint(callee=_callee(source))}
    chosen = {SERVING_DEFAULT: "__call__"} | dict(signatures or {})
    return {name: Endpoint(callee=module_callee(source, method)) for name, method in chosen.items()}


def _saved_endpoints(
    source: SavedSource, signatures: Mapping[str, str] | None
) -> dict[str, Endpoint]:
    chosen = dict(signatures or {name: name for name in source.signatures})
    for own in chosen.values():
        if own not in source.signatures:
            raise RefusedError(
                f"{source.directory} has no signature '{own}' (it has: "
                f"{', '.join(source.signatures)})."
            )
    if SERVING_DEFAULT not in chosen:
        chosen[SERVING_DEFAULT] = default_signature(source)
    callees = saved_callees(source)
    return {
        name: Endpoint(callee=callees[own], method_name=source.signatures[own].method_name)
        for name, own in chosen.items()
    }


def _shaped(
    main: Callee,
    inputs: Mapping[str, TensorSpec | None] | None,
    outputs: Mapping[str, str] | None,
    preprocess: Any,
    postprocess: Any,
) -> Callee:
    """Attach what goes before and after, then name what clients see."""
    if preprocess is not None:
        main = chained(with_inputs(_callee(_read(preprocess)), inputs), main)
    else:
        main = with_inputs(main, inputs)
    if postprocess is not None:
        main = chained(main, _callee(_read(postprocess)))
    require_servable(main.inputs or {})
    return renamed(main, outputs) if outputs else main


def _callee(thing: Any) -> Callee:
    """Take anything that can be called."""
    if isinstance(thing, SavedSource):
        return saved_callees(thing)[default_signature(thing)]
    if is_keras(thing):
        return keras_callee(thing)
    if _is_module(thing):
        return module_callee(thing, None)
    if callable(thing):
        return function_callee(thing)
    raise RefusedError(
        f"{type(thing).__name__} cannot be exported; give a Keras model, a tf.Module, a function "
        "or a path."
    )


def _is_module(thing: Any) -> bool:
    import tensorflow as tf  # noqa: PLC0415 loads TensorFlow, which only an export pays for

    return isinstance(thing, tf.Module)


def _record(source: Any) -> ExportRecord:
    """Say what only the exporter knows; a SavedModel may have brought it."""
    if isinstance(source, SavedSource):
        location = source.directory / EXPORT_RECORD_PATH
        if not location.exists():
            return ExportRecord()
        return parse_export_record(location.read_bytes(), str(location))
    keras = sys.modules.get("keras")
    return ExportRecord(keras_version=keras.__version__ if keras and is_keras(source) else None)
