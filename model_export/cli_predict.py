"""`model-export predict`: a question from a shell, its answer on the terminal."""

import json
import sys
from typing import Any, Final, TextIO

import click

from model_export.cli_options import asks_a_model
from model_export.errors import RefusedError
from model_export.instances import parse_instances

_EPILOG: Final = """\b
model-export predict '[{"age": 63, …}]' --endpoint http://127.0.0.1:8501 --model heart
model-export predict --input rows.jsonl --endpoint grpc://HOST:8500 --model heart --label canary
echo '[1, 2]' | model-export predict --endpoint vertex://my-project/europe-west4/1234567890
"""


@click.command("predict", epilog=_EPILOG)
@click.argument("instances", metavar="[INSTANCES]", required=False)
@click.option(
    "--input",
    "file",
    type=click.File("r", encoding="utf-8"),
    metavar="FILE",
    help="Read the instances from here; without it and without INSTANCES, from stdin.",
)
@asks_a_model
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON document instead of one prediction a line."
)
def predict_command(
    *,
    instances: str | None,
    file: TextIO | None,
    endpoint: str,
    timeout_seconds: float,
    as_json: bool,
    **target: Any,
) -> None:
    """Send instances to a model and print its predictions, in the same order.

    INSTANCES is a JSON list, or one JSON value a line. An instance is an object with a value for
    each input, or the bare value where there is one input.
    """
    if instances is not None and file is not None:
        raise RefusedError("Give the instances as an argument or with --input, not both.")
    stream = file or sys.stdin
    rows = parse_instances(stream.read() if instances is None else instances)
    # NumPy is loaded only where it is used.
    from model_export.client import connect  # noqa: PLC0415

    with connect(endpoint, timeout_seconds=timeout_seconds, **target) as client:
        predictions = client.predict(rows).rows()
    if as_json:
        click.echo(json.dumps({"predictions": predictions}))
    else:
        for prediction in predictions:
            click.echo(json.dumps(prediction))
