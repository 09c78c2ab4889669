"""Options that several commands of `model-export` take."""

import io
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import click

from model_export.layout import MAX_VERSION, MODEL_NAME_RULE, is_model_name, parse_version
from model_export.prediction.endpoint import FORMS
from model_export.stack import stack_bucket


def version_number(_ctx: click.Context, _param: click.Parameter, text: str | None) -> int | None:
    """Read a version as people write it."""
    if text is None:
        return None
    version = parse_version(text)
    if version is None:
        raise click.BadParameter(
            f"{text!r}: a version is a whole number from 1 to {MAX_VERSION}, as in 12, not 012"
        )
    return version


def asks_a_model(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say what is asked and for how long."""
    for option in (
        click.option(
            "--timeout-seconds",
            type=click.FloatRange(min=0, min_open=True),
            default=60.0,
            show_default=True,
            metavar="SECONDS",
            help="For a request, with all attempts it takes.",
        ),
        click.option("--signature", default="serving_default", show_default=True, metavar="NAME"),
        click.option("--label", metavar="NAME", help="Ask the version that has this label."),
        click.option("--version", metavar="N", callback=version_number, help="Ask this version."),
        click.option(
            "--model",
            metavar="NAME",
            help="As the server calls it. A URL …/v1/models/NAME and a cloud's endpoint say it.",
        ),
        click.option("--endpoint", required=True, metavar="URL", help=f"{FORMS}."),
    ):
        command = option(command)
    return command


def model_name(_ctx: click.Context, _param: click.Parameter, text: str | None) -> str | None:
    """Refuse a name that some target would not take."""
    if text is not None and not is_model_name(text):
        raise click.BadParameter(f"{text!r}: a name is {MODEL_NAME_RULE}.")
    return text


def _remember_stack(ctx: click.Context, _param: click.Parameter, stack: str | None) -> None:
    ctx.meta[_STACK_META] = stack


def _store_url(ctx: click.Context, param: click.Parameter, url: str | None) -> str:
    stack = ctx.meta.get(_STACK_META) or ctx.meta.get(RELEASE_META)
    if url is not None and ctx.meta.get(_STACK_META):
        raise click.UsageError("--store and --stack both say which bucket it is; give one.")
    if url is not None:
        return url
    if stack is None:
        either = ["--store", "--stack"]
        raise click.MissingParameter(ctx=ctx, param=param, param_hint=either)
    return stack_bucket(stack)


_STACK_META: Final = "model_export.stack"
RELEASE_META: Final = "model_export.release"


def takes_store(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the ways to say which bucket it is."""
    command = click.option(
        "--store",
        "store_url",
        metavar="URL",
        callback=_store_url,
        help="gs://BUCKET, s3://BUCKET or a directory.",
    )(command)
    return click.option(
        "--stack",
        metavar="NAME",
        callback=_remember_stack,
        expose_value=False,
        is_eager=True,
        help="The bucket of this servestack stack, instead of --store.",
    )(command)


MODEL: Final = click.option("--model", required=True, metavar="NAME", callback=model_name)
JSON: Final = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")


# Where there is no terminal; what is done sooner says nothing before the end.
LINE_SECONDS: Final = 10.0


@contextmanager
def progress(total_bytes: int | None = None) -> Iterator[Callable[[int], None]]:
    """Show bytes, rate and time left: a bar on a terminal, elsewhere now and then a line."""
    from tqdm import tqdm  # noqa: PLC0415 only what moves bytes pays for it

    on_terminal = sys.stderr.isatty()
    lock = threading.Lock()
    with tqdm(
        total=total_bytes,
        unit="B",
        unit_scale=True,
        leave=False,
        # A bar that is off the terminal is never drawn; it still counts for the lines.
        file=sys.stderr if on_terminal else io.StringIO(),
        mininterval=0.1 if on_terminal else LINE_SECONDS,
    ) as bar:
        said = time.monotonic()

        def advance(count_bytes: int) -> None:
            nonlocal said
            with lock:
                bar.update(count_bytes)
                if not on_terminal and time.monotonic() - said > LINE_SECONDS:
                    said = time.monotonic()
                    click.echo(str(bar), err=True)

        yield advance
