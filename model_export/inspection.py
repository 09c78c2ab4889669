"""What a SavedModel is, told without TensorFlow and without reading its values.

Owns putting together what the files say: graphs, variables, assets, warm-up requests, sizes. Works
on a directory and on a version in a bucket alike, of which it fetches little more than the graph.
"""

from dataclasses import asdict, dataclass
from functools import partial
from typing import Final

from pydantic import JsonValue

from model_export.checkpoint import EMPTY, INDEX_PATH, Checkpoint, parse_index
from model_export.export_record import EXPORT_RECORD_PATH, parse_export_record
from model_export.graph import Graph, parse_graphs
from model_export.layout import SAVED_MODEL_NAME
from model_export.model_files import ModelFiles
from model_export.savedmodel import SERVE_TAG
from model_export.tfrecord import record_places

WARMUP_PATH: Final = "assets.extra/tf_serving_warmup_requests"
# Measured on models that are all variables, all constants and all nodes, as the local server loads
# them (TensorFlow 2.20): what a byte of the graph and a node of it become, and at the worst moment.
_BYTES_PER_GRAPH_BYTE: Final = 8
_BYTES_PER_NODE: Final = 10_000
_PEAK_BYTES_PER_GRAPH_BYTE: Final = 18
_PEAK_BYTES_PER_NODE: Final = 11_500


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """All that is known of a model from its files."""

    where: str
    size_bytes: int
    file_count: int
    graphs: tuple[Graph, ...]
    checkpoint: Checkpoint
    graph_bytes: int
    asset_bytes: int
    warmup_record_count: int
    keras_version: str | None

    @property
    def served_graph(self) -> Graph | None:
        """Give the graph that a server loads, the one with this tag and no other."""
        return next((graph for graph in self.graphs if graph.tags == (SERVE_TAG,)), None)

    @property
    def memory_bytes(self) -> int:
        """Estimate what one loaded version adds to a server, its requests' own tensors left out.

        While a server goes from one version to the next it holds both.
        """
        return self._memory(_BYTES_PER_GRAPH_BYTE, _BYTES_PER_NODE)

    @property
    def peak_memory_bytes(self) -> int:
        """Estimate what it adds at the worst moment of its loading."""
        return self._memory(_PEAK_BYTES_PER_GRAPH_BYTE, _PEAK_BYTES_PER_NODE)

    def _memory(self, bytes_per_graph_byte: int, bytes_per_node: int) -> int:
        graph = self.served_graph
        nodes = sum(graph.operations.values()) if graph else 0
        fixed = self.checkpoint.size_bytes + self.asset_bytes
        return fixed + bytes_per_graph_byte * self.graph_bytes + bytes_per_node * nodes


def inspect_model(files: ModelFiles) -> Inspection:
    """Read what the files say; a damaged file is refused by name."""
    document = _whole(files, SAVED_MODEL_NAME)
    graphs = parse_graphs(document, _at(files, SAVED_MODEL_NAME))
    return Inspection(
        where=files.where,
        size_bytes=sum(files.sizes.values()),
        file_count=len(files.sizes),
        graphs=graphs,
        checkpoint=read_checkpoint(files),
        graph_bytes=len(document),
        asset_bytes=sum(size for path, size in files.sizes.items() if path.startswith("assets/")),
        warmup_record_count=count_warmup_records(files),
        keras_version=_keras_version(files),
    )


def read_checkpoint(files: ModelFiles) -> Checkpoint:
    """Read the variables' index; a model may have none."""
    if INDEX_PATH not in files.sizes:
        return EMPTY
    return parse_index(_whole(files, INDEX_PATH), _at(files, INDEX_PATH))


def count_warmup_records(files: ModelFiles) -> int:
    """Count the requests that a server replays before it serves."""
    if WARMUP_PATH not in files.sizes:
        return 0
    read = partial(files.read, WARMUP_PATH)
    places = record_places(read, files.sizes[WARMUP_PATH], _at(files, WARMUP_PATH))
    return sum(1 for _ in places)


def as_json(inspection: Inspection) -> dict[str, JsonValue]:
    """Give a script everything but the single variables."""
    checkpoint = inspection.checkpoint
    return {
        "where": inspection.where,
        "size_bytes": inspection.size_bytes,
        "file_count": inspection.file_count,
        "keras_version": inspection.keras_version,
        "memory_bytes": inspection.memory_bytes,
        "peak_memory_bytes": inspection.peak_memory_bytes,
        "warmup_record_count": inspection.warmup_record_count,
        "variables": {
            "count": len(checkpoint.variables),
            "parameter_count": checkpoint.parameter_count,
            "size_bytes": checkpoint.size_bytes,
        },
        "graphs": [
            {
                **asdict(graph),
                "custom_operations": list(graph.custom_operations),
                "python_operations": list(graph.python_operations),
            }
            for graph in inspection.graphs
        ],
    }


def _keras_version(files: ModelFiles) -> str | None:
    if EXPORT_RECORD_PATH not in files.sizes:
        return None
    document = _whole(files, EXPORT_RECORD_PATH)
    return parse_export_record(document, _at(files, EXPORT_RECORD_PATH)).keras_version


def _whole(files: ModelFiles, path: str) -> bytes:
    # A store cannot be asked for nothing.
    return files.read(path, 0, files.sizes[path]) if files.sizes[path] else b""


def _at(files: ModelFiles, path: str) -> str:
    return f"{files.where}/{path}"
