"""`model-export job`: predictions for whole files, by a batch prediction job of Vertex AI."""

import json
from dataclasses import asdict

import click

from model_export.cli_options import JSON
from model_export.prediction.vertex_batch import FORMATS, BatchJob, BatchJobs

_EPILOG = """\b
model-export job --model vertex://my-project/europe-west4/dev-heart-1a2b3c4d@stable \\
    --input gs://bucket/in/rows.jsonl --output gs://bucket/out \\
    --service-account serve-heart-dev-…@my-project.iam.gserviceaccount.com
model-export job … --output bq://my-project.predictions
"""


@click.command("job", epilog=_EPILOG)
@click.option(
    "--model",
    required=True,
    metavar="URL",
    help="vertex://PROJECT/REGION/MODEL[@VERSION or @ALIAS]: the output "
    "models.MODEL.registry_model of its stack.",
)
@click.option(
    "--input",
    "inputs",
    required=True,
    multiple=True,
    metavar="URL",
    help="Files in Cloud Storage; may be given more than once, and end with *.",
)
@click.option(
    "--output",
    required=True,
    metavar="URL",
    help="gs://BUCKET/PREFIX, or bq://PROJECT.DATASET: the job makes a directory or a table there.",
)
@click.option(
    "--service-account",
    required=True,
    metavar="EMAIL",
    help="Who the server runs as: the output models.MODEL.service_account of its stack.",
)
@click.option("--format", "form", type=click.Choice(FORMATS), help="Left out: by the name.")
@click.option("--machine-type", default="n1-standard-2", show_default=True, metavar="TYPE")
@click.option("--accelerator", metavar="TYPE", help="As Vertex AI names it: NVIDIA_L4.")
@click.option("--accelerators", type=click.IntRange(1), default=1, show_default=True, metavar="N")
@click.option("--replicas", type=click.IntRange(1), default=1, show_default=True, metavar="N")
@click.option("--batch-size", type=click.IntRange(1), default=64, show_default=True, metavar="N")
@click.option("--again", is_flag=True, help="Begin anew although the same job has succeeded.")
@click.option("--cancel", "is_cancelled", is_flag=True, help="Stop the job that was begun.")
@JSON
@click.pass_context
def job_command(
    context: click.Context,
    /,
    *,
    inputs: tuple[str, ...],
    again: bool,
    is_cancelled: bool,
    as_json: bool,
    **asked: str,
) -> None:
    """Have Vertex AI predict whole files in Cloud Storage.

    The job lives on its own: killed or cut off, the same command waits for the same job.
    """
    jobs = BatchJobs(BatchJob(inputs=inputs, **asked))  # type: ignore[arg-type] # click has typed them
    if is_cancelled:
        stopped = jobs.cancel()
        click.echo(f"Stopped {stopped}." if stopped else "No such job runs.")
        return
    name = jobs.start(again=again)
    try:
        result = jobs.wait(name, lambda text: click.echo(f"{name}: {text}", err=True))
    except KeyboardInterrupt:
        click.echo("The job runs on. Run the same command again to wait for it.", err=True)
        context.exit(130)
    if as_json:
        click.echo(json.dumps(asdict(result), indent=2))
    else:
        click.echo(f"Predicted {result.predicted:,} instances: {result.output}")
        if result.failed:
            click.echo(f"{result.failed:,} failed; the output says which.", err=True)
    context.exit(1 if result.failed else 0)
