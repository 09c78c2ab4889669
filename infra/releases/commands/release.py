"""`servestack release`: serve other versions."""

from collections.abc import Sequence
from typing import Final, Literal

import click

from infra.releases import request
from infra.releases.commands.answers import answer_plan, open_stack
from infra.releases.commands.options import CONFIRM, DRY_RUN, JSON, MESSAGE, STACK, YES
from infra.releases.releasing import Manner, carry_out, require_compatible
from infra.releases.verifying import is_serving


def _share(
    _ctx: click.Context, _param: click.Parameter, text: str | None
) -> int | Literal["first"] | None:
    if text is None or text == "first":
        return text  # type: ignore[return-value] # mypy does not narrow a str to a literal
    if text.isdecimal() and 1 <= int(text) <= 99:  # noqa: PLR2004 - said in the message
        return int(text)
    raise click.BadParameter(f"{text!r}: write 1 to 99 percent, or first")


SHARE: Final = click.option(
    "--canary",
    "share",
    callback=_share,
    metavar="PERCENT|first",
    help="Serve the version beside the stable one, with this part of the requests; `first` is the "
    "first of the model's steps.",
)


@click.command()
@STACK
@click.argument("pairs", metavar="MODEL=VERSION...", nargs=-1, required=True)
@SHARE
@click.option(
    "--label", "labels", multiple=True, metavar="LABEL=VERSION", help="Let a label name a version."
)
@click.option(
    "--accept-breaking",
    is_flag=True,
    help="Release even what clients of the serving version cannot ask or read.",
)
@click.option("--no-up", is_flag=True, help="Write the stack file only.")
@click.option(
    "--wait",
    is_flag=True,
    help="Fail, and put everything back, if the versions cannot be asked from here.",
)
@MESSAGE
@YES
@CONFIRM
@DRY_RUN
@JSON
def command(  # noqa: PLR0913 - one parameter for each option
    *,
    stack: str,
    pairs: Sequence[str],
    share: int | Literal["first"] | None,
    labels: Sequence[str],
    accept_breaking: bool,
    no_up: bool,
    wait: bool,
    message: str | None,
    yes: bool,
    confirmed: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Serve other versions: `servestack release heart=2 digits=1`.

    Each version must be published, whole and unaltered, and take and give what the serving one
    does. The stack file is edited, the stack is updated, and the versions must answer as they did
    when they were exported. If anything fails, the file and the stack are put back and what served
    before serves.

    Releasing a version without --canary also ends a trial of the model.
    """
    asked = request.parse_request(pairs, canary_share=share, labels=labels)
    session = open_stack(stack)
    with session.changing(unless=dry_run):
        file = session.read()
        outputs = session.outputs()
        first = {name: file.config.rollout_of(name).steps[0] for name in file.releases}
        after, problems = request.requested_releases(asked, file.releases, first, stack=stack)
        plan = session.plan(file, after, outputs, problems)
        if not plan.changes and is_serving(outputs, after, plan.manifests):
            return answer_plan(plan, "nothing to do", outputs, as_json=as_json)
        session.show(plan)
        require_compatible(plan, accept_breaking=accept_breaking)
        manner = Manner(
            question=f"Release to stack {stack}?",
            message=message,
            yes=yes,
            confirmed=confirmed,
            dry_run=dry_run,
            write_only=no_up,
            insist=wait,
        )
        result, outputs = carry_out(session, plan, outputs, manner, done="released")
    return answer_plan(plan, result, outputs, as_json=as_json)
