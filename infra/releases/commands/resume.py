"""`servestack resume`: bring a paused stack back."""

import click

from infra.releases.commands.answers import open_stack
from infra.releases.commands.options import CONFIRM, MESSAGE, STACK, YES
from infra.releases.pausing import change_pause


@click.command()
@STACK
@MESSAGE
@YES
@CONFIRM
def command(*, stack: str, message: str | None, yes: bool, confirmed: str | None) -> None:
    """Bring a paused stack back: what its file says serves again, and answers.

    Cut off at any moment, it can be run again.
    """
    session = open_stack(stack)
    with session.changing():
        outputs = change_pause(session, paused=False, message=message, yes=yes, confirmed=confirmed)
    click.echo(f"Stack {stack} is back")
    for name, output in outputs["models"].items():
        click.echo(f"{name} {output['version'] or 'is not served'} {output['rest'] or ''}".rstrip())
