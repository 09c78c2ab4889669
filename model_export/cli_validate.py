"""`model-export validate`: whether a model can be served, before anybody depends on it.

Owns its words and its exit codes: 0 it can, 1 it cannot, 2 the request was wrong.
"""

import json
from pathlib import Path
from typing import TextIO, get_args

import click

from model_export.instances import parse_instances
from model_export.serving_rules import Plan, Target
from model_export.validation import DEFAULT_STEP_SECONDS, DEFAULT_TOLERANCE, Trial, validate
from model_export.verdict import described


@click.command("validate")
@click.argument(
    "directory", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option(
    "--instances",
    "file",
    metavar="FILE",
    type=click.File("r", encoding="utf-8"),
    help="Rows to run: a JSON list, or one JSON value a line. Left out: the sample that was "
    "exported with the model, or made-up rows.",
)
@click.option(
    "--original",
    metavar="FILE|DIR",
    type=click.Path(exists=True, path_type=Path),
    help="What the model was made from, to compare the answers: a .keras file or a SavedModel.",
)
@click.option(
    "--tolerance",
    metavar="X",
    type=click.FloatRange(min=0),
    default=DEFAULT_TOLERANCE,
    show_default=True,
    help="How far numbers may be apart: absolute up to 1, relative above.",
)
@click.option(
    "--version", metavar="N", help="The number it is to have; left out: the directory's name."
)
@click.option(
    "--label", "labels", multiple=True, metavar="NAME", help="A version label it is to have."
)
@click.option(
    "--target",
    "targets",
    multiple=True,
    type=click.Choice(get_args(Target)),
    help="Where it is to be served. TF Serving's own rules are always checked.",
)
@click.option(
    "--timeout",
    "step_seconds",
    metavar="SECONDS",
    type=click.FloatRange(min=0, min_open=True),
    default=DEFAULT_STEP_SECONDS,
    show_default=True,
    help="Give up a step that takes longer.",
)
@click.option("--json", "in_json", is_flag=True, help="Answer in JSON.")
@click.pass_context
def validate_command(  # noqa: PLR0913 one parameter for each option
    context: click.Context,
    *,
    directory: Path,
    file: TextIO | None,
    original: Path | None,
    tolerance: float,
    version: str | None,
    labels: tuple[str, ...],
    targets: tuple[Target, ...],
    step_seconds: float,
    in_json: bool,
) -> None:
    """Check the SavedModel in DIR, load it in a process of its own, and run every signature.

    What a model does there, crash or hang, becomes a finding. Exit code 0: it can be served,
    perhaps with warnings; 1: it cannot; 2: the request was wrong.
    """
    verdict = validate(
        directory,
        trial=Trial(
            instances=parse_instances(file.read()) if file else None,
            original=original,
            tolerance=tolerance,
            step_seconds=step_seconds,
        ),
        plan=Plan(version=version, labels=labels, targets=targets),
    )
    click.echo(json.dumps(verdict.as_json(), indent=2) if in_json else described(verdict))
    if not verdict.passed:
        context.exit(1)
