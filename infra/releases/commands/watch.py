"""`servestack watch`: release what is published, by each model's policy."""

import time

import click

from infra.errors import ServestackError
from infra.releases.canary.follow import Follower
from infra.releases.commands.answers import open_stack
from infra.releases.commands.canary import take_steps
from infra.releases.commands.options import CONFIRM, STACK, YES
from infra.releases.errors import OperationFailedError
from infra.releases.request import undeclared
from infra.releases.session import RefusedError
from infra.releases.watching import Watcher, watched


@click.command()
@STACK
@click.option("--model", "only", multiple=True, metavar="NAME", help="Only this model.")
@click.option("--once", is_flag=True, help="Look once, and end; for cron and CI.")
@click.option(
    "--interval",
    "interval_seconds",
    type=click.IntRange(1),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="Pause between two looks at the bucket.",
)
@YES
@CONFIRM
def command(
    *,
    stack: str,
    only: tuple[str, ...],
    once: bool,
    interval_seconds: int,
    yes: bool,
    confirmed: str | None,
) -> None:
    """Follow the stack's bucket, and release new versions as the stack's file says.

    `rollout.on_publish: release` lets a new version serve everybody, `canary` puts it on trial at
    the first step; automatic trials are taken through their steps. A version is taken up once: one
    that was rolled back, aborted or refused is left to people.

    The edited stack file is yours to commit. With --once it ends with 1 if something was not
    released.
    """
    session = open_stack(stack)
    config = session.read().config
    if unknown := [name for name in only if name not in config.models]:
        raise RefusedError(undeclared(unknown, config.models))
    if not watched(config):
        raise RefusedError(
            f"No model of stack {stack} is to be released by itself. Write in {session.path.name}, "
            "for all of them:\n  servestack:rollout: {on_publish: canary}    (or release)\n"
            "or below one model:\n  rollout: {on_publish: canary}"
        )
    session.confirm(f"Let new versions be released to {stack}?", yes=yes, confirmed=confirmed)
    watcher, follower = Watcher(session=session, only=only), Follower(session=session)
    told: dict[str, str] = {}
    while True:
        try:
            found = watcher.look()
            if once and not found:
                session.say("No version is new")
            for new in found:
                session.say(f"{new.model} {new.version} is published")
                watcher.take_up(new)
            take_steps(follower, follower.look(), told)
        except ServestackError as error:
            if once:
                raise
            # A bucket or a backend that is away for a while comes back.
            watcher.say_once("pass", f"This look failed, the next is in time: {error}")
        if once:
            break
        time.sleep(interval_seconds)
    if watcher.failures:
        raise OperationFailedError("Not everything that is published was released, see above.")
