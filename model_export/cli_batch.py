"""`model-export batch`: predictions for a whole file."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from model_export.batch.source import FORMATS, Source, find_source, format_of
from model_export.cli_options import asks_a_model
from model_export.errors import RefusedError

if TYPE_CHECKING:
    from model_export.batch.journal import Progress
    from model_export.batch.run import Advance, Summary

_EPILOG: Final = """\b
model-export batch --input rows.csv --output out.jsonl \\
    --endpoint grpc://127.0.0.1:8500 --model heart --version 3
model-export batch --input gs://bucket/rows.jsonl.gz --output gs://bucket/out.jsonl \\
    --endpoint vertex://my-project/europe-west4/1234567890 --concurrency 16
"""
_SAY_SECONDS: Final = 10.0


@click.command("batch", epilog=_EPILOG)
@click.option(
    "--input",
    "place",
    required=True,
    metavar="PATH|URL",
    help="JSONL, CSV or TFRecords of tf.Example, also packed (.gz): a path, gs://BUCKET/KEY or "
    "s3://BUCKET/KEY.",
)
@click.option(
    "--output",
    required=True,
    metavar="PATH|URL",
    help="Becomes one JSON line for each prediction, when all of them are there; until then the "
    "lines of a URL's object lie in this directory.",
)
@click.option(
    "--errors",
    metavar="PATH|URL",
    help="Becomes one JSON line for each instance that failed. Left out: OUTPUT.errors.",
)
@asks_a_model
@click.option("--format", "form", type=click.Choice(FORMATS), help="Left out: by the name.")
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    default=32,
    show_default=True,
    metavar="N",
    help="Instances in a request, at most.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 256),
    default=4,
    show_default=True,
    metavar="N",
    help="Requests at once.",
)
@click.option("--overwrite", is_flag=True, help="Begin anew, and replace OUTPUT at the end.")
@click.option("--keep-going", is_flag=True, help="Even if the first 100 instances all fail.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
@click.pass_context
def batch_command(  # noqa: PLR0913 one parameter for each option
    context: click.Context,
    /,
    *,
    place: str,
    output: str,
    errors: str | None,
    endpoint: str,
    timeout_seconds: float,
    form: str | None,
    batch_size: int,
    concurrency: int,
    overwrite: bool,
    keep_going: bool,
    as_json: bool,
    **target: Any,
) -> None:
    """Send all instances of a file to a model and write its predictions in the same order.

    Killed or cut off, the same command goes on where it stopped. An instance that the model refuses
    does not stop the others; the exit code is 1 then.
    """
    from model_export.batch.destination import find_destination  # noqa: PLC0415 likewise
    from model_export.batch.run import PATIENT, Job, run  # noqa: PLC0415 NumPy is loaded only here
    from model_export.client import connect  # noqa: PLC0415

    errors = errors or f"{output}.errors"
    if len({_whole(name) for name in (place, output, errors)}) < 3:  # noqa: PLR2004 it is three files
        raise RefusedError("The input, the output and the errors must be three different files.")
    source = find_source(place)
    job = Job(
        source=source,
        form=form or format_of(place),
        output=find_destination(output, overwrite=overwrite),
        errors=find_destination(errors, overwrite=overwrite),
        batch_size=batch_size,
        concurrency=concurrency,
        overwrite=overwrite,
        keeps_going=keep_going,
    )
    with (
        connect(
            endpoint,
            timeout_seconds=timeout_seconds,
            retries=PATIENT,
            connections=concurrency,
            **target,
        ) as client,
        _progress(source) as advance,
    ):
        try:
            summary = run(job, client, advance)
        except KeyboardInterrupt:
            click.echo("Stopped. Run the same command again to go on from there.", err=True)
            context.exit(130)
    _tell(summary, output, errors, as_json=as_json)
    context.exit(1 if summary.failed else 0)


def _whole(place: str) -> str:
    return place if "://" in place else str(Path(place).resolve())


def _tell(summary: "Summary", output: str, errors: str, *, as_json: bool) -> None:
    if as_json:
        document = {**vars(summary), "output": output}
        document["errors"] = errors if summary.failed else None
        click.echo(json.dumps(document, indent=2))
        return
    resumed = f", {summary.resumed_from:,} of them before" if summary.resumed_from else ""
    click.echo(
        f"Predicted {summary.instances - summary.failed:,} of {summary.instances:,} instances"
        f"{resumed}, in {summary.seconds:.1f} s: {output}"
    )
    if summary.failed:
        click.echo(f"{summary.failed:,} failed: {errors}", err=True)


@contextmanager
def _progress(source: Source) -> "Iterator[Advance]":
    """Show a bar over the bytes read on a terminal; elsewhere a line now and then."""
    if sys.stderr.isatty():
        from tqdm import tqdm  # noqa: PLC0415 only a terminal pays for it

        total = None if source.is_packed else source.size_bytes
        with tqdm(total=total, unit="B", unit_scale=True, leave=False) as bar:

            def advance(progress: "Progress", size_bytes: int) -> None:
                bar.set_postfix_str(
                    f"{progress.instances:,} instances, {progress.failed:,} failed", refresh=False
                )
                bar.update(size_bytes)

            yield advance
        return
    last, before = time.monotonic(), 0

    def say(progress: "Progress", _: int) -> None:
        nonlocal last, before
        now = time.monotonic()
        if now - last >= _SAY_SECONDS:
            rate = (progress.instances - before) / (now - last)
            done = f"{progress.instances:,} instances, {progress.failed:,} failed"
            click.echo(f"{done}, {rate:,.0f} a second", err=True)
            last, before = now, progress.instances

    yield say
