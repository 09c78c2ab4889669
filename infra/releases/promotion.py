"""Bringing the very files that serve in one environment to another.

The version is found again by the digest of its files, in the other stack's bucket under whatever
number it has there; where it is not, it is copied. Copying runs as commands of their own, which
read and write any kind of bucket and show their progress.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from infra.releases.errors import OperationFailedError
from infra.releases.session import RefusedError, Session
from infra.releases.verifying import deployed_release
from infra.storage.published import PublishedModels
from model_export.manifest import Manifest

# Who looks for an old digest looks at its latest copies first, and not at years of them.
_MOST_LOOKED_AT: Final = 200
PROMOTED_FROM: Final = "promoted-from"


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """A version on its way from one stack's bucket to another's."""

    manifest: Manifest
    source: PublishedModels
    target: PublishedModels
    # Its number in the target's bucket; None where it has to be copied.
    version: int | None


def serving_version(outputs: Mapping[str, Any], model: str, stack: str) -> int:
    """Give the version that is deployed as stable, and that somebody has let serve everybody."""
    output = (outputs.get("models") or {}).get(model)
    release = deployed_release(output) if output else None
    if release is None or release.version is None:
        raise RefusedError(f"{model} is not served on stack {stack}, so there is nothing to bring.")
    if not isinstance(release.version, int):
        raise RefusedError(
            f"{model} follows its bucket on stack {stack} (version: latest), so nobody has decided "
            "on a version. Name one there first."
        )
    return release.version


def find(model: str, version: int, source: PublishedModels, target: PublishedModels) -> Promotion:
    """Look for the same files in the target's bucket."""
    manifest = source.verified(model, version)
    found = None
    if source.url == target.url:
        found = version
    else:
        known = target.versions(model)
        # Most likely it has the same number.
        candidates = sorted(known, key=lambda number: (number != version, -number))
        found = next(
            (
                number
                for number in candidates[:_MOST_LOOKED_AT]
                if target.manifest(model, number).digest == manifest.digest
            ),
            None,
        )
    return Promotion(manifest=manifest, source=source, target=target, version=found)


def copy(session: Session, promotion: Promotion) -> int:
    """Copy the version; give its number in the target's bucket, and see that it is the same."""
    manifest, target = promotion.manifest, promotion.target
    model, number = manifest.model, manifest.version
    taken = number in target.versions(model)
    with tempfile.TemporaryDirectory(prefix="servestack-") as scratch:
        directory = str(Path(scratch) / model)
        place = ("--model", model, "--store")
        _run(session, "fetch", directory, *place, promotion.source.url, "--version", str(number))
        _run(
            session,
            "publish",
            directory,
            *place,
            target.url,
            *(() if taken else ("--version", str(number))),
            *_told(manifest, promotion.source.url),
        )
    version = target.newest(model) if taken else number
    if version is None or target.manifest(model, version).digest != manifest.digest:
        raise OperationFailedError(
            f"{model} {version} in {target.url} has other files than {model} {number} in "
            f"{promotion.source.url}, though it was copied just now. It was not released."
        )
    return version


def _told(manifest: Manifest, source_url: str) -> Iterator[str]:
    """Give the options that carry over what the manifest says of the version."""
    labels = dict(manifest.labels) | {
        PROMOTED_FROM: f"{source_url}/{manifest.model}/{manifest.version}"
    }
    for key, text in labels.items():
        yield from ("--label", f"{key}={text}")
    for key, number in manifest.metrics.items():
        yield from ("--metric", f"{key}={number!r}")


def _run(session: Session, *words: str) -> None:
    done = subprocess.run(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "model_export", *words],
        cwd=session.engine.checkout,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise OperationFailedError(
            "The version was not copied: see the lines above. Nothing was released; when the "
            "reason is gone, run this again."
        )
    for line in done.stdout.splitlines():
        session.say(f"  {line}")
