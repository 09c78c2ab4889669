"""`servestack status`: what is configured, deployed and really answering."""

import click

from infra.releases import tables
from infra.releases.commands.answers import open_stack, print_json
from infra.releases.commands.options import JSON, STACK
from infra.releases.status import model_statuses


@click.command()
@STACK
@JSON
def command(*, stack: str, as_json: bool) -> None:
    """Tell what is configured, what is deployed and what really answers, model by model.

    Ends with 1 if the three are not the same.
    """
    session = open_stack(stack)
    configured = session.read().releases
    outputs = session.deployed()
    statuses = model_statuses(configured, outputs)
    if as_json:
        print_json(tables.status_document(statuses))
    else:
        click.echo(tables.status_table(statuses))
    if any(entry.problem for entry in statuses):
        click.get_current_context().exit(1)
