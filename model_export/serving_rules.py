"""What TF Serving and each target ask of a model's files, number and labels.

Pure: judges what was read, loads nothing. The limits and where they come from: docs/inspect.md.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from model_export.graph import Graph
from model_export.inspection import Inspection
from model_export.layout import MODEL_NAME_RULE, is_model_name, parse_version
from model_export.report import size
from model_export.verdict import Finding, Run

Target = Literal["kubernetes", "vertex", "sagemaker", "local"]

SERVING_DEFAULT: Final = "serving_default"
MAX_WARMUP_RECORDS: Final = 1000
# A protocol buffer cannot be larger.
_MAX_GRAPH_BYTES: Final = 2**31 - 1
# The newest TensorFlow of the clouds' own serving images (2026-11).
_NEWEST_IMAGE: Final[Mapping[Target, tuple[int, int]]] = {"vertex": (2, 15), "sagemaker": (2, 19)}
_IMAGE_REMEDY: Final[Mapping[Target, str]] = {
    "vertex": "Serve it there in a custom container, for which the tensorflow/serving image fits.",
    "sagemaker": "Export it with TensorFlow 2.19, or bring an image of your own.",
}
_REQUEST_SECONDS: Final[Mapping[Target, int]] = {"sagemaker": 60}
_VERTEX_REQUEST_BYTES: Final = 1_500_000
_VERTEX_ALIAS_LETTERS: Final = 2


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How the model is to be served, as far as the caller knows."""

    version: str | None = None
    labels: tuple[str, ...] = ()
    targets: tuple[Target, ...] = ()


def check_model(inspection: Inspection, sizes: Mapping[str, int]) -> Iterator[Finding]:
    """Check what no server would load, or no client could call."""
    graph = inspection.served_graph
    if graph is None:
        tags = ", ".join(sorted({tag for graph in inspection.graphs for tag in graph.tags}))
        yield _error(
            "graph",
            f"none has the tag 'serve' and no other (tags: {tags or 'none'}); no server loads it",
            "Export the model with `model-export export` or tf.saved_model.save.",
        )
        return
    yield from _check_graph(graph, inspection.graph_bytes)
    yield from _check_files(inspection, graph, sizes)
    if inspection.warmup_record_count > MAX_WARMUP_RECORDS:
        yield _error(
            "warm-up",
            f"{inspection.warmup_record_count} records, and a server takes no more than "
            f"{MAX_WARMUP_RECORDS}: it refuses the model",
            "Write fewer.",
        )
    yield Finding(
        level="ok",
        check="memory",
        message=f"about {size(inspection.memory_bytes)} once loaded, "
        f"{size(inspection.peak_memory_bytes)} while it loads; a server that changes versions "
        "without a gap holds two",
    )


def check_plan(plan: Plan) -> Iterator[Finding]:
    """Check the number and the labels that the model is to have."""
    if plan.version is not None:
        if parse_version(plan.version) is None:
            yield _error(
                "version",
                f"'{plan.version}' is no version: servers read the directory's name as a whole "
                "number, and SageMaker fails on leading zeros",
                "Use a number from 1 to 9223372036854775807, written as in 12.",
            )
        else:
            yield Finding(level="ok", check="version", message=plan.version)
    for label in plan.labels:
        if not is_model_name(label):
            yield _error(
                "label",
                f"'{label}' is no label that every target takes",
                f"A label is {MODEL_NAME_RULE}.",
            )
        elif "vertex" in plan.targets and len(label) < _VERTEX_ALIAS_LETTERS:
            yield _error(
                "label",
                f"'{label}' is too short for an alias of Vertex",
                "Use two letters or more.",
            )
        else:
            yield Finding(level="ok", check="label", message=label)


def check_targets(
    plan: Plan, graph: Graph, runs: Sequence[Run], largest_row_bytes: int
) -> Iterator[Finding]:
    """Check each target's own limits, the last of all: they need what was measured."""
    for target in plan.targets:
        findings = list(_check_target(target, graph, runs, largest_row_bytes))
        yield from findings or [
            Finding(level="ok", check=target, message="nothing stands against it")
        ]


def _check_graph(graph: Graph, graph_bytes: int) -> Iterator[Finding]:
    if graph_bytes > _MAX_GRAPH_BYTES:
        yield _error(
            "graph",
            f"saved_model.pb has {size(graph_bytes)}, and no server reads more than 2 GB of it",
            "Keep large constants in variables.",
        )
    if not graph.signatures:
        yield _error(
            "signatures",
            "there is none, so no client can call the model",
            "Give tf.saved_model.save its `signatures`, or use `model-export export`.",
        )
    elif SERVING_DEFAULT not in graph.signatures:
        yield Finding(
            level="warning",
            check="signatures",
            message=f"none is called {SERVING_DEFAULT} (there are: {', '.join(graph.signatures)})",
            remedy="Each request will have to name its signature; or export one of that name.",
        )
    if graph.custom_operations:
        yield _error(
            "operations",
            f"not TensorFlow's own: {', '.join(graph.custom_operations)}; a stock server has no "
            "code for them",
            "Serve it with an image that has their library, or replace them.",
        )
    if graph.python_operations:
        yield _error(
            "operations",
            f"{', '.join(graph.python_operations)} calls back into the Python program that made "
            "the model, and no server is that program",
            "Replace tf.py_function and tf.numpy_function by TensorFlow's own operations.",
        )


def _check_files(
    inspection: Inspection, graph: Graph, sizes: Mapping[str, int]
) -> Iterator[Finding]:
    """Find what a half-finished copy leaves."""
    wanted = dict(inspection.checkpoint.file_sizes)
    wanted |= dict.fromkeys((f"assets/{name}" for name in graph.assets), 0)
    faults = [
        f"{path} is missing"
        if path not in sizes
        else f"{path} has {sizes[path]} bytes of at least {least}"
        for path, least in sorted(wanted.items())
        if sizes.get(path, -1) < least
    ]
    if faults:
        yield _error("files", "; ".join(faults), "Copy or export the model again.")
    else:
        count = len(sizes)
        yield Finding(
            level="ok", check="files", message=f"{size(inspection.size_bytes)} in {count} files"
        )


def _check_target(
    target: Target, graph: Graph, runs: Sequence[Run], largest_row_bytes: int
) -> Iterator[Finding]:
    newest, made_by = _NEWEST_IMAGE.get(target), _release(graph.tensorflow_version)
    if newest and made_by and made_by > newest:
        yield Finding(
            level="warning",
            check=target,
            message=f"made by TensorFlow {graph.tensorflow_version}, and the newest prebuilt image "
            f"has {newest[0]}.{newest[1]}",
            remedy=_IMAGE_REMEDY[target],
        )
    limit = _REQUEST_SECONDS.get(target)
    for run in runs:
        if limit and run.seconds > limit:
            yield _error(
                target,
                f"signature {run.signature} took {run.seconds:.0f} s for {run.row_count} rows, and "
                f"a request is cut off after {limit} s",
                "Send fewer rows at once, or make the model faster.",
            )
    if target == "vertex" and largest_row_bytes > _VERTEX_REQUEST_BYTES:
        yield Finding(
            level="warning",
            check=target,
            message=f"one row of the instances has {size(largest_row_bytes)}, and a public "
            f"endpoint takes requests of {size(_VERTEX_REQUEST_BYTES)}",
            remedy="Use a dedicated endpoint (10 MB), or send references instead of content.",
        )


def _release(version: str) -> tuple[int, int] | None:
    """Read the first two parts of a version of TensorFlow."""
    parts = version.split(".")
    if len(parts) < 2 or not (parts[0].isdecimal() and parts[1].isdecimal()):  # noqa: PLR2004 2.20
        return None
    return int(parts[0]), int(parts[1])


def _error(check: str, message: str, remedy: str) -> Finding:
    return Finding(level="error", check=check, message=message, remedy=remedy)
