"""What a SavedModel says of itself, read without TensorFlow.

Owns `saved_model.pb`: its signatures and the TensorFlow that wrote it. Does not load or run the
model, and reads no variables.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import DecodeError

from model_export import wire
from model_export.errors import RefusedError
from model_export.manifest import Signature, TensorSpec

SERVE_TAG: Final = "serve"
# TensorFlow keeps the graph's initialisers among the signatures; no client can call them.
INTERNAL_SIGNATURE: Final = "__saved_model_"


@dataclass(frozen=True, kw_only=True)
class SavedModelSummary:
    """What a client and a server need to know before they load the model."""

    signatures: Mapping[str, Signature]
    tensorflow_version: str


def read_graphs(document: bytes, where: str) -> Sequence[Any]:
    """Parse the file into its graphs, of which there is at least one."""
    saved_model = wire.message("SavedModel")()
    try:
        saved_model.ParseFromString(document)
    except DecodeError as error:
        raise RefusedError(
            f"{where} is corrupt or cut short: it is no SavedModel protocol buffer. "
            "Export the model again."
        ) from error
    if not saved_model.meta_graphs:
        raise RefusedError(f"{where} is empty: it holds no graph. Export the model again.")
    graphs: Sequence[Any] = saved_model.meta_graphs
    return graphs


def parse_saved_model(document: bytes, where: str) -> SavedModelSummary:
    """Read the graph that a server loads, the one tagged `serve`; `where` names it in errors."""
    graphs = read_graphs(document, where)
    serving = [graph for graph in graphs if SERVE_TAG in graph.meta_info.tags]
    if not serving:
        found = sorted({tag for graph in graphs for tag in graph.meta_info.tags})
        raise RefusedError(
            f"{where} has no graph with the tag '{SERVE_TAG}' (its tags: {', '.join(found) or '-'})"
            ", so no server can load it. Export it with tf.saved_model.save."
        )
    signatures = read_signatures(serving[0].signatures)
    if not signatures:
        raise RefusedError(
            f"{where} has no signature, so no client can call it. Export the model with "
            "model_export.export_model, or give tf.saved_model.save its `signatures`."
        )
    return SavedModelSummary(
        signatures=signatures,
        tensorflow_version=serving[0].meta_info.tensorflow_version or "unknown",
    )


def read_signatures(signature_defs: Mapping[str, Any]) -> dict[str, Signature]:
    """Turn `SignatureDef` messages into our own."""
    return {
        name: Signature(
            method_name=definition.method_name,
            inputs={key: _tensor_spec(info) for key, info in sorted(definition.inputs.items())},
            outputs={key: _tensor_spec(info) for key, info in sorted(definition.outputs.items())},
        )
        for name, definition in sorted(signature_defs.items())
        if not name.startswith(INTERNAL_SIGNATURE)
    }


def _tensor_spec(info: Any) -> TensorSpec:
    dims = tuple(dim.size if dim.size >= 0 else None for dim in info.shape.dims)
    return TensorSpec(
        dtype=wire.DTYPES.get(info.dtype, f"unknown ({info.dtype})"),
        shape=None if info.shape.unknown_rank else dims,
    )
