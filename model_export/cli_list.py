"""`model-export list` and `show`: which versions there are, and what one is."""

import json

import click

from model_export.cli_options import JSON, MODEL, model_name, takes_store, version_number
from model_export.errors import ModelExportError, RefusedError
from model_export.manifest import Manifest, dump_manifest
from model_export.report import described, summary, table
from model_export.store import open_store


@click.command("list")
@click.option("--model", metavar="NAME", callback=model_name, help="Only this model.")
@takes_store
@JSON
def list_command(*, model: str | None, store_url: str, as_json: bool) -> None:
    """List the versions in the store, oldest first."""
    store = open_store(store_url)
    found: list[Manifest] = []
    faults: list[ModelExportError] = []
    for name in (model,) if model else store.models():
        for number in store.versions(name):
            try:
                found.append(store.manifest(name, number))
            except ModelExportError as error:
                faults.append(error)
    if as_json:
        click.echo(json.dumps([summary(manifest) for manifest in found], indent=2))
    elif found:
        click.echo(table(found))
    elif not faults:
        click.echo(f"No versions of {model or 'any model'} in {store.url}", err=True)
    if faults:
        raise ModelExportError("\n".join(map(str, faults)))


@click.command("show")
@MODEL
@click.option(
    "--version",
    metavar="N",
    callback=version_number,
    help="Left out: the highest that is published.",
)
@takes_store
@JSON
def show_command(*, model: str, version: int | None, store_url: str, as_json: bool) -> None:
    """Tell what one version is: its signatures, files and origin."""
    store = open_store(store_url)
    versions = store.versions(model)
    if version is None and not versions:
        raise RefusedError(f"{store.url} has no version of model '{model}'.")
    manifest = store.manifest(model, version or versions[-1])
    click.echo(dump_manifest(manifest) if as_json else described(manifest), nl=not as_json)
