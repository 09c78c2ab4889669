"""`servestack pause`: take everything that costs down to its floor."""

import click

from infra.releases.commands.answers import open_stack
from infra.releases.commands.options import CONFIRM, MESSAGE, STACK, YES
from infra.releases.pausing import change_pause, what_stays


@click.command()
@STACK
@MESSAGE
@YES
@CONFIRM
def command(*, stack: str, message: str | None, yes: bool, confirmed: str | None) -> None:
    """Take everything that costs down to its floor: no server, no node, no deployed model.

    It is a line of the stack's file and an update. Versions, names, addresses of services and
    roles stay. What goes on costing is told. Cut off at any moment, it can be run again.
    """
    session = open_stack(stack)
    with session.changing():
        change_pause(session, paused=True, message=message, yes=yes, confirmed=confirmed)
    click.echo(f"Stack {stack} is paused. To bring it back: servestack resume -s {stack}")
    for line in what_stays(session.read().config):
        click.echo(f"  still there: {line}")
