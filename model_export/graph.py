"""The graphs of a SavedModel as counted facts: tags, signatures, operations, assets, producer.

Reads `saved_model.pb` without TensorFlow, every graph of it, servable or not: `savedmodel` says
what a server needs, this says what there is.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from model_export.manifest import Signature
from model_export.savedmodel import read_graphs, read_signatures

OPERATIONS_FILE: Final = Path(__file__).with_name("tensorflow_operations.txt")
# They call back into the Python process that made the graph, and no server is that one.
_PYTHON: Final = frozenset({"EagerPyFunc", "PyFunc", "PyFuncStateless"})


@dataclass(frozen=True, kw_only=True)
class Graph:
    """One graph of a SavedModel; `operations` counts the nodes of the graph and its functions."""

    tags: tuple[str, ...]
    signatures: Mapping[str, Signature]
    # Inputs that a client may leave out, by signature.
    optional_inputs: Mapping[str, tuple[str, ...]]
    operations: Mapping[str, int]
    function_count: int
    assets: tuple[str, ...]
    tensorflow_version: str
    producer: int
    min_consumer: int

    @property
    def custom_operations(self) -> tuple[str, ...]:
        """Name the operations that TensorFlow does not have: a server needs their library."""
        return tuple(name for name in self.operations if name not in known_operations())

    @property
    def python_operations(self) -> tuple[str, ...]:
        """Name the operations that only run in the process that made the model."""
        return tuple(name for name in self.operations if name in _PYTHON)


def parse_graphs(document: bytes, where: str) -> tuple[Graph, ...]:
    """Read every graph; `where` names the file in errors."""
    return tuple(_graph(meta_graph) for meta_graph in read_graphs(document, where))


@cache
def known_operations() -> frozenset[str]:
    """Read the names of all operations that TensorFlow itself registers."""
    lines = OPERATIONS_FILE.read_text().splitlines()
    return frozenset(line for line in lines if not line.startswith("#"))


def registered_operations() -> tuple[str, ...]:
    """Ask the installed TensorFlow for all operations that it registers, sorted."""
    from tensorflow.core.framework.op_def_pb2 import OpList  # noqa: PLC0415 loads TensorFlow
    from tensorflow.python.client import pywrap_tf_session  # noqa: PLC0415 likewise

    buffer = pywrap_tf_session.TF_GetAllOpList()
    return tuple(
        sorted(entry.name for entry in OpList.FromString(pywrap_tf_session.TF_GetBuffer(buffer)).op)
    )


def write_known_operations() -> None:
    """Bring the committed list up to the installed TensorFlow."""
    from tensorflow import __version__  # noqa: PLC0415 loads TensorFlow

    head = f"# Registered by TensorFlow {__version__}; written by `python -m model_export.graph`."
    OPERATIONS_FILE.write_text("\n".join([head, *registered_operations(), ""]))


def _graph(meta_graph: Any) -> Graph:
    info, graph = meta_graph.meta_info, meta_graph.graph
    functions = graph.library.functions
    counts: Counter[str] = Counter(_operations(graph.nodes))
    for function in functions:
        counts.update(_operations(function.nodes))
    # TensorFlow 1 wrote the call of a function as a node of the function's name.
    own = {function.definition.name for function in functions}
    signatures = read_signatures(meta_graph.signatures)
    return Graph(
        tags=tuple(sorted(info.tags)),
        signatures=signatures,
        optional_inputs={
            name: tuple(sorted(meta_graph.signatures[name].defaults))
            for name in signatures
            if meta_graph.signatures[name].defaults
        },
        operations={name: counts[name] for name in sorted(counts.keys() - own)},
        function_count=len(functions),
        assets=tuple(sorted(asset.filename for asset in meta_graph.assets)),
        tensorflow_version=info.tensorflow_version or "unknown",
        producer=graph.versions.producer,
        min_consumer=graph.versions.min_consumer,
    )


def _operations(nodes: Iterable[Any]) -> Iterable[str]:
    return (node.op for node in nodes)


if __name__ == "__main__":
    write_known_operations()
