"""`servestack promote`: give a canary its next share, or all of the traffic."""

import click

from infra.releases.canary.trial import Trial, trials
from infra.releases.commands.answers import answer_plan, open_stack
from infra.releases.commands.options import CONFIRM, DRY_RUN, JSON, MESSAGE, STACK, YES
from infra.releases.history import parse_history
from infra.releases.releasing import Manner, carry_out
from infra.releases.request import undeclared
from infra.releases.rollout import StackFile
from infra.releases.session import RefusedError, Session


@click.command()
@STACK
@click.argument("model")
@click.option(
    "--to",
    "share",
    type=click.IntRange(1, 100),
    metavar="PERCENT",
    help="This share instead of the next step's; 100 ends the trial.",
)
@MESSAGE
@YES
@CONFIRM
@DRY_RUN
@JSON
def command(
    *,
    stack: str,
    model: str,
    share: int | None,
    message: str | None,
    yes: bool,
    confirmed: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Take MODEL's canary to the next of its steps; after the last one it serves everybody.

    Then it is the stable version, and every label of the model names it.
    """
    session = open_stack(stack)
    with session.changing(unless=dry_run):
        file = session.read()
        outputs = session.outputs()
        trial = trial_of(session, file, model)
        if trial.since is None:
            raise RefusedError(
                f"{model}: the trial is written, but not deployed. Run: servestack up -s {stack}"
            )
        after = trial.advanced(share or trial.next_share or 100)
        plan = session.plan(file, {model: after}, outputs)
        session.show(plan)
        manner = Manner(
            question=f"Promote {model} on stack {stack}?",
            message=message,
            yes=yes,
            confirmed=confirmed,
            dry_run=dry_run,
        )
        result, outputs = carry_out(session, plan, outputs, manner, done="promoted")
    return answer_plan(plan, result, outputs, as_json=as_json)


def trial_of(session: Session, file: StackFile, model: str) -> Trial:
    """Find the trial of a model, or refuse."""
    if model not in file.releases:
        raise RefusedError(undeclared([model], file.releases))
    known = trials(file.config, parse_history(session.engine.history()))
    if model not in known:
        there = f"On trial: {', '.join(known)}" if known else "No model is on trial"
        raise RefusedError(
            f"{model} has no canary. {there}. To begin: "
            f"servestack release -s {session.engine.stack} {model}=VERSION --canary first"
        )
    return known[model]
