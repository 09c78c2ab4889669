"""One way to carry out any change of releases: show, preview, ask, roll out.

Every command that changes versions, shares or labels goes through it, so that all of them check,
ask and undo alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from infra.config.model import StackConfig
from infra.releases.errors import UpdateRunningError
from infra.releases.model_release import ModelRelease
from infra.releases.policies import advice, findings, mandatory, refusal
from infra.releases.preview import Preview
from infra.releases.rollout import Plan, StackFile, roll_out, write_plan
from infra.releases.session import RefusedError, Session


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How a change is carried out; what the options of a command say."""

    question: str
    message: str | None = None
    yes: bool = False
    confirmed: str | None = None
    dry_run: bool = False
    write_only: bool = False
    # A failure, too, if the versions cannot be asked from here.
    insist: bool = False
    # Goes back to what served: then there is a way past the policies, for a reason.
    is_way_back: bool = False
    without_policies: str | None = None


def require_compatible(plan: Plan, *, accept_breaking: bool) -> None:
    """Refuse what breaks clients of the serving versions, unless that is accepted."""
    if plan.breaking and not accept_breaking:
        raise RefusedError(
            "Clients of the version that serves would break, as shown above. Release it under "
            "another model name, or, when no client is left that could: --accept-breaking"
        )


def carry_out(
    session: Session, plan: Plan, outputs: Mapping[str, Any], manner: Manner, *, done: str
) -> tuple[str, Mapping[str, Any]]:
    """Bring the stack to the plan, and give what became of it in a word, and the outputs."""
    if manner.write_only and not manner.dry_run:
        require_allowed(session, plan.config, None)
        write_plan(plan)
        return "written", outputs
    passed = require_allowed(
        session,
        plan.config,
        session.preview(plan),
        is_way_back=manner.is_way_back,
        without=manner.without_policies,
    )
    if manner.dry_run:
        return "dry run", outputs
    session.confirm(manner.question, yes=manner.yes, confirmed=manner.confirmed)
    again = "; ".join(f"{name}: {then} again" for name, then in plan.after.items())
    title, *rest = (manner.message or "; ".join(plan.changes) or again).split("\n")
    message = "\n".join([title + passed, *rest])
    return done, roll_out(session.engine, plan, message=message, insist=manner.insist)


def require_allowed(
    session: Session,
    config: StackConfig,
    preview: Preview | None,
    *,
    is_way_back: bool = False,
    without: str | None = None,
) -> str:
    """Refuse what a mandatory policy forbids; give what the history shall say if one is passed."""
    found = findings(session.engine.stack, config, preview, datetime.now(UTC).date())
    for line in advice(found):
        session.say(f"  {line}")
    forbidding = mandatory(found)
    if not forbidding:
        return ""
    if without is None:
        raise RefusedError(refusal(forbidding, session.path.name, is_way_back=is_way_back))
    for finding in forbidding:
        session.say(f"  policy {finding.rule} passed over: {finding.text}")
    rules = ", ".join(dict.fromkeys(finding.rule for finding in forbidding))
    return f" (without policies {rules}: {without})"


def change_unattended(
    session: Session,
    model: str,
    expected: ModelRelease,
    after: ModelRelease,
    reason: str,
    *,
    is_way_back: bool = False,
) -> bool:
    """Change one model's release without anybody to ask, if it still is what was seen.

    Holds the stack only meanwhile. False where somebody else was faster, or is just at work. No
    policy stands in the way back: nobody is there to give a reason.
    """
    try:
        with session.changing():
            file = session.read()
            if file.releases.get(model) != expected:
                session.say(f"  {model} was changed by somebody else meanwhile")
                return False
            plan = _planned(session, file, {model: after})
            if not is_way_back:
                require_allowed(session, plan.config, session.preview(plan))
            message = f"{'; '.join(plan.changes)}\n\n{reason}"
            roll_out(session.engine, plan, message=message)
    except UpdateRunningError as error:
        session.say(f"  {error}")
        return False
    return True


def _planned(session: Session, file: StackFile, after: Mapping[str, ModelRelease]) -> Plan:
    plan = session.plan(file, after, session.outputs())
    session.show(plan)
    return plan
