"""Options that several commands of `model-export` take."""

from collections.abc import Callable
from typing import Any

import click

from model_export.layout import parse_version
from model_export.prediction.endpoint import FORMS


def version_number(_ctx: click.Context, _param: click.Parameter, text: str | None) -> int | None:
    """Read a version as people write it."""
    if text is None:
        return None
    version = parse_version(text)
    if version is None:
        raise click.BadParameter(f"{text!r}: a version is a whole number from 1, as in 12, not 012")
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
