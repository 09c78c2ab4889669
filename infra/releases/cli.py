"""The `servestack` command: words in, one operation, one clear answer out.

Owns options, questions and exit codes: 0 done, 1 the operation failed, 2 the request was refused.
The engine and the tables are imported where they are used, so that `--help` is quick.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from infra.errors import ServestackError
from infra.releases.errors import OperationFailedError

if TYPE_CHECKING:
    from infra.releases.rollout import Plan
    from infra.releases.session import Session

_INTERRUPTED: Final = 130


class _Commands(click.Group):
    """Answers with a message and an exit code, never with a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ServestackError as error:
            click.echo(f"servestack: {error}", err=True)
            ctx.exit(1 if isinstance(error, OperationFailedError) else 2)
        except KeyboardInterrupt:
            click.echo("servestack: interrupted", err=True)
            ctx.exit(_INTERRUPTED)


_STACK: Final = click.option(
    "-s", "--stack", default="local", show_default=True, metavar="NAME", help="Pulumi.NAME.yaml."
)
_JSON: Final = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
_YES: Final = click.option("--yes", "-y", is_flag=True, help="Do not ask.")
_DRY_RUN: Final = click.option("--dry-run", is_flag=True, help="Check and show, change nothing.")
_MESSAGE: Final = click.option(
    "-m", "--message", metavar="TEXT", help="What the history shall say of it."
)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="servestack")
def main() -> None:
    """Release versions of TensorFlow models to a stack, and roll them back.

    \b
    servestack up                       bring the stack to what its file says
    servestack release heart=2          serve version 2 of heart
    servestack release heart=3 --canary 10
    servestack rollback                 back to the last good different release
    servestack history                  what was released when, and by whom
    servestack status                   configured, deployed, answering

    A release is one line of Pulumi.NAME.yaml and one `pulumi up`; the stack's history is the
    release history.
    """  # noqa: D301 - click's mark for lines to leave as they are


@main.command()
@_STACK
@click.option("--sample", metavar="MODEL", help="Train, publish and release this sample first.")
@_MESSAGE
@_YES
def up(*, stack: str, sample: str | None, message: str | None, yes: bool) -> None:
    """Bring the stack to what its file says; change nothing if it is so already.

    A server that has died is started again. Killed at any moment, it can be run again.
    """
    from infra.releases import quickstart  # noqa: PLC0415 - see the module's docstring

    session = _open(stack)
    with session.changing():
        file = session.read()
        engine = session.engine
        if sample is not None:
            quickstart.require_declared(file, sample)
            quickstart.provide_named(engine, file, sample)
        if engine.preview_changes():
            session.confirm(f"Update stack {stack}?", yes=yes)
            outputs = engine.up(message)
        else:
            session.say(f"Stack {stack} is as its file says: nothing to change")
            outputs = engine.outputs()
        if sample is not None:
            outputs = quickstart.release_sample(engine, file, outputs, sample)
            click.echo(quickstart.invitation(engine, outputs, sample))
            return
    for name, output in outputs["models"].items():
        click.echo(f"{name} {output['version'] or 'is not served'} {output['rest'] or ''}".rstrip())


@main.command()
@_STACK
@click.argument("pairs", metavar="MODEL=VERSION...", nargs=-1, required=True)
@click.option(
    "--canary",
    "share",
    type=click.IntRange(1, 99),
    metavar="PERCENT",
    help="Serve the version beside the stable one, with this part of the requests.",
)
@click.option(
    "--label", "labels", multiple=True, metavar="LABEL=VERSION", help="Let a label name a version."
)
@click.option("--no-up", is_flag=True, help="Write the stack file only.")
@_MESSAGE
@_YES
@_DRY_RUN
@_JSON
def release(  # noqa: PLR0913 - one parameter for each option
    *,
    stack: str,
    pairs: Sequence[str],
    share: int | None,
    labels: Sequence[str],
    no_up: bool,
    message: str | None,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Serve other versions: `servestack release heart=2 digits=1`.

    Each version must be published, whole and unaltered. The stack file is edited, the stack is
    updated, and the versions must answer as they did when they were exported. If anything fails,
    the file and the stack are put back and what served before serves.

    Releasing a version without --canary also ends a trial of the model.
    """
    from infra.releases import request, rollout  # noqa: PLC0415 - see the module's docstring

    asked = request.parse_request(pairs, canary_share=share, labels=labels)
    session = _open(stack)
    with nullcontext() if dry_run else session.changing():
        file = session.read()
        outputs = session.outputs()
        after, problems = request.requested_releases(asked, file.releases)
        plan = rollout.plan_rollout(file, after, session.artefacts(outputs, after, problems))
        if not plan.changes and rollout.is_serving(outputs, plan):
            return _answer(plan, "nothing to do", outputs, as_json=as_json)
        session.show(plan)
        if dry_run:
            return _answer(plan, "dry run", outputs, as_json=as_json)
        session.confirm(f"Release to stack {stack}?", yes=yes)
        if no_up:
            rollout.write_plan(plan)
            return _answer(plan, "written", outputs, as_json=as_json)
        again = "; ".join(f"{name}: {then} again" for name, then in after.items())
        outputs = rollout.roll_out(
            session.engine, plan, message=message or "; ".join(plan.changes) or again
        )
    return _answer(plan, "released", outputs, as_json=as_json)


@main.command()
@_STACK
@click.option("--to", type=click.IntRange(1), metavar="UPDATE", help="Back to this very update.")
@click.option("--model", metavar="NAME", help="Only this model.")
@_MESSAGE
@_YES
@_DRY_RUN
@_JSON
def rollback(
    *,
    stack: str,
    to: int | None,
    model: str | None,
    message: str | None,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Go back to an earlier release, found in the stack's history.

    Without --to it is the last good update whose versions differ from those configured now; so a
    second rollback undoes the first. Versions, canaries and labels go back. Infrastructure, other
    settings and code stay as they are.
    """
    from infra.releases import history, rollout  # noqa: PLC0415 - see the module's docstring

    session = _open(stack)
    with nullcontext() if dry_run else session.changing():
        file = session.read()
        outputs = session.outputs()
        releases = history.parse_history(session.engine.history())
        target = history.choose_target(releases, file.releases, to=to, model=model)
        changed = {
            name: then for name, then in target.models.items() if then != file.releases[name]
        }
        plan = rollout.plan_rollout(file, changed, session.artefacts(outputs, changed))
        for note in target.notes:
            session.say(f"  {note}")
        if not plan.changes:
            return _answer(plan, "nothing to do", outputs, as_json=as_json)
        number = target.update.number
        session.say(
            f"Back to update {number} of {target.update.started.astimezone():%Y-%m-%d %H:%M}"
        )
        session.show(plan)
        session.say("  Infrastructure, other settings and code stay as they are")
        if dry_run:
            return _answer(plan, "dry run", outputs, as_json=as_json)
        session.confirm(f"Roll stack {stack} back?", yes=yes)
        default = f"Roll back to update {number}: {'; '.join(plan.changes)}"
        outputs = rollout.roll_out(session.engine, plan, message=message or default)
    return _answer(plan, "rolled back", outputs, as_json=as_json)


@main.command()
@_STACK
@click.option("-n", "--last", type=click.IntRange(1), metavar="N", help="Only the last N updates.")
@_JSON
def history(*, stack: str, last: int | None, as_json: bool) -> None:
    """List the updates of the stack, newest first, by what they changed for its models."""
    from infra.releases import tables  # noqa: PLC0415 - see the module's docstring
    from infra.releases.history import parse_history  # noqa: PLC0415 - likewise

    session = _open(stack)
    session.read()
    releases = parse_history(session.engine.history()) if session.engine.is_created else ()
    if as_json:
        _print_json(tables.history_document(releases[:last]))
    elif releases:
        click.echo(tables.history_table(releases, last))
    else:
        click.echo(f"Stack {stack} was never updated. Run: servestack up -s {stack}", err=True)


@main.command()
@_STACK
@_JSON
def status(*, stack: str, as_json: bool) -> None:
    """Tell what is configured, what is deployed and what really answers, model by model.

    Ends with 1 if the three are not the same.
    """
    from infra.releases import tables  # noqa: PLC0415 - see the module's docstring
    from infra.releases.status import model_statuses  # noqa: PLC0415 - likewise

    session = _open(stack)
    configured = session.read().releases
    outputs = session.engine.outputs() if session.engine.is_created else {}
    statuses = model_statuses(configured, outputs)
    if as_json:
        _print_json(tables.status_document(statuses))
    else:
        click.echo(tables.status_table(statuses))
    if any(entry.problem for entry in statuses):
        click.get_current_context().exit(1)


@main.command()
@_STACK
def bucket(*, stack: str) -> None:
    """Print the URL of the stack's bucket, as `model-export --store` takes it."""
    click.echo(_open(stack).outputs()["bucket"])


def _open(stack: str) -> "Session":
    from infra.releases.session import open_session  # noqa: PLC0415 - see the module's docstring

    return open_session(_project(), stack, say=lambda line: click.echo(line, err=True))


def _project() -> Path:
    """Find the project as the engine does, in this directory or above; else take our own."""
    here = Path.cwd()
    places = (place for place in (here, *here.parents) if (place / "Pulumi.yaml").is_file())
    return next(places, Path(__file__).resolve().parents[2])


def _answer(plan: "Plan", result: str, outputs: Mapping[str, Any], *, as_json: bool) -> None:
    before = plan.file.releases
    if as_json:
        _print_json(
            {
                "result": result,
                "changes": {
                    name: {"from": _plain(before[name]), "to": _plain(release)}
                    for name, release in plan.after.items()
                    if release != before[name]
                },
                "models": outputs.get("models", {}),
            }
        )
        return
    for name, release in plan.after.items():
        words = {
            "nothing to do": f"{name} {release}: serves already, nothing to do",
            "dry run": f"{name} {release}: can be released; nothing was changed",
            "written": f"{name} {release}: written to {plan.file.path.name}; "
            "to bring the stack to it: servestack up",
        }
        address = (outputs.get("models", {}).get(name) or {}).get("rest")
        click.echo(words.get(result) or f"{name} {release}: {result}, {address or 'not served'}")
    if not plan.after:
        click.echo("Everything is as it was then: nothing to do")


def _plain(release: Any) -> dict[str, Any]:
    from dataclasses import asdict  # noqa: PLC0415 - JSON only

    return asdict(release)


def _print_json(document: Any) -> None:
    click.echo(json.dumps(document, indent=2, default=str))


if __name__ == "__main__":
    sys.exit(main())
