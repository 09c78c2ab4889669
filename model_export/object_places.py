"""What lies where in an object store: numbers, versions, and what publishing puts aside.

Owns the questions that are asked of a bucket about one model; it decides nothing.
"""

from typing import Final

from model_export.bucket import Bucket, ObjectMissingError
from model_export.layout import MAX_VERSION, manifest_path, parse_version

# No number, so that servers and listings pass it by.
PUBLISHING: Final = ".publishing"


def claims_path(model: str) -> str:
    """Name where the numbers that are being published lie."""
    return f"{model}/{PUBLISHING}/"


def scratch_path(model: str, number: int) -> str:
    """Name where a number's claims lie, and what of its files is not whole."""
    return f"{claims_path(model)}{number}/"


def staging_path(model: str, number: int) -> str:
    """Name the folder that is renamed to the version's place, where folders are real."""
    return f"{scratch_path(model, number)}version/"


def numbers_in_sight(bucket: Bucket, model: str) -> list[int]:
    """List the numbers under which anything lies, ascending."""
    names = bucket.folders(f"{model}/")
    return sorted(number for name in names if (number := parse_version(name)) is not None)


def is_published(bucket: Bucket, model: str, number: int) -> bool:
    """Tell whether the version is there, which is when its manifest is."""
    try:
        bucket.read(manifest_path(model, number), 0, 1)
    except ObjectMissingError:
        return False
    return True


def newest_version(bucket: Bucket, model: str, below: int = MAX_VERSION + 1) -> int:
    """Find the highest published number below another; 0 if there is none."""
    numbers = (number for number in reversed(numbers_in_sight(bucket, model)) if number < below)
    return next((number for number in numbers if is_published(bucket, model, number)), 0)
