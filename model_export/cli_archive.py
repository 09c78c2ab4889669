"""`model-export archive`."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from model_export.archive.build import Archived, archive
from model_export.cli_options import JSON, MODEL, progress, takes_store, version_number
from model_export.errors import RefusedError
from model_export.layout import archive_path
from model_export.report import size
from model_export.store import Store, open_store


@click.command("archive")
@MODEL
@click.option(
    "--version",
    metavar="N",
    callback=version_number,
    help="Left out: the highest that is published.",
)
@takes_store
@click.option("--replace", is_flag=True, help="Make it anew, whatever is there.")
@JSON
def archive_command(
    *, model: str, version: int | None, store_url: str, replace: bool, as_json: bool
) -> None:
    """Put a published version into one model.tar.gz beside it, as SageMaker takes it.

    Equal versions give equal archives. One that is there already is left alone; a run that was
    killed is gone on with when the same command is run again.
    """
    store = open_store(store_url)
    if version is None:
        versions = store.versions(model)
        if not versions:
            raise RefusedError(f"{store.url} has no version of model '{model}'.")
        version = versions[-1]
    made = make_archive(store, model, version, replace=replace)
    where = f"{store.url}/{archive_path(model, version)}"
    if as_json:
        click.echo(json.dumps({"url": where, "new": made.is_new, **asdict(made.record)}, indent=2))
    else:
        verb = "Archived" if made.is_new else "There already:"
        click.echo(f"{verb} {model} version {version}: {size(made.record.size_bytes)}, {where}")


def make_archive(
    store: Store, model: str, version: int, *, replace: bool = False, beside: Path | None = None
) -> Archived:
    """Make the archive and show how far it is."""
    with progress(store.manifest(model, version).size_bytes) as advance:
        return archive(store, model, version, replace=replace, beside=beside, advance=advance)
