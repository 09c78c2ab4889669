"""`servestack abort`: end a trial; the stable version serves everybody again."""

import click

from infra.releases.commands.answers import answer_plan, open_stack
from infra.releases.commands.options import (
    CONFIRM,
    DRY_RUN,
    JSON,
    MESSAGE,
    STACK,
    WITHOUT_POLICIES,
    YES,
)
from infra.releases.commands.promote import trial_of
from infra.releases.releasing import Manner, carry_out


@click.command()
@STACK
@click.argument("model")
@WITHOUT_POLICIES
@MESSAGE
@YES
@CONFIRM
@DRY_RUN
@JSON
def command(
    *,
    stack: str,
    model: str,
    without_policies: str | None,
    message: str | None,
    yes: bool,
    confirmed: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Take MODEL's canary away. The stable version serves everybody, also under its labels."""
    session = open_stack(stack)
    with session.changing(unless=dry_run):
        file = session.read()
        outputs = session.outputs()
        after = trial_of(session, file, model).aborted()
        plan = session.plan(file, {model: after}, outputs)
        session.show(plan)
        manner = Manner(
            question=f"Abort the trial of {model}?",
            message=message or f"Abort the trial: {'; '.join(plan.changes)}",
            yes=yes,
            confirmed=confirmed,
            dry_run=dry_run,
            is_way_back=True,
            without_policies=without_policies,
        )
        result, outputs = carry_out(session, plan, outputs, manner, done="aborted")
    return answer_plan(plan, result, outputs, as_json=as_json)
