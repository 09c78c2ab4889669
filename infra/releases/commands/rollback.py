"""`servestack rollback`: go back to an earlier release."""

import click

from infra.releases import history
from infra.releases.artefacts import MissingArtefactsError
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
from infra.releases.releasing import Manner, carry_out
from infra.releases.session import RefusedError


@click.command()
@STACK
@click.option("--to", type=click.IntRange(1), metavar="UPDATE", help="Back to this very update.")
@click.option("--model", metavar="NAME", help="Only this model.")
@WITHOUT_POLICIES
@MESSAGE
@YES
@CONFIRM
@DRY_RUN
@JSON
def command(  # noqa: PLR0913 - one parameter for each option
    *,
    stack: str,
    to: int | None,
    model: str | None,
    without_policies: str | None,
    message: str | None,
    yes: bool,
    confirmed: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Go back to an earlier release, found in the stack's history.

    Without --to it is the last good update whose versions differ from those configured now; so a
    second rollback undoes the first. Versions and labels go back; a trial comes back only with
    --to. Infrastructure, other settings and code stay as they are.
    """
    session = open_stack(stack)
    with session.changing(unless=dry_run):
        file = session.read()
        outputs = session.outputs()
        releases = history.parse_history(session.engine.history())
        target = history.choose_target(releases, file.releases, to=to, model=model)
        changed = {
            name: then for name, then in target.models.items() if then != file.releases[name]
        }
        try:
            plan = session.plan(file, changed, outputs)
        except MissingArtefactsError as error:
            raise RefusedError(
                f"{error}\nSo update {target.update.number} cannot be gone back to. To another: "
                f"servestack history -s {stack}, then servestack rollback -s {stack} --to UPDATE"
            ) from error
        for note in target.notes:
            session.say(f"  {note}")
        if not plan.changes:
            return answer_plan(plan, "nothing to do", outputs, as_json=as_json)
        number = target.update.number
        session.say(
            f"Back to update {number} of {target.update.started.astimezone():%Y-%m-%d %H:%M}"
        )
        session.show(plan)
        session.say("  Infrastructure, other settings and code stay as they are")
        manner = Manner(
            question=f"Roll stack {stack} back?",
            message=message or f"Roll back to update {number}: {'; '.join(plan.changes)}",
            yes=yes,
            confirmed=confirmed,
            dry_run=dry_run,
            is_way_back=True,
            without_policies=without_policies,
        )
        result, outputs = carry_out(session, plan, outputs, manner, done="rolled back")
    return answer_plan(plan, result, outputs, as_json=as_json)
