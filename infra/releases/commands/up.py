"""`servestack up`: bring the stack to what its file says."""

from collections.abc import Sequence
from pathlib import Path

import click

from infra.releases import quickstart
from infra.releases.commands.answers import open_stack
from infra.releases.commands.options import CONFIRM, MESSAGE, POLICY_PACK, STACK, YES
from infra.releases.releasing import require_allowed


@click.command()
@STACK
@click.option("--sample", metavar="MODEL", help="Train, publish and release this sample first.")
@click.option(
    "--policy-pack",
    "policy_packs",
    type=POLICY_PACK,
    multiple=True,
    metavar="DIR",
    help="Let the engine ask this policy pack instead of the project's own rules.",
)
@MESSAGE
@YES
@CONFIRM
def command(
    *,
    stack: str,
    sample: str | None,
    policy_packs: Sequence[Path],
    message: str | None,
    yes: bool,
    confirmed: str | None,
) -> None:
    """Bring the stack to what its file says; change nothing if it is so already.

    What a mandatory policy forbids is refused. A server that has died is started again. Killed at
    any moment, it can be run again.
    """
    session = open_stack(stack)
    packs = [str(pack) for pack in policy_packs]
    with session.changing():
        file = session.read()
        engine = session.engine
        if sample is not None:
            quickstart.require_declared(file, sample)
            quickstart.provide_named(engine, file, sample)
        changes = engine.preview_changes(packs)
        if changes.count:
            if not packs:
                require_allowed(session, file.config, changes.preview)
            session.confirm(f"Update stack {stack}?", yes=yes, confirmed=confirmed)
            outputs = engine.up(message, packs)
        else:
            session.say(f"Stack {stack} is as its file says: nothing to change")
            outputs = engine.outputs()
        if sample is not None:
            outputs = quickstart.release_sample(engine, file, outputs, sample)
            click.echo(quickstart.invitation(engine, outputs, sample))
            return
    for name, output in outputs["models"].items():
        click.echo(f"{name} {output['version'] or 'is not served'} {output['rest'] or ''}".rstrip())
