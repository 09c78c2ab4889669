"""`servestack canary`: where trials stand, and following the automatic ones to their end."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

import click

from infra.releases.canary.decision import Abort, Advance, Wait
from infra.releases.canary.follow import Follower, Look, pause_seconds
from infra.releases.commands.answers import open_stack, print_json
from infra.releases.commands.options import CONFIRM, JSON, STACK, YES
from infra.releases.errors import OperationFailedError
from infra.releases.session import RefusedError
from infra.releases.tables import table

_NO_TRIAL: Final = "No version is on trial"


@click.command()
@STACK
@click.option("--follow", is_flag=True, help="Take the steps of automatic trials to their end.")
@click.option("--once", is_flag=True, help="Take the steps that are due now, and end; for cron.")
@click.option(
    "--timeout",
    "timeout_seconds",
    type=click.IntRange(1),
    metavar="SECONDS",
    help="With --follow: stop after so long; the trial stays as it is, and the exit code is 1.",
)
@YES
@CONFIRM
@JSON
def command(
    *,
    stack: str,
    follow: bool,
    once: bool,
    timeout_seconds: int | None,
    yes: bool,
    confirmed: str | None,
    as_json: bool,
) -> None:
    """Tell which versions are on trial, at which step, and what their measures say.

    With --follow, a trial whose rollout is automatic goes through its steps by itself: on when the
    gate is passed after the pause, back at once when the canary does worse. Where a trial stands is
    in the stack alone: stopped at any moment, another --follow, on any machine, goes on.

    Ends with 1 if a trial was aborted.
    """
    session = open_stack(stack)
    follower = Follower(session=session)
    looks = follower.look()
    if once and follower.measure_window(looks):
        looks = follower.look()
    if not (follow or once):
        _tell(looks, as_json=as_json)
        return
    if follow and looks and not any(look.trial.rollout.automatic for look in looks):
        raise RefusedError(
            "No trial is automatic. Write rollout: {automatic: true}, or decide by hand: "
            f"servestack promote -s {stack} MODEL, or servestack abort -s {stack} MODEL"
        )
    session.confirm(f"Let trials of stack {stack} change it?", yes=yes, confirmed=confirmed)
    deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    if not (looks or as_json):
        click.echo(_NO_TRIAL)
    aborted = _follow(follower, looks, once=once, deadline=deadline)
    if as_json:
        _tell(follower.look(), as_json=True)
    if aborted:
        raise OperationFailedError("\n".join(aborted))


def _follow(
    follower: Follower, looks: list[Look], *, once: bool, deadline: float | None
) -> list[str]:
    aborted: list[str] = []
    told: dict[str, str] = {}
    while True:
        due = [look for look in looks if look.trial.rollout.automatic]
        aborted += take_steps(follower, due, told)
        if once or not due:
            return aborted
        if deadline is not None and time.monotonic() > deadline:
            models = ", ".join(look.trial.model for look in due)
            raise OperationFailedError(
                f"Not decided in time: {models}. The trial stays as it is; to go on: "
                "servestack canary --follow"
            )
        time.sleep(pause_seconds(due))
        looks = follower.look()


def take_steps(follower: Follower, looks: Sequence[Look], told: dict[str, str]) -> list[str]:
    """Take the automatic trials' steps that are due; say what is new, and give what was aborted."""
    aborted: list[str] = []
    for look in looks:
        if not look.trial.rollout.automatic:
            continue
        _say(follower, look, told)
        if follower.act(look) and isinstance(look.action, Abort):
            aborted.append(
                f"{look.trial.model}: the trial of version {look.trial.canary.version} was "
                f"aborted: {look.action.reason}"
            )
    return aborted


def _say(follower: Follower, look: Look, told: dict[str, str]) -> None:
    """Say what happens to a trial, when it is something new."""
    match look.action:
        case Wait():
            # Numbers change all the time; the reason in other words is news.
            words = "".join(letter for letter in look.action.reason if not letter.isdigit())
            line = f"{look.trial.model}: canary at {look.trial.step}, waiting: {look.action.reason}"
        case Advance():
            words = line = f"{look.trial.model}: {look.action.reason}"
        case Abort():
            words = line = f"{look.trial.model}: aborting: {look.action.reason}"
    if told.get(look.trial.model) != words:
        follower.session.say(line)
        told[look.trial.model] = words


def _tell(looks: Sequence[Look], *, as_json: bool) -> None:
    if as_json:
        print_json([_document(look) for look in looks])
    elif not looks:
        click.echo(_NO_TRIAL)
    else:
        rows = [_row(look) for look in looks]
        heads = ["MODEL", "STABLE", "CANARY", "SHARE", "SINCE", "NEXT", "MODE", "MEASURES"]
        click.echo(table(heads, rows))


def _row(look: Look) -> list[str]:
    trial = look.trial
    return [
        trial.model,
        str(trial.stable),
        str(trial.canary.version),
        trial.step,
        f"{trial.since.astimezone():%Y-%m-%d %H:%M:%S}" if trial.since else "not deployed",
        f"{trial.next_share or 100} %",
        "automatic" if trial.rollout.automatic else "by hand",
        str(look.verdict),
    ]


def _document(look: Look) -> dict[str, object]:
    trial = look.trial
    return {
        "model": trial.model,
        "stable": trial.stable,
        "canary": asdict(trial.canary),
        "since": trial.since.isoformat() if trial.since else None,
        "next_share": trial.next_share or 100,
        "automatic": trial.rollout.automatic,
        "outcome": str(look.verdict.outcome),
        "reasons": list(look.verdict.reasons),
    }
