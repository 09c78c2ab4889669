"""Bringing a version from an S3 bucket into a pod: the script, its digests, its environment. Pure.

The copy lies in a draft directory until every file equals the manifest's digest, and only then
takes its place: a container that is killed half-way starts again, and a server never sees half a
version.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from pulumi_kubernetes.core.v1 import EnvVarArgs, EnvVarSourceArgs, SecretKeySelectorArgs

from infra.errors import ServestackError
from infra.serving.tf_serving.sources import MODELS_DIRECTORY, FetchFromS3
from model_export.layout import version_path
from model_export.manifest import Manifest

SCRIPT_FILE: Final = "fetch.sh"
DIGESTS_FILE: Final = "SHA256SUMS"
KEY_ID: Final = "AWS_ACCESS_KEY_ID"
SECRET_KEY: Final = "AWS_SECRET_ACCESS_KEY"  # noqa: S105 - the name of the variable

_SCRIPT: Final = """\
#!/bin/sh
# Copies one version of a model into the pod and compares it with its manifest.
set -eu
target="$MODELS_DIRECTORY/$VERSION_PATH"
draft="$MODELS_DIRECTORY/.draft"
if [ -d "$target" ] && (cd "$target" && sha256sum -c "$DIGESTS" >/dev/null 2>&1); then
  echo "$VERSION_PATH is here already, and whole"
  exit 0
fi
rm -rf "$target"
mkdir -p "$draft"
cut -c67- "$DIGESTS" >/tmp/files
rclone copy --config /dev/null --retries 5 --transfers 8 --checksum --stats-one-line --stats 15s \\
  --no-traverse --files-from-raw /tmp/files ":s3:$BUCKET_PATH/$VERSION_PATH" "$draft"
if ! (cd "$draft" && sha256sum -c "$DIGESTS" >/tmp/compared 2>&1); then
  echo "the files of $VERSION_PATH in the bucket are not those of its manifest:"
  grep -v ': OK$' /tmp/compared | tail -n 10
  rm -rf "$draft"
  exit 1
fi
mkdir -p "$(dirname "$target")"
mv "$draft" "$target"
echo "$VERSION_PATH is whole"
"""


def files(published: Manifest) -> Mapping[str, str]:
    """Give the script and the digests that it compares with."""
    return {SCRIPT_FILE: _SCRIPT, DIGESTS_FILE: digests(published)}


def digests(published: Manifest) -> str:
    """Write a version's digests as sha256sum reads them."""
    for entry in published.files:
        if "\n" in entry.path or "\r" in entry.path:
            raise ServestackError(
                f"{published.model} version {published.version} has a file whose name holds a line "
                "break, which cannot be compared in a pod. Publish the model without it."
            )
    return "".join(
        f"{entry.sha256}  {entry.path}\n"
        for entry in sorted(published.files, key=lambda entry: entry.path)
    )


def environment(source: FetchFromS3, published: Manifest, *, config_dir: str) -> Mapping[str, str]:
    """Say where the version lies and where it goes; keys come from a Secret, never from here."""
    place = urlsplit(source.url)
    return {
        "MODELS_DIRECTORY": MODELS_DIRECTORY,
        "VERSION_PATH": version_path(published.model, published.version),
        "BUCKET_PATH": f"{place.netloc}{place.path.rstrip('/')}",
        "DIGESTS": f"{config_dir}/{DIGESTS_FILE}",
        "HOME": "/tmp",  # noqa: S108 - an emptyDir of the pod
        **store_environment(source),
    }


def store_environment(source: FetchFromS3) -> Mapping[str, str]:
    """Tell rclone which store it is."""
    variables = {
        "RCLONE_S3_PROVIDER": "AWS" if source.endpoint is None else "Other",
        # The SDK's own chain: Pod Identity, IRSA, an instance's role, or the Secret's keys.
        "RCLONE_S3_ENV_AUTH": "true",
        # Nothing is made or changed in the bucket, so no permission is needed to look at it.
        "RCLONE_S3_NO_CHECK_BUCKET": "true",
    }
    if source.endpoint is not None:
        variables["RCLONE_S3_ENDPOINT"] = source.endpoint
        variables["RCLONE_S3_FORCE_PATH_STYLE"] = "true"
    if source.region is not None:
        variables["RCLONE_S3_REGION"] = source.region
    return variables


def secret_keys(secret: str | None) -> list[EnvVarArgs]:
    """Have the keys put into the environment from a Secret, where there is one."""
    if secret is None:
        return []
    return [
        EnvVarArgs(
            name=name,
            value_from=EnvVarSourceArgs(
                secret_key_ref=SecretKeySelectorArgs(name=secret, key=name)
            ),
        )
        for name in (KEY_ID, SECRET_KEY)
    ]
