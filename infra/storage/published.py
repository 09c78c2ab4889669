"""Reading what is published in a bucket of any kind, by its URL.

Knows no Pulumi. A cloud's client is imported by `model_export.store` when its kind of bucket is
asked for, and found by that cloud's own default credentials.
"""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from infra.errors import ServestackError
from infra.storage import directory
from model_export.errors import ModelExportError
from model_export.manifest import Manifest
from model_export.store import open_store


def read_version(bucket_url: str, model: str, version: int) -> Manifest:
    """Read a version's manifest; of a directory, its files are seen to stand as well."""
    path = directory_of(bucket_url)
    if path is not None:
        return directory.read_manifest(path, model, version)
    try:
        return open_store(bucket_url).manifest(model, version)
    except ModelExportError as error:
        raise ServestackError(str(error)) from error


def directory_of(bucket_url: str) -> Path | None:
    """Give the directory of a `file://` bucket, and nothing for any other."""
    parts = urlsplit(bucket_url)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None
