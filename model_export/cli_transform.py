"""`model-export transform`: predictions for a whole file, by a batch job of SageMaker."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from model_export.cli_options import JSON
from model_export.prediction.sagemaker_batch import Transform, transform

_EPILOG = """\b
model-export transform --input s3://BUCKET/heart/.sagemaker/in/rows.jsonl \\
    --output out.jsonl --model-name heart-2-… --region eu-central-1
"""


@click.command("transform", epilog=_EPILOG)
@click.option(
    "--input",
    "source",
    required=True,
    metavar="URL",
    help="JSON Lines in S3, an instance a line; also packed (.gz).",
)
@click.option(
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="PATH",
    help="Becomes one JSON line for each instance, when all of them are there.",
)
@click.option(
    "--model-name",
    required=True,
    metavar="NAME",
    help="What SageMaker calls the model: the output models.MODEL.transform_model of its stack.",
)
@click.option("--region", required=True, metavar="REGION", envvar="AWS_REGION")
@click.option("--instance-type", default="ml.m5.large", show_default=True, metavar="TYPE")
@click.option("--instances", type=click.IntRange(1, 100), default=1, show_default=True, metavar="N")
@click.option(
    "--concurrent",
    type=click.IntRange(1, 100),
    default=4,
    show_default=True,
    metavar="N",
    help="Requests at once for each instance.",
)
@click.option("--overwrite", is_flag=True, help="Replace OUTPUT at the end.")
@JSON
@click.pass_context
def transform_command(  # noqa: PLR0913 one parameter for each option
    context: click.Context,
    *,
    source: str,
    output: Path,
    model_name: str,
    region: str,
    instance_type: str,
    instances: int,
    concurrent: int,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Have SageMaker predict a whole file in S3, and fetch the answers in the input's order.

    The job lives on its own: killed or cut off, the same command waits for the same job.
    """
    asked = Transform(
        region=region,
        model_name=model_name,
        source=source,
        instance_type=instance_type,
        instances=instances,
        concurrent=concurrent,
    )
    try:
        answered = transform(
            asked,
            output,
            overwrite=overwrite,
            told=lambda job, status: click.echo(f"{job}: {status}", err=True),
        )
    except KeyboardInterrupt:
        click.echo("The job runs on. Run the same command again to wait for it.", err=True)
        context.exit(130)
    if as_json:
        click.echo(json.dumps({**asdict(answered), "output": str(output)}, indent=2))
    else:
        click.echo(f"Predicted {answered.instances:,} instances: {output}")
