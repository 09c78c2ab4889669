"""Reading a bucket that is a directory: where it is, which versions it holds, what each of them is.

Knows no Pulumi, so that a command that only looks starts quickly.
"""

import shlex
from collections.abc import Sequence
from pathlib import Path

from infra.errors import ServestackError
from model_export.errors import ModelExportError
from model_export.layout import MANIFEST_NAME, manifest_path, parse_version, version_path
from model_export.manifest import Manifest, parse_manifest


class NotPublishedError(ServestackError):
    """A version is not in the bucket; the message says which are, and what to do."""


def bucket_path(configured: str | None, *, checkout: Path, home: Path, stack: str) -> Path:
    """Give the bucket's directory: the configured one, below the checkout, or the stack's own."""
    return checkout / configured if configured else home / "buckets" / stack


def read_manifest(bucket: Path, model: str, version: int) -> Manifest:
    """Read a version's manifest and check that its files still stand, by size."""
    document = bucket / manifest_path(model, version)
    try:
        manifest = parse_manifest(document.read_bytes(), str(document))
    except FileNotFoundError:
        known = published_versions(bucket, model)
        raise not_published(str(bucket), model, version, known) from None
    except (ModelExportError, OSError) as error:
        raise ServestackError(str(error)) from error
    directory = bucket / version_path(model, version)
    for entry in manifest.files:
        file = directory / entry.path
        size_bytes = file.stat().st_size if file.is_file() else None
        if size_bytes != entry.size_bytes:
            found = "is missing" if size_bytes is None else f"has {size_bytes} bytes"
            raise ServestackError(
                f"version {version} of {model} is damaged: {file} {found}, the manifest says "
                f"{entry.size_bytes} bytes. Publish the model again as a new version."
            )
    return manifest


def published_versions(bucket: Path, model: str) -> list[int]:
    """List the complete versions of a model, oldest first."""
    documents = (bucket / model).glob(f"*/{MANIFEST_NAME}")
    versions = (parse_version(document.parent.name) for document in documents)
    return sorted(version for version in versions if version is not None)


def not_published(
    bucket: str, model: str, version: int, known: Sequence[int], *, deleted: bool = False
) -> NotPublishedError:
    """Word the refusal of a version that is not there; in a bucket of any kind."""
    there = f"it has {', '.join(map(str, known))}" if known else "it has no version yet"
    if deleted:
        return NotPublishedError(
            f"version {version} of {model} was deleted from {bucket} ({there}), and a number is "
            "never given twice. Name a version that is there, or publish the model as a new one."
        )
    return NotPublishedError(
        f"version {version} of {model} is not published in {bucket} ({there}). Publish it: "
        f"model-export publish DIR --model {model} --store {shlex.quote(bucket)} "
        f"--version {version}"
    )
