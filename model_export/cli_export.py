"""`model-export export`: from the words of a command line to `export_model`."""

import json
import os
import re
from pathlib import Path
from typing import Any, Final, TextIO

import click

from model_export.errors import RefusedError
from model_export.instances import parse_instances
from model_export.manifest import TensorSpec

_INPUT: Final = re.compile(r"([^:=\[\]]+)(?::([a-z]+[0-9]*)(?:\[([0-9?, ]*)\])?)?")


def _inputs(
    _ctx: click.Context, _param: click.Parameter, texts: tuple[str, ...]
) -> dict[str, TensorSpec | None]:
    found: dict[str, TensorSpec | None] = {}
    for text in texts:
        match = _INPUT.fullmatch(text)
        if match is None:
            raise click.BadParameter(
                f"{text!r}: write NAME, NAME:DTYPE or NAME:DTYPE[SHAPE OF A ROW], as in "
                "'image:uint8[28,28]'"
            )
        name, dtype, dims = match.groups()
        row = [dim.strip() for dim in (dims or "").split(",") if dim.strip()]
        shape = (None, *(None if dim == "?" else int(dim) for dim in row))
        found[name] = TensorSpec(dtype=dtype, shape=shape) if dtype else None
    return found


def _names(_ctx: click.Context, param: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, _, own = text.partition("=")
        if not name or name in found:
            raise click.BadParameter(f"{text!r}: write {param.metavar}, each name once")
        found[name] = own or name
    return found


@click.command("export")
@click.argument("source", metavar="SOURCE")
@click.option(
    "--output",
    "directory",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Where the SavedModel goes; must not exist.",
)
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="NAME[:DTYPE[SHAPE]]",
    callback=_inputs,
    help="An input as clients name it, in the model's order; the shape is that of a row.",
)
@click.option(
    "--name-output",
    "outputs",
    multiple=True,
    metavar="NAME[=OWN]",
    callback=_names,
    help="An output to keep, under this name.",
)
@click.option(
    "--signature",
    "signatures",
    multiple=True,
    metavar="NAME[=OWN]",
    callback=_names,
    help="A signature, or a tf.Module's method, to write under this name.",
)
@click.option("--preprocess", metavar="WHAT", help="What turns raw values into the model's.")
@click.option("--postprocess", metavar="WHAT", help="What turns its answers into the clients'.")
@click.option(
    "--classify",
    metavar="OUTPUT[:LABELS.txt]",
    help="Add the signature `classify`: this output's scores; a label on each line of the file.",
)
@click.option("--regress", metavar="OUTPUT", help="Add the signature `regress`: this output.")
@click.option(
    "--instances",
    "file",
    type=click.File("r", encoding="utf-8"),
    metavar="FILE",
    help="Rows as clients send them, for the sample and the warm-up: JSON or JSON lines.",
)
@click.option(
    "--custom-objects",
    "modules",
    multiple=True,
    metavar="FILE.py|MODULE",
    help="What registers the custom objects of a .keras file.",
)
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def export_command(  # noqa: PLR0913 one parameter for each option
    *,
    source: str,
    directory: Path,
    inputs: dict[str, TensorSpec | None],
    outputs: dict[str, str],
    signatures: dict[str, str],
    preprocess: str | None,
    postprocess: str | None,
    classify: str | None,
    regress: str | None,
    file: TextIO | None,
    modules: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write a model as a SavedModel with explicit signatures.

    SOURCE, and WHAT goes before and after it, is a .keras file, a SavedModel directory, or a
    Python object: FILE.py:OBJECT or MODULE:OBJECT, which is a Keras model or layer, a tf.Module
    or a function.

    \b
    model-export export heart.keras --output build/heart --instances rows.jsonl
    model-export export net.keras --output build/net --preprocess prepare.py:prepare \\
        --input 'image:string' --name-output probabilities=output_0
    model-export export old/ --output build/new --signature serving_default=predict
    """  # noqa: D301 click's mark for lines to leave as they are
    if directory.exists():
        raise RefusedError(f"{directory} exists already; choose another directory or remove it.")
    instances = parse_instances(file.read()) if file else []
    labels = _classify(classify)
    # TensorFlow greets with pages of notes on the hardware that it did not find.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from model_export.export import export_model  # noqa: PLC0415 loads much that only it needs
    from model_export.exporting.examples import Classify  # noqa: PLC0415 likewise
    from model_export.exporting.python_objects import import_module, named_thing  # noqa: PLC0415

    for module in modules:
        import_module(module)
    signature = export_model(
        named_thing(source),
        directory,
        instances=instances,
        inputs=inputs or None,
        outputs=outputs or None,
        signatures=signatures or None,
        preprocess=named_thing(preprocess) if preprocess else None,
        postprocess=named_thing(postprocess) if postprocess else None,
        classify=Classify(scores=labels[0], labels=labels[1]) if labels else None,
        regress=regress,
    )
    if as_json:
        plain: dict[str, Any] = {
            side: {name: {"dtype": s.dtype, "shape": s.shape} for name, s in specs.items()}
            for side, specs in (("inputs", signature.inputs), ("outputs", signature.outputs))
        }
        click.echo(json.dumps({"directory": str(directory), **plain}, indent=2))
    else:
        click.echo(
            f"Exported to {directory}: {', '.join(signature.inputs)} → "
            f"{', '.join(signature.outputs)}"
        )


def _classify(text: str | None) -> tuple[str, tuple[str, ...]] | None:
    if text is None:
        return None
    scores, _, file = text.partition(":")
    if not file:
        return scores, ()
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise RefusedError(f"Cannot read the labels {file}: {error.strerror}.") from error
    return scores, tuple(line for line in lines if line)
