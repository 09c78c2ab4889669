"""How a model's files come to its pods. Pure data.

TF Serving reads `gs://` and directories, nothing else; so what lies in an S3 bucket is fetched by
an init container, or mounted.
"""

from dataclasses import dataclass
from typing import Final

# Where pods find the bucket, whichever way it comes to them.
MODELS_DIRECTORY: Final = "/models"
# rclone speaks to every S3-compatible store, with keyless identities, and verifies what it copies.
FETCH_IMAGE: Final = "rclone/rclone:1.74.1"


@dataclass(frozen=True, kw_only=True)
class ReadFromGcs:
    """TF Serving reads the bucket itself; `url` is gs://BUCKET or a folder in it."""

    url: str


@dataclass(frozen=True, kw_only=True)
class FetchFromS3:
    """An init container copies the version into the pod and compares it with the manifest.

    `url` is s3://BUCKET or a folder in it. `endpoint` names an S3-compatible store as pods reach
    it; without it the store is AWS's own, in `region`. `secret` names a Secret in the namespace
    with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, for stores without keyless identities.
    """

    url: str
    endpoint: str | None = None
    region: str | None = None
    secret: str | None = None
    image: str = FETCH_IMAGE


@dataclass(frozen=True, kw_only=True)
class MountedClaim:
    """A PersistentVolumeClaim of the namespace that shows the bucket, or a folder of it.

    `of_store` tells a mounted object store from a directory.
    """

    claim: str
    sub_path: str = ""
    of_store: bool = False


ModelSource = ReadFromGcs | FetchFromS3 | MountedClaim


def base_path(source: ModelSource, model: str) -> str:
    """Give the directory of a model's versions as its server reads it."""
    if isinstance(source, ReadFromGcs):
        return f"{source.url.rstrip('/')}/{model}"
    return f"{MODELS_DIRECTORY}/{model}"


def follows_the_bucket(source: ModelSource) -> bool:
    """Tell whether a running pod sees versions that are published after it started."""
    return not isinstance(source, FetchFromS3)


def is_billed_by_look(source: ModelSource) -> bool:
    """Tell whether each look for new versions is a request to an object store."""
    return isinstance(source, ReadFromGcs) or (isinstance(source, MountedClaim) and source.of_store)
