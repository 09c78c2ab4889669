"""`servestack history`: what was released when, and by whom."""

import click

from infra.releases import tables
from infra.releases.commands.answers import open_stack, print_json
from infra.releases.commands.options import JSON, STACK
from infra.releases.history import parse_history


@click.command()
@STACK
@click.option("-n", "--last", type=click.IntRange(1), metavar="N", help="Only the last N updates.")
@JSON
def command(*, stack: str, last: int | None, as_json: bool) -> None:
    """List the updates of the stack, newest first, by what they changed for its models."""
    session = open_stack(stack)
    session.read()
    releases = parse_history(session.engine.history()) if session.engine.is_created else ()
    if as_json:
        print_json(tables.history_document(releases[:last]))
    elif releases:
        click.echo(tables.history_table(releases, last))
    else:
        click.echo(f"Stack {stack} was never updated. Run: servestack up -s {stack}", err=True)
