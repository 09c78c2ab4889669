"""`servestack affected`: which stacks a change may touch."""

import json

import click

from infra.releases.before import affected_stacks, all_stacks
from infra.releases.commands.answers import project_directory
from infra.releases.commands.options import JSON
from tools.engine.environment import is_local_stack


@click.command()
@click.option(
    "--base",
    default="HEAD",
    show_default=True,
    metavar="COMMIT",
    help="Compare the working tree with this commit.",
)
@click.option("--all", "everything", is_flag=True, help="List every stack.")
@click.option("--shared", is_flag=True, help="Leave out stacks that live on one machine.")
@JSON
def command(*, base: str, everything: bool, shared: bool, as_json: bool) -> None:
    """List the stacks whose file changed; all of them where the program itself changed."""
    checkout = project_directory()
    stacks = all_stacks(checkout) if everything else affected_stacks(checkout, base)
    if shared:
        stacks = [name for name in stacks if not is_local_stack(checkout, name)]
    if as_json:
        click.echo(json.dumps(stacks))
    else:
        for stack in stacks:
            click.echo(stack)
