"""`servestack promote-env`: bring what serves in one environment to another."""

from dataclasses import replace
from typing import Literal

import click

from infra.releases.commands.answers import answer_plan, open_stack
from infra.releases.commands.options import CONFIRM, DRY_RUN, JSON, MESSAGE, YES
from infra.releases.commands.release import SHARE
from infra.releases.promotion import copy, find, serving_version
from infra.releases.releasing import Manner, carry_out, require_compatible
from infra.releases.request import ReleaseRequest, requested_releases
from infra.releases.session import RefusedError
from infra.releases.verifying import is_serving
from infra.storage.published import PublishedModels


@click.command()
@click.argument("model")
@click.option("--from", "source", required=True, metavar="STACK", help="Where it serves.")
@click.option(
    "--from-backend",
    metavar="URL",
    help="Where the state of --from lives, if not where that of --to does: gs://…, s3://….",
)
@click.option("--to", "target", required=True, metavar="STACK", help="Where it shall serve.")
@SHARE
@click.option(
    "--accept-breaking",
    is_flag=True,
    help="Release even what clients of the serving version cannot ask or read.",
)
@MESSAGE
@YES
@CONFIRM
@DRY_RUN
@JSON
def command(  # noqa: PLR0913 - one parameter for each option
    *,
    model: str,
    source: str,
    from_backend: str | None,
    target: str,
    share: int | Literal["first"] | None,
    accept_breaking: bool,
    message: str | None,
    yes: bool,
    confirmed: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Bring MODEL's version from one stack to another: the same files, by their digest.

    It is the stable version that is deployed there. Where the other stack's bucket has not these
    files, they are copied, with their labels and metrics, under the same number if it is free.
    """
    if source == target:
        raise RefusedError("Both stacks are the same one.")
    giving, session = open_stack(source, backend=from_backend), open_stack(target)
    given = giving.outputs()
    version = serving_version(given, model, source)
    with session.changing(unless=dry_run):
        file = session.read()
        outputs = session.outputs()
        bucket = PublishedModels(outputs["bucket"])
        found = find(model, version, PublishedModels(given["bucket"]), bucket)
        if found.version is None:
            session.say(f"{model} {version} of {source} is not in {bucket.url} yet")
            if dry_run:
                session.say("  it would be copied there, and released")
                return None
            session.confirm(f"Copy it, and release it to {target}?", yes=yes, confirmed=confirmed)
            yes, confirmed = True, target
            found = replace(found, version=copy(session, found))
        asked = ReleaseRequest(versions={model: int(found.version or 0)}, canary_share=share)
        first = {name: file.config.rollout_of(name).steps[0] for name in file.releases}
        after, problems = requested_releases(asked, file.releases, first, stack=target)
        plan = session.plan(file, after, outputs, problems)
        if not plan.changes and is_serving(outputs, after, plan.manifests):
            return answer_plan(plan, "nothing to do", outputs, as_json=as_json)
        session.show(plan)
        require_compatible(plan, accept_breaking=accept_breaking)
        manner = Manner(
            question=f"Release it to {target}?",
            message=message or f"{'; '.join(plan.changes)} (from {source})",
            yes=yes,
            confirmed=confirmed,
            dry_run=dry_run,
        )
        result, outputs = carry_out(session, plan, outputs, manner, done="released")
    return answer_plan(plan, result, outputs, as_json=as_json)
