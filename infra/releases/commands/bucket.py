"""`servestack bucket`: where the stack's versions are published."""

import click

from infra.releases.commands.answers import open_stack
from infra.releases.commands.options import STACK
from infra.releases.request import undeclared
from infra.releases.session import RefusedError


@click.command()
@STACK
@click.option("--model", metavar="NAME", help="Refuse a model that the stack does not declare.")
def command(*, stack: str, model: str | None) -> None:
    """Print the URL of the stack's bucket, as `model-export --store` takes it."""
    session = open_stack(stack)
    declared = session.read().releases
    if model is not None and model not in declared:
        raise RefusedError(undeclared([model], declared))
    click.echo(session.outputs()["bucket"])
