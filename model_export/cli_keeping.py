"""`model-export verify`, `gc` and `delete`."""

import json
import sys
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from model_export.cli_options import JSON, MODEL, progress, takes_store, version_number
from model_export.errors import RefusedError
from model_export.layout import parse_version, version_path
from model_export.report import counted, size
from model_export.retention import GRACE, Cleaning, carry_out, delete, plan_gc
from model_export.signing import Verifier, key_verifier, keyless_verifier
from model_export.store import open_store
from model_export.verification import Verification, verify

_KEY = click.Path(exists=True, dir_okay=False, path_type=Path)


def _numbers(
    _ctx: click.Context, _param: click.Parameter, texts: tuple[str, ...]
) -> tuple[int, ...]:
    numbers = []
    for text in ",".join(texts).split(",") if texts else ():
        number = parse_version(text.strip())
        if number is None:
            raise click.BadParameter(f"{text!r}: write versions as 3 or 3,7")
        numbers.append(number)
    return tuple(numbers)


_IN_USE = click.option(
    "--in-use",
    multiple=True,
    metavar="N[,N…]",
    callback=_numbers,
    help="What is served somewhere or may be rolled back to; never removed.",
)
_NOTHING_IN_USE = click.option(
    "--nothing-in-use", is_flag=True, help="Say that no version is in use anywhere."
)


@click.command("verify")
@MODEL
@click.option("--version", required=True, metavar="N", callback=version_number)
@takes_store
@click.option("--deep", is_flag=True, help="Re-read every file, whatever checksums the store has.")
@click.option(
    "--public-key", metavar="KEY", type=_KEY, help="Require the signature of this key (PEM)."
)
@click.option("--identity", metavar="NAME", help="Require this identity's keyless signature.")
@click.option("--identity-issuer", metavar="URL", help="Who vouches for the identity.")
@JSON
@click.pass_context
def verify_command(  # noqa: PLR0913 one parameter for each option
    context: click.Context,
    *,
    model: str,
    version: int,
    store_url: str,
    deep: bool,
    public_key: Path | None,
    identity: str | None,
    identity_issuer: str | None,
    as_json: bool,
) -> None:
    """Compare a version in the store with its manifest, and with its signature if you say whose.

    Checksums that the store keeps beside the files are used; where there are none, and with
    --deep, the files are read. Exits with 1 if anything is wrong.
    """
    store = open_store(store_url)
    verifier = _verifier(public_key, identity, identity_issuer)
    with progress() as advance:
        found = verify(store, model, version, deep=deep, verifier=verifier, advance=advance)
    where = f"{store.url}/{version_path(model, version)}"
    if as_json:
        answer = {key: value for key, value in asdict(found).items() if key != "manifest"}
        click.echo(json.dumps({"url": where, "ok": not found.faults, **answer}, indent=2))
    else:
        for fault in found.faults:
            click.echo(f"{where}: {fault}", err=True)
        click.echo(_verdict(where, found), err=bool(found.faults))
    if found.faults:
        context.exit(1)


def _verifier(
    public_key: Path | None, identity: str | None, identity_issuer: str | None
) -> Verifier | None:
    if bool(identity) != bool(identity_issuer):
        raise click.UsageError("Give --identity and --identity-issuer together.")
    if public_key and identity:
        raise click.UsageError("Give --public-key or --identity, not both.")
    if identity and identity_issuer:
        return keyless_verifier(identity, identity_issuer)
    return key_verifier(public_key) if public_key else None


def _verdict(where: str, found: Verification) -> str:
    count = len(found.manifest.files)
    if found.faults:
        faults = counted(len(found.faults), "fault")
        return f"{where} is not what was asked for: {faults}. Publish the model anew."
    signature = (
        "signature valid"
        if found.signature_checked
        else "signed, signature not checked (--public-key)"
        if found.is_signed
        else "not signed"
    )
    read = f"{size(found.read_bytes)} read" if found.read_bytes else "by the store's checksums"
    return f"{where} is whole: {count} files, {read}, {signature}"


@click.command("gc")
@MODEL
@takes_store
@click.option(
    "--keep", required=True, metavar="N", type=click.IntRange(1), help="Keep the N newest."
)
@_IN_USE
@_NOTHING_IN_USE
@click.option(
    "--grace-hours",
    metavar="HOURS",
    type=click.FloatRange(0),
    default=GRACE / timedelta(hours=1),
    show_default=True,
    help="Leave unfinished uploads alone that changed within this time.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@JSON
def gc_command(
    *,
    model: str,
    store_url: str,
    keep: int,
    in_use: tuple[int, ...],
    nothing_in_use: bool,
    grace_hours: float,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Remove old versions, and what uploads that were never finished left behind.

    Kept are the N newest and all that you name with --in-use: what any stack serves, and what it
    may be rolled back to. Only you can know these, so without being told gc refuses.
    """
    _require_told(in_use, nothing_in_use=nothing_in_use)
    store = open_store(store_url)
    cleaning = plan_gc(store, model, keep=keep, in_use=in_use, grace=timedelta(hours=grace_hours))
    if not dry_run:
        cleaning = carry_out(store, model, cleaning)
    if as_json:
        click.echo(json.dumps({"dry_run": dry_run, **_plain(cleaning)}, indent=2))
        return
    verb = "Would remove" if dry_run else "Removed"
    for version in cleaning.removed:
        click.echo(f"{verb} {version_path(model, version)}")
    for leftover in cleaning.leftovers:
        since = f"{leftover.last_change:%Y-%m-%d %H:%M}"
        click.echo(f"{verb} {model}/{leftover.name}, unfinished since {since}")
    if not cleaning.removed and not cleaning.leftovers:
        click.echo("Nothing to remove")
    click.echo(f"Kept: {', '.join(map(str, cleaning.kept)) or 'none'}")


def _plain(cleaning: Cleaning) -> dict[str, Any]:
    return {
        "kept": cleaning.kept,
        "removed": cleaning.removed,
        "leftovers": [leftover.name for leftover in cleaning.leftovers],
    }


@click.command("delete")
@MODEL
@click.option("--version", required=True, metavar="N", callback=version_number)
@takes_store
@_IN_USE
@_NOTHING_IN_USE
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete_command(
    *,
    model: str,
    version: int,
    store_url: str,
    in_use: tuple[int, ...],
    nothing_in_use: bool,
    yes: bool,
) -> None:
    """Remove one version for good; its number is not given again.

    Refused for a version that you name with --in-use. Its manifest is kept apart, so that a later
    reader can tell what it was.
    """
    _require_told(in_use, nothing_in_use=nothing_in_use)
    store = open_store(store_url)
    where = f"{store.url}/{version_path(model, version)}"
    if version not in in_use and not yes:
        # Before asking: there is nothing to ask about a version that is not there.
        store.manifest(model, version)
        if not _is_terminal():
            raise RefusedError(f"{where}: nobody is here to be asked; say --yes to remove it.")
        click.confirm(f"Remove {where} for good?", abort=True)
    delete(store, model, version, in_use=in_use)
    click.echo(f"Removed {where}")


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def _require_told(in_use: tuple[int, ...], *, nothing_in_use: bool) -> None:
    if bool(in_use) == nothing_in_use:
        raise click.UsageError(
            "Say which versions are served or may be rolled back to, as in --in-use 3,7, or say "
            "--nothing-in-use."
        )
