"""A place for Pulumi's state on AWS: a bucket, and a key for the secrets in it.

Not a resource of a stack, since a stack needs its state before it has any. `scripts/aws-state`
calls it; run again, it changes nothing that is there.
"""

import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import click

from infra.aws_names import bucket_arn
from infra.errors import ServestackError
from infra.identity.aws_bucket_policies import bucket_protection
from infra.identity.aws_policies import document

_KEPT_DAYS: Final = 90
_OWN: Final = frozenset({"BucketAlreadyOwnedByYou"})
# Without the dots that S3 allows: the key's name, which is made of it, may have none.
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")


@dataclass(frozen=True, kw_only=True)
class StatePlace:
    """Where the state is, in the words of the engine."""

    backend_url: str
    secrets_provider: str


def ensure_state_place(bucket: str, region: str) -> StatePlace:
    """Make the bucket and the key unless they are there, and see that the bucket is closed."""
    if not _NAME.fullmatch(bucket):
        raise ServestackError(
            f"{bucket} is no name for the bucket: it has 3 to 63 lower-case letters, digits and "
            "hyphens, without s3:// before it."
        )
    from boto3.session import Session  # noqa: PLC0415 slow, and only this needs it
    from botocore import exceptions as boto  # noqa: PLC0415 comes with it

    make: Any = Session(region_name=region).client  # typed for each service's own name only
    try:
        _ensure_bucket(make("s3"), bucket, region)
        alias = _ensure_key(make("kms"), bucket)
    except boto.ClientError as error:
        fault = error.response.get("Error", {})
        if fault.get("Code") == "BucketAlreadyExists":
            raise ServestackError(
                f"The bucket {bucket} is somebody else's: all buckets of the world share one space "
                "of names. Choose another name."
            ) from error
        raise ServestackError(
            f"{error.operation_name} failed ({fault.get('Code')}: {fault.get('Message')})."
        ) from error
    except (boto.NoCredentialsError, boto.PartialCredentialsError) as error:
        raise ServestackError(
            "No AWS credentials were found. Run `aws sso login` or `aws configure`."
        ) from error
    except boto.BotoCoreError as error:
        raise ServestackError(str(error)) from error
    return StatePlace(
        backend_url=f"s3://{bucket}?region={region}&awssdk=v2",
        secrets_provider=f"awskms://{alias}?region={region}",
    )


def _ensure_bucket(client: Any, bucket: str, region: str) -> None:
    place = {} if region == "us-east-1" else {"LocationConstraint": region}
    try:
        client.create_bucket(
            Bucket=bucket, **({"CreateBucketConfiguration": place} if place else {})
        )
    except client.exceptions.ClientError as error:
        if error.response.get("Error", {}).get("Code") not in _OWN:
            raise
    # S3 has none for its first region.
    there = client.get_bucket_location(Bucket=bucket).get("LocationConstraint") or "us-east-1"
    if there != region:
        raise ServestackError(
            f"The bucket {bucket} is yours already, and in {there}. Write --region {there}, or "
            "choose another name."
        )
    client.put_public_access_block(
        Bucket=bucket,
        PublicAccessBlockConfiguration=dict.fromkeys(
            (
                *("BlockPublicAcls", "BlockPublicPolicy"),
                *("IgnorePublicAcls", "RestrictPublicBuckets"),
            ),
            True,
        ),
    )
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    client.put_bucket_encryption(
        Bucket=bucket,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
    )
    client.put_bucket_lifecycle_configuration(
        Bucket=bucket,
        LifecycleConfiguration={
            "Rules": [
                {
                    "ID": "earlier-states",
                    "Status": "Enabled",
                    "Filter": {"Prefix": ""},
                    "NoncurrentVersionExpiration": {"NoncurrentDays": _KEPT_DAYS},
                    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
                }
            ]
        },
    )
    arn = bucket_arn(bucket, region=region)
    client.put_bucket_policy(
        Bucket=bucket, Policy=document(bucket_protection(arn, immutable=False))
    )


def _ensure_key(client: Any, bucket: str) -> str:
    """Give the key by a name of its own, so that another run finds it again."""
    alias = f"alias/servestack-state-{bucket}"
    with suppress(client.exceptions.NotFoundException):
        client.describe_key(KeyId=alias)
        return alias
    key = client.create_key(Description=f"Secrets in the state of {bucket}")["KeyMetadata"]["KeyId"]
    client.enable_key_rotation(KeyId=key)
    client.create_alias(AliasName=alias, TargetKeyId=key)
    return alias


@click.command("aws-state", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("bucket")
@click.option(
    "--region",
    required=True,
    metavar="REGION",
    envvar="AWS_REGION",
    show_envvar=True,
    help="Where bucket and key are made.",
)
def command(*, bucket: str, region: str) -> None:
    """Make a place for Pulumi's state in S3, with a key for its secrets, and say how to use it."""
    try:
        place = ensure_state_place(bucket, region)
    except ServestackError as error:
        click.echo(f"aws-state: {error}", err=True)
        sys.exit(1)
    click.echo(f"./scripts/pulumi login '{place.backend_url}'")
    click.echo(f"./scripts/pulumi stack init aws-dev --secrets-provider '{place.secrets_provider}'")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    command(arguments, prog_name="./scripts/aws-state")


if __name__ == "__main__":
    main()
