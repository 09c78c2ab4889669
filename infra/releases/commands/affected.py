"""`servestack affected`: which stacks a change may touch."""

import json

import click

from infra.releases.before import affected_stacks
from infra.releases.commands.answers import project_directory
from infra.releases.commands.options import JSON


@click.command()
@click.option(
    "--base",
    default="HEAD",
    show_default=True,
    metavar="COMMIT",
    help="Compare the working tree with this commit.",
)
@JSON
def command(*, base: str, as_json: bool) -> None:
    """List the stacks whose file changed; all of them where the program itself changed."""
    stacks = affected_stacks(project_directory(), base)
    if as_json:
        click.echo(json.dumps(stacks))
    else:
        for stack in stacks:
            click.echo(stack)
