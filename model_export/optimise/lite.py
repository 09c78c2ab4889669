"""From one signature of a SavedModel to a TFLite model.

Runs in a process of its own and loads TensorFlow. Owns how an objective is said to the converter,
and what its refusals mean. Operations that TFLite lacks become Select TensorFlow operations where
that is possible at all; the answer names them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import JsonValue

from model_export.errors import ModelExportError, RefusedError
from model_export.layout import SAVED_MODEL_NAME
from model_export.manifest import Signature
from model_export.optimise.objective import Objective
from model_export.savedmodel import parse_saved_model
from model_export.tensors import columns, to_array

_SELECT_PREFIX: Final = "Flex"
# Calibrated, TensorFlow 2.20 gives the output of this operation another scale than its 1 and 0,
# and so makes a 1 any number (in our test 22.8). Left in float all is well (2026-11).
_ONE_HOT: Final = "ONE_HOT"


def convert(
    *,
    directory: str,
    signature_name: str,
    objective: str,
    representative: list[JsonValue] | None,
    output: str,
) -> dict[str, JsonValue]:
    """Write the TFLite model; tell its Select operations and its weights' bytes by dtype."""
    import tensorflow as tf  # noqa: PLC0415 seconds, which only this process pays
    from tensorflow.lite.python.convert import ConverterError  # noqa: PLC0415 likewise

    location = Path(directory, SAVED_MODEL_NAME)
    signature = parse_saved_model(location.read_bytes(), str(location)).signatures[signature_name]

    def attempt(*, select: bool) -> bytes:
        converter = tf.lite.TFLiteConverter.from_saved_model(
            directory, signature_keys=[signature_name]
        )
        wanted = Objective(objective)
        operations = tf.lite.OpsSet
        sets = [
            operations.TFLITE_BUILTINS_INT8
            if wanted is Objective.INT8
            else operations.TFLITE_BUILTINS
        ]
        converter.target_spec.supported_ops = [*sets, operations.SELECT_TF_OPS] if select else sets
        # Together with 8 bits the converter writes what the interpreter refuses (2.20, 2026-11).
        optimize = tf.lite.Optimize
        is_sparse = wanted is Objective.SPARSE
        converter.optimizations = [
            optimize.EXPERIMENTAL_SPARSITY if is_sparse else optimize.DEFAULT
        ]
        if wanted is Objective.FLOAT16:
            converter.target_spec.supported_types = [tf.float16]
        if representative:
            rows = _dataset(tf, signature_name, signature, representative)
            converter.representative_dataset = rows
        written: bytes = converter.convert()
        if not representative or "int8" not in _one_hot_types(written):
            return written
        debug = tf.lite.experimental
        options = debug.QuantizationDebugOptions(denylisted_ops=[_ONE_HOT])
        debugger = debug.QuantizationDebugger(
            converter=converter, debug_dataset=rows, debug_options=options
        )
        mended: bytes = debugger.get_nondebug_quantized_model()
        return mended

    try:
        model = attempt(select=False)
    except ConverterError as error:
        lacking = _lacking(error)
        if not lacking:
            raise _failed(objective, error) from error
        if representative:
            raise RefusedError(
                f"TFLite lacks {', '.join(lacking)}, and TensorFlow's calibration cannot run it "
                f"for objective '{objective}'. Take it out of the model, or take float16 or "
                "dynamic-range, which need no representative rows."
            ) from error
        try:
            model = attempt(select=True)
        except ConverterError as second:
            names = ", ".join(_lacking(second) or lacking)
            raise RefusedError(
                "The model cannot become a TFLite model: neither TFLite nor its Select TensorFlow "
                f"operations have {names}. Take it out of the model, or serve it as a SavedModel "
                "(objective 'freeze')."
            ) from second
    facts = _facts(model)
    if objective == Objective.SPARSE and not facts["sparse_weights"]:
        raise RefusedError(
            "The model has no weights with enough zeros to leave them out. Prune it while you "
            "train it (model_export.pruning, docs/optimise.md), or take another objective."
        )
    Path(output).write_bytes(model)
    # Where there are rows it was kept out of the calibration.
    facts["float_operations"] = [_ONE_HOT] if representative and _one_hot_types(model) else []
    return facts


def _dataset(
    tf: Any, name: str, signature: Signature, rows: Sequence[JsonValue]
) -> Callable[[], Iterator[tuple[str, dict[str, Any]]]]:
    def give() -> Iterator[tuple[str, dict[str, Any]]]:
        for row in rows:
            yield (
                name,
                {
                    key: tf.constant(to_array(key, values, signature.inputs[key]))
                    for key, values in columns([row], signature.inputs).items()
                },
            )

    return give


def _lacking(error: Any) -> tuple[str, ...]:
    """Name the operations that the converter has no place for, if that was its trouble."""
    from tensorflow.compiler.mlir.lite.metrics import (  # noqa: PLC0415 loads TensorFlow
        converter_error_data_pb2,
    )

    codes = converter_error_data_pb2.ConverterErrorData
    lacking = (codes.ERROR_NEEDS_FLEX_OPS, codes.ERROR_NEEDS_CUSTOM_OPS)
    return tuple(
        sorted(
            {
                entry.operator.name.removeprefix("tf.")
                for entry in error.errors
                if entry.error_code in lacking
            }
        )
    )


def _failed(objective: str, error: Exception) -> ModelExportError:
    reason = str(error).strip().splitlines()[0]
    return ModelExportError(f"TensorFlow cannot convert the model for '{objective}': {reason}")


def _one_hot_types(model: bytes) -> set[str]:
    """Name the dtypes in which the model's ONE_HOT operations answer."""
    parsed, schema = _parsed(model)
    codes = [code.builtinCode for code in parsed.operatorCodes]
    return {
        _type_names(schema)[graph.tensors[operation.outputs[0]].type]
        for graph in parsed.subgraphs
        for operation in graph.operators
        if codes[operation.opcodeIndex] == schema.BuiltinOperator.ONE_HOT
    }


def _type_names(schema: Any) -> dict[int, str]:
    return {
        number: name.lower() for name, number in vars(schema.TensorType).items() if name[:1] != "_"
    }


def _parsed(model: bytes) -> tuple[Any, Any]:
    from tensorflow.lite.python import (  # noqa: PLC0415 loads TensorFlow
        schema_py_generated as schema,
    )

    return schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(model, 0)), schema


def _facts(model: bytes) -> dict[str, JsonValue]:
    parsed, schema = _parsed(model)
    names = _type_names(schema)
    weights: dict[str, int] = {}
    seen = set()
    sparse = 0
    for tensor in (tensor for graph in parsed.subgraphs for tensor in graph.tensors):
        data = parsed.buffers[tensor.buffer].data
        if data is not None and tensor.buffer not in seen:
            seen.add(tensor.buffer)
            dtype = names[tensor.type]
            weights[dtype] = weights.get(dtype, 0) + len(data)
            sparse += tensor.sparsity is not None
    return {
        "sparse_weights": sparse,
        "select_operations": [*_select_operations(parsed.operatorCodes)],
        "weight_bytes": {key: weights[key] for key in sorted(weights)},
    }


def _select_operations(codes: Iterable[Any]) -> list[str]:
    custom = {code.customCode.decode() for code in codes if code.customCode}
    return sorted(
        name.removeprefix(_SELECT_PREFIX) for name in custom if name.startswith(_SELECT_PREFIX)
    )
