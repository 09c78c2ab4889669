"""`servestack status`: what is configured, deployed and really answering."""

import time
from dataclasses import replace
from typing import Final

import click

from infra.releases import tables
from infra.releases.commands.answers import open_stack, print_json
from infra.releases.commands.options import JSON, STACK
from infra.releases.history import parse_history
from infra.releases.session import Session
from infra.releases.status import ModelStatus, model_statuses

_WATCH_SECONDS: Final = 2.0


@click.command()
@STACK
@click.option("--watch", is_flag=True, help="Look again and again, until interrupted.")
@click.option(
    "--drift",
    is_flag=True,
    help="Also tell what of the infrastructure is not as it was deployed; this asks for each part.",
)
@JSON
def command(*, stack: str, watch: bool, drift: bool, as_json: bool) -> None:
    """Tell what is configured, what is deployed and what really answers, model by model.

    SHARE is the canary's part of the requests as it came out; SINCE, when what is deployed came.
    Ends with 1 if the sides are not the same, or something drifted; of a paused stack only if
    something drifted.
    """
    session = open_stack(stack)
    while True:
        paused = session.read().config.paused
        if paused:
            click.echo(f"Stack {stack} is paused: servestack resume -s {stack}", err=True)
        statuses = _look(session)
        if paused:
            statuses = [
                replace(entry, unreachable="paused") if entry.unreachable else entry
                for entry in statuses
            ]
        if as_json:
            print_json(tables.status_document(statuses))
        else:
            if watch:
                click.clear()
            click.echo(tables.status_table(statuses))
        if not watch:
            break
        time.sleep(_WATCH_SECONDS)
    drifted = session.engine.drift() if drift else []
    for line in drifted:
        click.echo(f"drift: {line}", err=as_json)
    if drift and not drifted:
        click.echo("drift: none", err=as_json)
    # A paused stack is not meant to answer.
    if drifted or (not paused and any(entry.problem for entry in statuses)):
        click.get_current_context().exit(1)


def _look(session: Session) -> list[ModelStatus]:
    configured = session.read().releases
    outputs = session.deployed()
    history = parse_history(session.engine.history()) if outputs else ()
    return model_statuses(configured, outputs, history, stack=session.engine.stack)
