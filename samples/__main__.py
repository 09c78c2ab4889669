"""`python -m samples NAME --output DIR`: train a sample model and export it."""

import importlib
import json
import os
import sys
import time
from pathlib import Path

import click

from model_export.errors import ModelExportError, RefusedError
from model_export.export import export_model

_SAMPLES = ("digits", "heart")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("name", metavar="|".join(_SAMPLES), type=click.Choice(_SAMPLES))
@click.option(
    "--output",
    "directory",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Where the SavedModel goes; must not exist.",
)
@click.option(
    "--seed", default=1, show_default=True, metavar="N", type=click.IntRange(0, 2**32 - 1)
)
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def main(*, name: str, directory: Path, seed: int, as_json: bool) -> None:
    """Train a sample model in seconds and export it as a SavedModel.

    \b
    heart   tells the risk of made-up patients from raw, named values
    digits  reads drawn digits, images of 28 by 28 pixels

    The same seed gives the same model; another seed gives a slightly different one, which makes a
    good version 2.
    """  # noqa: D301 click's mark for lines to leave as they are
    started = time.monotonic()
    if directory.exists():
        raise click.UsageError(f"{directory} exists already; choose another directory.")
    # TensorFlow greets with pages of notes on the hardware that it did not find.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    click.echo(f"Training {name} (seed {seed}), which takes some seconds", err=True)
    trained = importlib.import_module(f"samples.{name}").train(seed)
    click.echo(f"Accuracy on unseen examples: {trained.accuracy:.3f}", err=True)
    try:
        export_model(trained.model, directory, instances=trained.instances)
    except ModelExportError as error:
        click.echo(f"samples: {error}", err=True)
        sys.exit(2 if isinstance(error, RefusedError) else 1)
    seconds = time.monotonic() - started
    if as_json:
        click.echo(
            json.dumps(
                {
                    "directory": str(directory),
                    "accuracy": trained.accuracy,
                    "seconds": round(seconds, 1),
                }
            )
        )
    else:
        click.echo(f"Exported {name} to {directory} in {seconds:.0f} s")


if __name__ == "__main__":
    main()
