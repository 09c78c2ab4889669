"""`model-export fetch`."""

from pathlib import Path

import click

from model_export.cli_options import MODEL, progress, takes_store, version_number
from model_export.errors import RefusedError
from model_export.fetch import fetch
from model_export.report import size
from model_export.store import open_store


@click.command("fetch")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@MODEL
@click.option(
    "--version",
    metavar="N",
    callback=version_number,
    help="Left out: the highest that is published.",
)
@takes_store
def fetch_command(*, directory: Path, model: str, version: int | None, store_url: str) -> None:
    """Copy a version out of the store into DIR, which is new or empty.

    Every file is compared with the manifest. DIR appears when all of it is there; a fetch that was
    interrupted goes on where it stopped when the same command is run again.
    """
    store = open_store(store_url)
    if version is None:
        versions = store.versions(model)
        if not versions:
            raise RefusedError(f"{store.url} has no version of model '{model}'.")
        version = versions[-1]
    with progress(store.manifest(model, version).size_bytes) as advance:
        manifest = fetch(store, model, version, directory, advance=advance)
    click.echo(
        f"Fetched {model} version {version}: {size(manifest.size_bytes)} in "
        f"{len(manifest.files)} files, {directory}"
    )
