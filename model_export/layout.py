"""Where a version lies in a bucket: pure path rules, shared with infra.

A version is the directory `<bucket>/<model>/<version>/`: a SavedModel as TensorFlow writes it, and
`manifest.json`, which is written last. Without its manifest the version is not there.
"""

import re
from typing import Final

MANIFEST_NAME: Final = "manifest.json"
SAVED_MODEL_NAME: Final = "saved_model.pb"
# A signature of all files but itself and the manifest.
SIGNATURE_NAME: Final = "model.sig"
# Served instead of the SavedModel beside it where the server is told to prefer it.
TFLITE_NAME: Final = "model.tflite"
# Below the model: a version as one file, for services that take nothing else.
ARCHIVES: Final = ".archives"

# TF Serving parses version directories as int64; a name of at most 63 keeps every target's limit.
MAX_VERSION: Final = 2**63 - 1
MODEL_NAME_RULE: Final = (
    "1 to 63 lower-case letters, digits and hyphens, starting with a letter and not ending with a "
    "hyphen"
)
_MODEL_NAME: Final = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_VERSION: Final = re.compile(r"[1-9][0-9]{0,18}")


def is_model_name(name: str) -> bool:
    """Tell whether every target accepts this name as it is."""
    return _MODEL_NAME.fullmatch(name) is not None


def parse_version(text: str) -> int | None:
    """Read a version directory's name; None for whatever is not exactly a version."""
    if _VERSION.fullmatch(text) is None:
        return None
    version = int(text)
    return version if version <= MAX_VERSION else None


def version_path(model: str, version: int) -> str:
    """Give a version's path below the bucket, without slashes at its ends."""
    return f"{model}/{version}"


def archive_path(model: str, version: int) -> str:
    """Give the path of a version's archive below the bucket: no number, so no server sees it."""
    return f"{model}/{ARCHIVES}/{version}/model.tar.gz"


def archive_record_path(model: str, version: int) -> str:
    """Give the path of what is known of the archive, written after it."""
    return f"{model}/{ARCHIVES}/{version}/archive.json"


def manifest_path(model: str, version: int) -> str:
    """Give the path of a version's manifest below the bucket."""
    return f"{version_path(model, version)}/{MANIFEST_NAME}"
