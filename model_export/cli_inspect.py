"""`model-export inspect` and `diff`: what a model is, and what a newer one means for clients.

Owns their words. Neither loads TensorFlow.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from textwrap import wrap
from typing import Final

import click

from model_export.compatibility import Change, Interface, compare, shape_text
from model_export.errors import RefusedError
from model_export.graph import Graph
from model_export.inspection import Inspection, as_json, inspect_model
from model_export.manifest import Signature
from model_export.model_files import find_model
from model_export.report import size

_WIDTH: Final = 100
# No letter that is in a name, and none that a line may break at.
_TIE: Final = "\0"
_PLACE_HELP: Final = (
    "A place is a directory, or MODEL/VERSION in a store: build/heart, gs://bucket/heart/3."
)


@click.command("inspect", epilog=_PLACE_HELP)
@click.argument("place", metavar="DIR|URL")
@click.option("--json", "in_json", is_flag=True, help="Answer in JSON.")
def inspect_command(*, place: str, in_json: bool) -> None:
    """Tell what a SavedModel is: signatures, operations, variables, size, memory it needs.

    Reads the files alone, in a fraction of a second, and runs nothing of the model.
    """
    inspection = inspect_model(find_model(place))
    click.echo(json.dumps(as_json(inspection), indent=2) if in_json else _described(inspection))


@click.command("diff", epilog=_PLACE_HELP)
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.option(
    "--fail-on-breaking",
    is_flag=True,
    help="Exit with 1 if a client of OLD may break with NEW; for a pipeline.",
)
@click.option("--json", "in_json", is_flag=True, help="Answer in JSON.")
@click.pass_context
def diff_command(
    context: click.Context, *, old: str, new: str, fail_on_breaking: bool, in_json: bool
) -> None:
    """Tell what changes for a client from OLD to NEW, and mark what breaks one.

    It breaks a client when a request that OLD takes is refused by NEW, or when NEW answers in a
    form that OLD never had.
    """
    changes = compare(_interface(old), _interface(new))
    breaking = any(change.breaks for change in changes)
    if in_json:
        plain = {"breaking": breaking, "changes": [asdict(change) for change in changes]}
        click.echo(json.dumps(plain, indent=2))
    else:
        click.echo(_listed(changes))
    if breaking and fail_on_breaking:
        context.exit(1)


def _interface(place: str) -> Interface:
    inspection = inspect_model(find_model(place))
    graph = inspection.served_graph
    if graph is None:
        raise RefusedError(
            f"{place} has no graph with the tag 'serve' alone, so it has no clients."
        )
    return Interface(signatures=graph.signatures, optional_inputs=graph.optional_inputs)


def _listed(changes: Sequence[Change]) -> str:
    if not changes:
        return "Nothing changes for a client."
    lines = [
        (
            "BREAKS" if change.breaks else "ok",
            change.signature,
            "" if change.subject in {"signature", "method"} else f"{change.subject} {change.name}",
            change.kind,
            change.text + (f" ({change.breaks[0]} only)" if len(change.breaks) == 1 else ""),
        )
        for change in changes
    ]
    count = sum(bool(change.breaks) for change in changes)
    verdict = f"{count} of {len(changes)} changes may break a client." if count else "None breaks."
    return f"{_columns(lines)}\n{verdict}"


def _described(inspection: Inspection) -> str:
    checkpoint = inspection.checkpoint
    facts = {
        "model": inspection.where,
        "size": f"{size(inspection.size_bytes)} in {inspection.file_count} files",
        "variables": f"{len(checkpoint.variables)}, {checkpoint.parameter_count:,} parameters, "
        f"{size(checkpoint.size_bytes)}",
        "memory": f"about {size(inspection.memory_bytes)} in a server, "
        f"{size(inspection.peak_memory_bytes)} while it is loaded",
        "warm-ups": str(inspection.warmup_record_count),
    }
    if inspection.keras_version:
        facts["keras"] = inspection.keras_version
    return "\n".join(
        [*_facts(facts), *(line for graph in inspection.graphs for line in _graph(graph))]
    )


def _graph(graph: Graph) -> list[str]:
    facts = {
        "tensorflow": f"{graph.tensorflow_version} (graph version {graph.producer}, for TensorFlow "
        f"that reads {graph.min_consumer} and later)",
        "assets": ", ".join(graph.assets) or "none",
        "operations": f"{len(graph.operations)} kinds, {sum(graph.operations.values())} nodes in "
        f"the graph and {graph.function_count} functions",
    }
    lines = ["", f"graph with the tags {', '.join(graph.tags) or '-'}", *_facts(facts)]
    for name, signature in graph.signatures.items():
        lines += ["", f"signature {name}, method {signature.method_name or '-'}"]
        lines += _tensors(signature, graph.optional_inputs.get(name, ()))
    if not graph.signatures:
        lines += ["", "no signature: no client can call it"]
    return [*lines, "", "operations", *_operations(graph)]


def _operations(graph: Graph) -> list[str]:
    """Give those that need care a line each, then the others, what there is most of first."""
    marks = dict.fromkeys(graph.custom_operations, "CUSTOM: the server must have its library")
    marks |= dict.fromkeys(graph.python_operations, "PYTHON: runs in no server")
    care = [(f"  {name}", str(graph.operations[name]), mark) for name, mark in marks.items()]
    plain = sorted(
        graph.operations.keys() - marks, key=lambda name: (-graph.operations[name], name)
    )
    # A name and its number stay on one line.
    text = ", ".join(f"{name}{_TIE}{graph.operations[name]}" for name in plain)
    return [
        *([_columns(care)] if care else []),
        *(
            line.replace(_TIE, " ")
            for line in wrap(text, _WIDTH, initial_indent="  ", subsequent_indent="  ")
        ),
    ]


def _tensors(signature: Signature, optional: Iterable[str]) -> list[str]:
    rows = [
        (
            f"  {direction}",
            name,
            spec.dtype,
            shape_text(spec),
            "optional" if direction == "in" and name in optional else "",
        )
        for direction, specs in (("in", signature.inputs), ("out", signature.outputs))
        for name, spec in specs.items()
    ]
    return [_columns(rows)] if rows else []


def _facts(facts: dict[str, str]) -> list[str]:
    return [f"{key + ':':12}{value}" for key, value in facts.items()]


def _columns(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
