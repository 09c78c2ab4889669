"""`servestack bucket`: where the stack's versions are published."""

import click

from infra.releases.commands.answers import open_stack
from infra.releases.commands.options import STACK


@click.command()
@STACK
def command(*, stack: str) -> None:
    """Print the URL of the stack's bucket, as `model-export --store` takes it."""
    click.echo(open_stack(stack).outputs()["bucket"])
