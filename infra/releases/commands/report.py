"""`servestack report`: what a change means for the models, as a pull request's comment."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import click

from infra.config.model import StackConfig
from infra.config.problems import ConfigError
from infra.errors import ServestackError
from infra.releases.artefacts import breaking_changes
from infra.releases.before import config_before
from infra.releases.commands.answers import project_directory, tell
from infra.releases.commands.options import POLICY_PACK, STACK
from infra.releases.errors import OperationFailedError
from infra.releases.markdown import DEFAULT_LIMIT, render
from infra.releases.model_release import ModelRelease, release_of
from infra.releases.preview import Preview, preview_of_document
from infra.releases.report import Report, make_report
from infra.releases.session import Session, session_for
from infra.releases.verifying import deployed_release
from infra.storage.published import PublishedModels
from tools.engine.environment import stack_file


@click.command()
@STACK
@click.option(
    "--base",
    default="HEAD",
    show_default=True,
    metavar="COMMIT",
    help="Compare with the stack file of this commit.",
)
@click.option(
    "--preview",
    "preview_file",
    type=click.File("r", encoding="utf-8"),
    metavar="FILE",
    help="Take this output of `pulumi preview --json` instead of making a preview.",
)
@click.option(
    "--no-preview", "reason", metavar="WHY", help="Make no preview; say in the report why not."
)
@click.option(
    "--policy-pack",
    type=POLICY_PACK,
    metavar="DIR",
    help="Ask this policy pack; left out: infra/policy of the project, if it is there.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write it here instead of on stdout.",
)
@click.option(
    "--limit",
    type=click.IntRange(2_000),
    default=DEFAULT_LIMIT,
    show_default=True,
    metavar="CHARACTERS",
    help="Cut the resource diff where the report would be longer.",
)
def command(
    *,
    stack: str,
    base: str,
    preview_file: TextIO | None,
    reason: str | None,
    policy_pack: Path | None,
    output: Path | None,
    limit: int,
) -> None:
    """Tell in Markdown what the working tree changes for the stack's models.

    Versions and shares, signatures that break clients, replicas, GPUs and cost before and after,
    what is replaced or deleted, what policies say, and the resource diff. No secret is in it.

    Ends with 1 if it could not be deployed as it is; the report is written all the same.
    """
    checkout = project_directory()
    path = stack_file(checkout, stack)
    before, unread = _before(path, base)
    try:
        session = session_for(checkout, stack, say=tell)
    except ConfigError as error:
        report = _refused(stack, before, error, unread)
    else:
        text = preview_file.read() if preview_file else None
        report = _report(session, before, unread, text, reason, policy_pack)
    written = render(report, limit=limit)
    if output is None:
        click.echo(written, nl=False)
    else:
        _write(output, written)
    if report.is_forbidden:
        sys.exit(1)


def _write(output: Path, written: str) -> None:
    try:
        output.write_text(written, encoding="utf-8")
    except OSError as error:
        raise OperationFailedError(
            f"--output {output}: the report cannot be written: {error.strerror}."
        ) from error


def _before(path: Path, base: str) -> tuple[StackConfig | None, list[str]]:
    try:
        return config_before(path, base), []
    except ConfigError as error:
        return None, [f"The stack file of {base} was not sound, so nothing is compared: {error}"]


def _refused(
    stack: str, before: StackConfig | None, error: ConfigError, unread: Sequence[str]
) -> Report:
    report = make_report(stack, before=before, after=before, unread=unread)
    return replace(report, preview=Preview(errors=(str(error),)))


def _report(
    session: Session,
    before: StackConfig | None,
    unread: Sequence[str],
    document: str | None,
    reason: str | None,
    policy_pack: Path | None,
) -> Report:
    after = session.read().config
    notes = [*unread]
    preview = None
    deployed = None
    if document is not None:
        preview = preview_of_document(document)
    elif reason is not None:
        notes.append(f"No preview was made: {reason}")
    else:
        try:
            if session.engine.is_created:
                packs = _packs(session.engine.checkout, policy_pack)
                preview = session.engine.preview(policy_packs=packs)
                deployed = session.engine.resources()
                notes += _undeployed(session, before)
            else:
                notes.append(
                    "No preview was made: the stack was never brought up here. To make it: "
                    f"servestack up -s {session.engine.stack}"
                )
        except OperationFailedError as error:
            preview = Preview(errors=(f"No preview could be made. {error}",))
    breaking: list[str] = []
    if reason is None:
        bucket = (preview.outputs if preview else {}).get("bucket")
        try:
            breaking = _breaking(bucket, before, after)
        except ServestackError as error:
            notes.append(f"Signatures were not compared: {error}")
    return make_report(
        session.engine.stack,
        before=before,
        after=after,
        preview=preview,
        before_resources=deployed,
        breaking=breaking,
        unread=notes,
    )


def _undeployed(session: Session, before: StackConfig | None) -> list[str]:
    """Say of each model that serves otherwise than the file said before the change."""
    if before is None:
        return []
    models = before.models
    outputs = session.engine.outputs().get("models") or {}
    notes = []
    for name, output in outputs.items():
        deployed = deployed_release(output)
        said = replace(release_of(models[name]) if name in models else ModelRelease(), labels={})
        if deployed != said:
            notes.append(
                f"{name}: deployed is {deployed}, and not what the file said before ({said})"
            )
    return notes


def _packs(checkout: Path, chosen: Path | None) -> list[str]:
    if chosen is not None:
        return [str(chosen)]
    own = checkout / "infra" / "policy"
    return [str(own)] if (own / "PulumiPolicy.yaml").is_file() else []


def _breaking(bucket: object, before: StackConfig | None, after: StackConfig) -> list[str]:
    """Compare the versions of the change; read only those that changed."""
    if before is None or not isinstance(bucket, str):
        return []
    old = {name: release_of(model) for name, model in before.models.items()}
    new = {
        name: release
        for name, model in after.models.items()
        if (release := release_of(model)) != old.get(name, ModelRelease())
    }
    store = PublishedModels(bucket)
    manifests = {
        (name, version): store.manifest(name, version)
        for name, release in new.items()
        for version in release.pinned_versions
    }
    return breaking_changes(
        store, {**{name: ModelRelease() for name in new}, **old}, new, manifests
    )
