"""The model bucket on S3, its access log, and who is let in.

A publisher may create objects and read them, and delete only scaffolding and archives: what is
published, it can neither change nor delete. That an object is created only where none is, the
bucket's own policy demands of everybody. It leaves out the content of the bucket, which is
`model_export`'s.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_aws as aws

from infra.aws_names import bucket_arn, log_bucket_name
from infra.identity.aws_bucket_policies import (
    BucketPlace,
    bucket_protection,
    log_delivery,
    publishing,
    reading,
)
from infra.identity.aws_policies import Statement, document

COMPONENT_TYPE: Final = "servestack:storage:S3ModelBucket"


@dataclass(frozen=True, kw_only=True)
class S3ModelBucketArgs:
    """What the bucket is like."""

    name: str
    account: str
    region: str
    force_destroy: bool = False
    keep_deleted_days: int = 30
    abandoned_upload_days: int = 7
    retention_days: int | None = None
    kms_key: str | None = None
    access_log_days: int | None = None

    @property
    def keeps_versions(self) -> bool:
        """Tell whether deleted objects stay as noncurrent versions; object lock needs them."""
        return self.keep_deleted_days > 0 or self.retention_days is not None

    @property
    def place(self) -> BucketPlace:
        """Name it as policies do."""
        return BucketPlace(
            arn=bucket_arn(self.name, region=self.region),
            region=self.region,
            kms_key=self.kms_key,
        )


class S3ModelBucket(pulumi.ComponentResource):
    """The model bucket of a stack on AWS; identities are roles, by their names."""

    url: pulumi.Output[str]
    name: pulumi.Output[str]

    def __init__(
        self, name: str, args: S3ModelBucketArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(COMPONENT_TYPE, name, None, opts)
        self.address = f"s3://{args.name}"
        self.place = args.place
        logs: aws.s3.Bucket | None = None
        if args.access_log_days:
            logs, writable = _log_bucket(f"{name}-logs", args, self)
        bucket = aws.s3.Bucket(
            name,
            aws.s3.BucketArgs(
                bucket=args.name,
                force_destroy=args.force_destroy,
                object_lock_enabled=args.retention_days is not None,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        closed = _closed(name, bucket, args, self)
        _settings(name, bucket, args, self)
        if logs is not None:
            aws.s3.BucketLogging(
                name,
                aws.s3.BucketLoggingInitArgs(
                    bucket=bucket.bucket, target_bucket=logs.bucket, target_prefix="access/"
                ),
                # S3 looks whether it may write there.
                pulumi.ResourceOptions(parent=self, depends_on=[writable]),
            )
        self.name = bucket.bucket
        # Nobody uses it before it is closed to the rest of the world.
        self.url = pulumi.Output.all(bucket.bucket, closed.id).apply(
            lambda known: f"s3://{known[0]}"
        )
        self.register_outputs({"url": self.url})

    def grant_read(
        self,
        name: str,
        identity: pulumi.Input[str],
        prefix: str | None = None,
        after: Sequence[pulumi.Resource] = (),
    ) -> list[pulumi.Resource]:
        """Let a role list and read, all of the bucket or below a prefix."""
        return [self.grant(f"{name}-reads", identity, reading(self.place, prefix), after)]

    def grant_write(
        self,
        name: str,
        identity: pulumi.Input[str],
        prefix: str | None = None,
        after: Sequence[pulumi.Resource] = (),
    ) -> list[pulumi.Resource]:
        """Let a role publish, in all of the bucket or below a prefix."""
        return [self.grant(f"{name}-publishes", identity, publishing(self.place, prefix), after)]

    def publishing(self, prefix: str | None) -> list[Statement]:
        """Say what a publisher may do here, for whoever is no role."""
        return publishing(self.place, prefix)

    def grant(
        self,
        name: str,
        identity: pulumi.Input[str],
        statements: Sequence[Statement],
        after: Sequence[pulumi.Resource] = (),
    ) -> pulumi.Resource:
        """Let a role do what the statements say, which are of this bucket."""
        return aws.iam.RolePolicy(
            name,
            aws.iam.RolePolicyArgs(name=name, role=identity, policy=document(statements)),
            pulumi.ResourceOptions(parent=self, depends_on=[*after]),
        )


def _closed(
    name: str, bucket: aws.s3.Bucket, args: S3ModelBucketArgs, parent: pulumi.Resource
) -> pulumi.CustomResource:
    """Shut the bucket: no public access, no access lists, no plain text, nothing written over."""
    public = aws.s3.BucketPublicAccessBlock(
        name,
        aws.s3.BucketPublicAccessBlockArgs(
            bucket=bucket.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
        ),
        pulumi.ResourceOptions(parent=parent),
    )
    aws.s3.BucketOwnershipControls(
        name,
        aws.s3.BucketOwnershipControlsArgs(
            bucket=bucket.bucket,
            rule=aws.s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
        ),
        pulumi.ResourceOptions(parent=parent),
    )
    arn = bucket_arn(args.name, region=args.region)
    return aws.s3.BucketPolicy(
        name,
        aws.s3.BucketPolicyArgs(
            bucket=bucket.bucket, policy=document(bucket_protection(arn, immutable=True))
        ),
        # S3 refuses two of these at once.
        pulumi.ResourceOptions(parent=parent, depends_on=[public]),
    )


def _settings(
    name: str, bucket: aws.s3.Bucket, args: S3ModelBucketArgs, parent: pulumi.Resource
) -> None:
    inside = pulumi.ResourceOptions(parent=parent)
    versioning = aws.s3.BucketVersioning(
        name,
        aws.s3.BucketVersioningInitArgs(
            bucket=bucket.bucket,
            versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(
                status="Enabled" if args.keeps_versions else "Suspended"
            ),
        ),
        inside,
    )
    _encryption(name, bucket, args.kms_key, parent)
    aws.s3.BucketLifecycleConfiguration(
        name,
        aws.s3.BucketLifecycleConfigurationArgs(bucket=bucket.bucket, rules=_lifecycle(args)),
        # S3 takes rules about older versions only where there are versions.
        pulumi.ResourceOptions(parent=parent, depends_on=[versioning]),
    )
    if args.retention_days is not None:
        aws.s3.BucketObjectLockConfiguration(
            name,
            aws.s3.BucketObjectLockConfigurationInitArgs(
                bucket=bucket.bucket,
                object_lock_enabled="Enabled",
                rule=aws.s3.BucketObjectLockConfigurationRuleArgs(
                    default_retention=(
                        aws.s3.BucketObjectLockConfigurationRuleDefaultRetentionArgs(
                            mode="GOVERNANCE", days=args.retention_days
                        )
                    )
                ),
            ),
            pulumi.ResourceOptions(parent=parent, depends_on=[versioning]),
        )


def _encryption(
    name: str, bucket: aws.s3.Bucket, kms_key: str | None, parent: pulumi.Resource
) -> None:
    aws.s3.BucketServerSideEncryptionConfiguration(
        name,
        aws.s3.BucketServerSideEncryptionConfigurationInitArgs(
            bucket=bucket.bucket,
            rules=[
                aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                    apply_server_side_encryption_by_default=(
                        aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
                            sse_algorithm="aws:kms" if kms_key else "AES256",
                            kms_master_key_id=kms_key,
                        )
                    ),
                    # One call of the key for many objects.
                    bucket_key_enabled=kms_key is not None,
                )
            ],
        ),
        pulumi.ResourceOptions(parent=parent),
    )


def _lifecycle(args: S3ModelBucketArgs) -> list[aws.s3.BucketLifecycleConfigurationRuleArgs]:
    everything = aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix="")
    rules = [
        aws.s3.BucketLifecycleConfigurationRuleArgs(
            id="abandoned-uploads",
            status="Enabled",
            filter=everything,
            abort_incomplete_multipart_upload=(
                aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                    days_after_initiation=args.abandoned_upload_days
                )
            ),
        )
    ]
    if args.keeps_versions:
        rules.append(
            aws.s3.BucketLifecycleConfigurationRuleArgs(
                id="deleted-objects",
                status="Enabled",
                filter=everything,
                noncurrent_version_expiration=(
                    aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
                        noncurrent_days=max(args.keep_deleted_days, args.retention_days or 1)
                    )
                ),
                expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(
                    expired_object_delete_marker=True
                ),
            )
        )
    return rules


def _log_bucket(
    name: str, args: S3ModelBucketArgs, parent: pulumi.Resource
) -> tuple[aws.s3.Bucket, aws.s3.BucketPolicy]:
    log_name = log_bucket_name(args.name)
    logs = aws.s3.Bucket(
        name,
        # Logs are not what a team published.
        aws.s3.BucketArgs(bucket=log_name, force_destroy=True),
        pulumi.ResourceOptions(parent=parent),
    )
    public = aws.s3.BucketPublicAccessBlock(
        name,
        aws.s3.BucketPublicAccessBlockArgs(
            bucket=logs.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
        ),
        pulumi.ResourceOptions(parent=parent),
    )
    arn = bucket_arn(log_name, region=args.region)
    writable = aws.s3.BucketPolicy(
        name,
        aws.s3.BucketPolicyArgs(
            bucket=logs.bucket,
            policy=document(
                [
                    *bucket_protection(arn, immutable=False),
                    *log_delivery(
                        arn,
                        source_arn=bucket_arn(args.name, region=args.region),
                        account=args.account,
                    ),
                ]
            ),
        ),
        pulumi.ResourceOptions(parent=parent, depends_on=[public]),
    )
    # With a key of yours the delivery would need a grant of it; a log is no model.
    _encryption(name, logs, None, parent)
    aws.s3.BucketLifecycleConfiguration(
        name,
        aws.s3.BucketLifecycleConfigurationArgs(
            bucket=logs.bucket,
            rules=[
                aws.s3.BucketLifecycleConfigurationRuleArgs(
                    id="old-logs",
                    status="Enabled",
                    filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
                    expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(
                        days=args.access_log_days
                    ),
                )
            ],
        ),
        pulumi.ResourceOptions(parent=parent),
    )
    return logs, writable
