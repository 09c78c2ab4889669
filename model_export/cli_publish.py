"""`model-export publish`: a SavedModel becomes a version, and if asked for, a release."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from model_export import stack
from model_export.cli_archive import make_archive
from model_export.cli_options import (
    JSON,
    MODEL,
    RELEASE_META,
    progress,
    takes_store,
    version_number,
)
from model_export.publish import publish
from model_export.report import size, summary
from model_export.signing import Signer, key_signer, keyless_signer
from model_export.store import open_store


def _signs(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that sign."""
    command = click.option(
        "--sign-keyless",
        is_flag=True,
        help="Sign with your identity at Sigstore, over the network.",
    )(command)
    return click.option(
        "--sign",
        metavar="KEY",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Sign with this private key (elliptic curve, PEM).",
    )(command)


def _signer_of(key: Path | None, *, keyless: bool) -> Signer | None:
    """Give who signs, if anybody."""
    if key and keyless:
        raise click.UsageError("Give --sign or --sign-keyless, not both.")
    return key_signer(key) if key else keyless_signer() if keyless else None


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


def _remember_release(
    ctx: click.Context, _param: click.Parameter, stack_name: str | None
) -> str | None:
    ctx.meta[RELEASE_META] = stack_name
    return stack_name


@click.command("publish")
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
    "--parent",
    metavar="N",
    callback=version_number,
    help="The version that this one was made from, if it is not the newest.",
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
@_signs
@JSON
def publish_command(  # noqa: PLR0913 one parameter for each option
    *,
    directory: Path,
    model: str,
    store_url: str,
    version: int | None,
    parent: int | None,
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
    if release is not None:
        stack.require_declared(release, model)
    signer = _signer_of(sign, keyless=sign_keyless)
    total_bytes = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    with progress(total_bytes) as advance:
        published = publish(
            directory,
            model=model,
            store=store,
            version=version,
            labels=labels,
            metrics=metrics,
            parent=parent,
            signer=signer,
            advance=advance,
        )
    manifest = published.manifest
    if archives:
        make_archive(store, model, manifest.version, beside=directory)
    if as_json:
        click.echo(json.dumps({"url": published.url, **summary(manifest)}, indent=2))
    else:
        click.echo(
            f"Published {model} version {manifest.version}: {size(manifest.size_bytes)} in "
            f"{len(manifest.files)} files, {published.url}"
        )
    if release is not None:
        stack.release(release, model, manifest.version)
