"""What may be done with a bucket, by whom, and what nobody may do. Pure."""

from dataclasses import dataclass
from typing import Final

from infra.identity.aws_policies import Conditions, Statement
from model_export.layout import ARCHIVES

# Where SageMaker writes answers and captured requests, below a model.
RESULTS: Final = ".sagemaker"


@dataclass(frozen=True, kw_only=True)
class BucketPlace:
    """A bucket as policies name it: its ARN, and the key that encrypts it if it is somebody's."""

    arn: str
    region: str
    kms_key: str | None = None


def _below(prefix: str | None, path: str = "*") -> str:
    return f"{prefix}/{path}" if prefix else path


def reading(bucket: BucketPlace, prefix: str | None) -> list[Statement]:
    """Let list and read, all of the bucket or below a prefix."""
    return [
        Statement(
            sid="ReadVersions",
            why="read the files of published versions",
            actions=["s3:GetObject"],
            resources=[f"{bucket.arn}/{_below(prefix)}"],
        ),
        _listing(bucket, prefix),
        *_decrypting(bucket),
    ]


def archive_reading(bucket: BucketPlace, model: str | None) -> list[Statement]:
    """Let read a model's archives, or all of them, and nothing else."""
    prefix = f"{model or '*'}/{ARCHIVES}"
    return [
        Statement(
            sid="ReadArchives",
            why="fetch model.tar.gz when an instance starts",
            actions=["s3:GetObject"],
            resources=[f"{bucket.arn}/{prefix}/*"],
        ),
        _listing(bucket, prefix),
        *_decrypting(bucket),
    ]


def publishing(bucket: BucketPlace, prefix: str | None) -> list[Statement]:
    """Let publish as well, but neither change nor delete what is published.

    Who writes over an object is stopped by the bucket's own policy; to delete, only scaffolding and
    archives, which can be made anew, are allowed.
    """
    leftovers = ("*/.publishing/*", f"*/{ARCHIVES}/*")
    if prefix:
        leftovers = (f"{prefix}/.publishing/*", f"{prefix}/{ARCHIVES}/*")
    return [
        *reading(bucket, prefix)[:2],
        Statement(
            sid="PublishVersions",
            why="create the files of a version, large ones in parts",
            actions=[
                "s3:PutObject",
                "s3:AbortMultipartUpload",
                "s3:ListMultipartUploadParts",
            ],
            resources=[f"{bucket.arn}/{_below(prefix)}"],
        ),
        Statement(
            sid="FindUnfinishedUploads",
            why="go on with an upload that was cut off",
            actions=["s3:ListBucketMultipartUploads"],
            resources=[bucket.arn],
        ),
        Statement(
            sid="ClearScaffolding",
            why="remove its own claims, and archives that are to be made anew",
            actions=["s3:DeleteObject"],
            resources=[f"{bucket.arn}/{path}" for path in leftovers],
        ),
        *_decrypting(bucket, also_encrypt=True),
    ]


def results_writing(bucket: BucketPlace, model: str | None) -> list[Statement]:
    """Let SageMaker keep answers and captured requests, and batch jobs read and write there."""
    results = f"{model or '*'}/{RESULTS}"
    return [
        Statement(
            sid="KeepResults",
            why="write captured requests, and answers of asynchronous and batch requests",
            actions=["s3:PutObject", "s3:GetObject"],
            resources=[f"{bucket.arn}/{results}/*"],
        ),
        Statement(
            sid="ListResults",
            why="find the input of a batch, and where answers go",
            actions=["s3:ListBucket"],
            resources=[bucket.arn],
            conditions={"StringLike": {"s3:prefix": [f"{results}/*"]}},
        ),
        Statement(
            sid="LocateBucket",
            why="SageMaker asks where the bucket is before it writes",
            actions=["s3:GetBucketLocation"],
            resources=[bucket.arn],
        ),
        *(
            [
                Statement(
                    sid="EncryptResults",
                    why="write into a bucket with a key of its own",
                    actions=["kms:GenerateDataKey"],
                    resources=[bucket.kms_key],
                    conditions=_through_s3(bucket.region),
                )
            ]
            if bucket.kms_key
            else []
        ),
    ]


def bucket_protection(arn: str, *, immutable: bool) -> list[Statement]:
    """Deny what nobody may: plain text on the wire, and writing over what is published."""
    everything = [arn, f"{arn}/*"]
    statements = [
        Statement(
            sid="OnlyEncryptedConnections",
            why="nothing crosses a network in plain text",
            effect="Deny",
            principal={"AWS": "*"},
            actions=["s3:*"],
            resources=everything,
            conditions={"Bool": {"aws:SecureTransport": "false"}},
        )
    ]
    if immutable:
        statements.append(
            Statement(
                sid="OnlyNewObjects",
                why="a published version never changes: an object is created only where none is",
                effect="Deny",
                principal={"AWS": "*"},
                actions=["s3:PutObject"],
                not_resources=[f"{arn}/*/{RESULTS}/*"],
                conditions={
                    "Null": {"s3:if-none-match": "true"},
                    # The parts of an upload have no such header; its completion has.
                    "Bool": {"s3:ObjectCreationOperation": "true"},
                },
            )
        )
    return statements


def log_delivery(arn: str, *, source_arn: str, account: str) -> list[Statement]:
    """Let S3 write the access logs of one bucket into another."""
    return [
        Statement(
            sid="WriteAccessLogs",
            why="S3 itself writes the log of the model bucket, and of no other",
            principal={"Service": "logging.s3.amazonaws.com"},
            actions=["s3:PutObject"],
            resources=[f"{arn}/*"],
            conditions={
                "ArnLike": {"aws:SourceArn": source_arn},
                "StringEquals": {"aws:SourceAccount": account},
            },
        )
    ]


def _listing(bucket: BucketPlace, prefix: str | None) -> Statement:
    return Statement(
        sid="ListVersions",
        why="find which versions and files there are",
        actions=["s3:ListBucket"],
        resources=[bucket.arn],
        conditions={"StringLike": {"s3:prefix": [f"{prefix}/*"]}} if prefix else {},
    )


def _decrypting(bucket: BucketPlace, *, also_encrypt: bool = False) -> list[Statement]:
    if bucket.kms_key is None:
        return []
    return [
        Statement(
            sid="UseKey",
            why="read, and if it publishes write, in a bucket with a key of its own",
            actions=["kms:Decrypt", *(["kms:GenerateDataKey"] if also_encrypt else [])],
            resources=[bucket.kms_key],
            conditions=_through_s3(bucket.region),
        )
    ]


def _through_s3(region: str) -> Conditions:
    suffix = ".cn" if region.startswith("cn-") else ""
    return {"StringEquals": {"kms:ViaService": f"s3.{region}.amazonaws.com{suffix}"}}
