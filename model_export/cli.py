"""The `model-export` command: texts in, one call of the package, one clear answer out.

Owns words and exit codes: 0 done, 1 the operation failed, 2 the request was refused.
"""

import json
from pathlib import Path
from typing import Any

import click
from pydantic import JsonValue

from model_export import stack
from model_export.cli_archive import archive_command, make_archive
from model_export.cli_batch import batch_command
from model_export.cli_export import export_command
from model_export.cli_fetch import fetch_command
from model_export.cli_inspect import diff_command, inspect_command
from model_export.cli_keeping import delete_command, gc_command, signer_of, signs, verify_command
from model_export.cli_optimise import optimise_command
from model_export.cli_options import (
    JSON,
    MODEL,
    RELEASE_META,
    model_name,
    progress,
    takes_store,
    version_number,
)
from model_export.cli_predict import predict_command
from model_export.cli_validate import validate_command
from model_export.errors import ModelExportError, RefusedError
from model_export.manifest import Manifest, dump_manifest
from model_export.publish import publish
from model_export.report import described, size, summary, table
from model_export.store import open_store


class _Commands(click.Group):
    """Answers with one line what went wrong."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ModelExportError as error:
            click.echo(f"model-export: {error}", err=True)
            ctx.exit(2 if isinstance(error, RefusedError) else 1)


def _pairs(_ctx: click.Context, _param: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise click.BadParameter(f"{text!r}: write KEY=VALUE")
        if key in pairs:
            raise click.BadParameter(f"{key!r} is given twice")
        pairs[key] = value
    return pairs


def _numbers(
    ctx: click.Context, param: click.Parameter, texts: tuple[str, ...]
) -> dict[str, float]:
    pairs = _pairs(ctx, param, texts)
    try:
        return {key: float(value) for key, value in pairs.items()}
    except ValueError as error:
        raise click.BadParameter(f"{error}; write KEY=NUMBER") from error


_VERSION = click.option("--version", metavar="N", callback=version_number)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Publish SavedModels as immutable, numbered versions, and ask the servers that serve them.

    \b
    model-export export heart.keras --output build/heart
    model-export inspect build/heart
    model-export validate build/heart
    model-export publish build/heart --model heart --store ./bucket --metric accuracy=0.87
    model-export list --store ./bucket
    model-export show --model heart --version 2 --store ./bucket
    model-export fetch ./heart-2 --model heart --version 2 --store gs://models
    model-export archive --model heart --version 2 --store s3://models
    model-export verify --model heart --version 2 --store ./bucket
    model-export gc --model heart --store ./bucket --keep 5 --in-use 2 --dry-run
    model-export predict '[…]' --endpoint http://127.0.0.1:8501/v1/models/heart
    model-export batch --input rows.csv --output out.jsonl --endpoint …
    """  # noqa: D301 click's mark for lines to leave as they are


def _remember_release(
    ctx: click.Context, _param: click.Parameter, stack_name: str | None
) -> str | None:
    ctx.meta[RELEASE_META] = stack_name
    return stack_name


@main.command("publish")
@click.argument(
    "directory", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@MODEL
@takes_store
@click.option(
    "--version",
    metavar="N",
    callback=version_number,
    help="This number instead of the next free one.",
)
@click.option(
    "--label", "labels", multiple=True, metavar="KEY=VALUE", callback=_pairs, help="Free words."
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="KEY=NUMBER",
    callback=_numbers,
    help="What was measured, as in accuracy=0.87.",
)
@click.option(
    "--release",
    metavar="STACK",
    callback=_remember_release,
    is_eager=True,
    help="Release the version to this stack too; without --store its bucket is meant.",
)
@click.option(
    "--archive",
    "archives",
    is_flag=True,
    help="Also put the version into one model.tar.gz, as SageMaker takes it.",
)
@signs
@JSON
def publish_command(  # noqa: PLR0913 one parameter for each option
    *,
    directory: Path,
    model: str,
    store_url: str,
    version: int | None,
    labels: dict[str, str],
    metrics: dict[str, float],
    release: str | None,
    archives: bool,
    sign: Path | None,
    sign_keyless: bool,
    as_json: bool,
) -> None:
    """Copy the SavedModel in DIR into the store as a new version.

    The version becomes visible in one step when all of it is there. It never changes afterwards:
    whatever is new is a new version.
    """
    store = open_store(store_url)
    signer = signer_of(sign, keyless=sign_keyless)
    total_bytes = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    with progress(total_bytes) as advance:
        published = publish(
            directory,
            model=model,
            store=store,
            version=version,
            labels=labels,
            metrics=metrics,
            signer=signer,
            advance=advance,
        )
    manifest = published.manifest
    if archives:
        make_archive(store, model, manifest.version, beside=directory)
    if as_json:
        _print_json({"url": published.url, **summary(manifest)})
    else:
        click.echo(
            f"Published {model} version {manifest.version}: {size(manifest.size_bytes)} in "
            f"{len(manifest.files)} files, {published.url}"
        )
    if release is not None:
        stack.release(release, model, manifest.version)


@main.command("list")
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
        _print_json([summary(manifest) for manifest in found])
    elif found:
        click.echo(table(found))
    elif not faults:
        click.echo(f"No versions of {model or 'any model'} in {store.url}", err=True)
    if faults:
        raise ModelExportError("\n".join(map(str, faults)))


@main.command("show")
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


def _print_json(document: JsonValue) -> None:
    click.echo(json.dumps(document, indent=2))


for _command in (
    archive_command,
    export_command,
    fetch_command,
    verify_command,
    gc_command,
    delete_command,
):
    main.add_command(_command)
main.add_command(inspect_command)
main.add_command(diff_command)
main.add_command(optimise_command)
main.add_command(predict_command)
main.add_command(batch_command)
main.add_command(validate_command)

if __name__ == "__main__":
    main()
