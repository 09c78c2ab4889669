"""From a SavedModel to a frozen one that serves the same signatures.

Runs in a process of its own and loads TensorFlow. Variables become constants, so that grappler can
work out once, here, what a server would work out at each start or each request. Signatures, lookup
tables and assets stay what they are; nothing in the result depends on this machine.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from pydantic import JsonValue

from model_export.layout import SAVED_MODEL_NAME
from model_export.savedmodel import SERVE_TAG

# A server adds these itself for the device that it finds.
_PER_DEVICE: Final = ("layout_optimizer", "remapping", "auto_mixed_precision")
# Collections that speak of variables, of which none are left.
_OF_VARIABLES: Final = ("variables", "trainable_variables", "model_variables", "global_step")


def freeze(*, directory: str, output: str) -> dict[str, JsonValue]:
    """Write the frozen graph; its assets are the caller's to copy."""
    import tensorflow as tf  # noqa: PLC0415 seconds, which only this process pays
    from tensorflow.core.protobuf import saved_model_pb2  # noqa: PLC0415 likewise
    from tensorflow.python.framework.convert_to_constants import (  # noqa: PLC0415 likewise
        convert_variables_to_constants_from_session_graph,
    )

    v1 = tf.compat.v1
    with v1.Session(graph=tf.Graph()) as session:
        meta = v1.saved_model.load(session, [SERVE_TAG], directory)
        kept = _kept_nodes(meta)
        frozen = convert_variables_to_constants_from_session_graph(
            session, session.graph.as_graph_def(), kept
        )
    meta.graph_def.CopyFrom(frozen)
    meta.ClearField("saver_def")
    meta.ClearField("object_graph_def")
    for name in _OF_VARIABLES:
        meta.collection_def.pop(name, None)
    before = len(frozen.node) + sum(len(entry.node_def) for entry in frozen.library.function)
    meta.graph_def.CopyFrom(_optimised(meta, kept))
    saved_model = saved_model_pb2.SavedModel(saved_model_schema_version=1)
    saved_model.meta_graphs.add().CopyFrom(meta)
    Path(output, SAVED_MODEL_NAME).write_bytes(saved_model.SerializeToString(deterministic=True))
    library = meta.graph_def.library.function
    after = len(meta.graph_def.node) + sum(len(entry.node_def) for entry in library)
    return {"nodes_before": before, "nodes_after": after}


def _kept_nodes(meta: Any) -> list[str]:
    """Name what a server feeds, fetches and runs once; all else may change."""
    tensors = [
        info.name
        for signature in meta.signature_def.values()
        for info in _dense((*signature.inputs.values(), *signature.outputs.values()))
    ]
    tensors += [asset.tensor_info.name for asset in meta.asset_file_def]
    for name in ("saved_model_main_op", "legacy_init_op"):
        tensors += meta.collection_def[name].node_list.value if name in meta.collection_def else ()
    return sorted({name.partition(":")[0] for name in tensors if name})


def _dense(infos: Iterable[Any]) -> Iterable[Any]:
    """Take a sparse or composite tensor apart into the tensors it is made of."""
    for info in infos:
        kind = info.WhichOneof("encoding")
        if kind == "coo_sparse":
            for part in ("values", "indices", "dense_shape"):
                yield type(info)(name=getattr(info.coo_sparse, f"{part}_tensor_name"))
        elif kind == "composite_tensor":
            yield from _dense(info.composite_tensor.components)
        else:
            yield info


def _optimised(meta: Any, kept: list[str]) -> Any:
    from tensorflow.core.protobuf import config_pb2, rewriter_config_pb2  # noqa: PLC0415 loads TF
    from tensorflow.python.grappler import tf_optimizer  # noqa: PLC0415 likewise

    task = type(meta)()
    task.CopyFrom(meta)
    # Grappler prunes what leads to no fetch, and reads the fetches here.
    task.collection_def["train_op"].node_list.value.extend(kept)
    config = config_pb2.ConfigProto()
    rewrite = config.graph_options.rewrite_options
    for name in _PER_DEVICE:
        setattr(rewrite, name, rewriter_config_pb2.RewriterConfig.OFF)
    rewrite.min_graph_nodes = -1  # Also a small graph.
    return tf_optimizer.OptimizeGraph(config, task)
