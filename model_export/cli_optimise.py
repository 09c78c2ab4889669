"""`model-export optimise`: a smaller or faster model, and what that costs.

Owns its words. TensorFlow is loaded by the processes that it starts, not by itself.
"""

import json
from pathlib import Path
from typing import Final

import click

from model_export.optimise.objective import Objective, parse_objective

_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
_DIRECTORY: Final = click.Path(path_type=Path)


@click.command("optimise")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--output", required=True, metavar="DIR", type=_DIRECTORY, help="Where it goes; must not exist."
)
@click.option(
    "--objective",
    default="default",
    show_default=True,
    metavar="NAME",
    help="One of " + ", ".join(Objective) + ".",
)
@click.option(
    "--representative",
    metavar="FILE",
    type=_FILE,
    help="Rows like those that clients send, one JSON value a line, to calibrate with: int8 "
    "needs them, default gains by them.",
)
@click.option(
    "--compare",
    metavar="FILE",
    type=_FILE,
    help='Rows to compare with; {"instance": …, "label": …} gives the accuracy too. Left out: '
    "the model's own sample.",
)
@click.option("--label-output", metavar="NAME", help="Which output the labels speak of.")
@click.option(
    "--signature", metavar="NAME", help="Which one to convert and measure [serving_default]."
)
@click.option(
    "--bundle", metavar="DIR", type=_DIRECTORY, help="Also write a bundle for a device here."
)
@click.option("--class-names", metavar="FILE", type=_FILE, help="The bundle's labels, one a line.")
@click.option(
    "--runs",
    default=300,
    show_default=True,
    metavar="N",
    type=click.IntRange(1),
    help="How often to time one row.",
)
@click.option("--keep-unrun", is_flag=True, help="Keep a result that does not run on this machine.")
@click.option("--json", "in_json", is_flag=True, help="Answer in JSON.")
def optimise_command(  # noqa: PLR0913 one parameter for each option
    *,
    directory: Path,
    output: Path,
    objective: str,
    representative: Path | None,
    compare: Path | None,
    label_output: str | None,
    signature: str | None,
    bundle: Path | None,
    class_names: Path | None,
    runs: int,
    keep_unrun: bool,
    in_json: bool,
) -> None:
    """Make a smaller or faster model of the SavedModel in DIR and measure both.

    \b
    default        TFLite, weights in 8 bits; with --representative activations too
    size, latency  the same: TensorFlow no longer tells them apart
    float16        TFLite, weights in 16 bits
    dynamic-range  TFLite, weights in 8 bits, activations as they come
    int8           TFLite, all in 8 bits; needs --representative
    sparse         TFLite, weights in float without the zeros of a pruned model
    freeze         a SavedModel again, variables frozen and the graph simplified

    A TFLite result is a copy of DIR with model.tflite in it: publish it as any version; a server
    with prefer_tflite_model serves that file. Each step runs in a process of its own.
    """  # noqa: D301 click's mark for lines to leave as they are
    # NumPy is loaded only where it is used.
    from model_export.optimise import report  # noqa: PLC0415
    from model_export.optimise.optimisation import optimise  # noqa: PLC0415

    result = optimise(
        directory,
        output,
        objective=parse_objective(objective),
        signature_name=signature,
        representative=representative,
        compare=compare,
        label_output_name=label_output,
        bundle=bundle,
        class_names=class_names,
        keep_unrun=keep_unrun,
        runs=runs,
        tell=lambda step: click.echo(step, err=True),
    )
    if in_json:
        click.echo(json.dumps(report.as_json(result), indent=2))
        return
    click.echo(report.as_table(result))
    click.echo(f"Written to {output}" + (f", bundle {bundle}" if bundle else ""))
