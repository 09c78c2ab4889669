"""The model bucket on Google Cloud Storage, its access log, and who is let in.

A publisher may create objects and read them, and delete only its own scaffolding below
`MODEL/.publishing`: what is published, it can neither change, delete nor move. It leaves out the
content of the bucket, which is `model_export`'s.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import pulumi
import pulumi_gcp as gcp

from infra.gcp_names import log_bucket_name

COMPONENT_TYPE: Final = "servestack:storage:GcsModelBucket"

READ_ROLE: Final = "roles/storage.objectViewer"
CREATE_ROLE: Final = "roles/storage.objectCreator"
CHANGE_ROLE: Final = "roles/storage.objectUser"
_LOG_WRITERS: Final = "group:cloud-storage-analytics@google.com"
_SECONDS_A_DAY: Final = 24 * 60 * 60
# A template that finds MODEL in .../objects/MODEL/.publishing/..., and nothing elsewhere.
_SCAFFOLDING: Final = (
    'resource.type == "storage.googleapis.com/Object" && '
    'resource.name.extract("/objects/{model}/.publishing/") != ""'
)
# Real folders have names of their own; a version is shown by renaming the one it was sent to.
_SCAFFOLDING_WITH_FOLDERS: Final = (
    f'({_SCAFFOLDING}) || resource.name.extract("/folders/{{model}}/.publishing/") != ""'
)


@dataclass(frozen=True, kw_only=True)
class GcsModelBucketArgs:
    """What the bucket is like.

    `location` is a region, a multi-region, or two regions with + between in `multi_region`.
    """

    name: str
    project: str
    location: str
    multi_region: str | None = None
    force_destroy: bool = False
    keep_deleted_days: int = 30
    abandoned_upload_days: int = 7
    retention_days: int | None = None
    kms_key: str | None = None
    access_log_days: int | None = None
    hierarchical_namespace: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def keeps_versions(self) -> bool:
        """Tell whether deleted objects stay as noncurrent versions, else they are soft-deleted.

        A bucket with folders has no versions, and one with a retention policy needs none.
        """
        folders_or_held = self.hierarchical_namespace or self.retention_days is not None
        return self.keep_deleted_days > 0 and not folders_or_held


class GcsModelBucket(pulumi.ComponentResource):
    """The model bucket of a stack on Google Cloud; see `infra.storage.bucket.ModelBucket`."""

    url: pulumi.Output[str]
    name: pulumi.Output[str]
    project_number: pulumi.Output[str]

    def __init__(
        self, name: str, args: GcsModelBucketArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(COMPONENT_TYPE, name, None, opts)
        self.physical_name = args.name
        self.address = f"gs://{args.name}"
        self._scaffolding = (
            _SCAFFOLDING_WITH_FOLDERS if args.hierarchical_namespace else _SCAFFOLDING
        )
        self._folders: dict[str, gcp.storage.ManagedFolder] = {}
        before = _may_encrypt(name, args, self) if args.kms_key else []
        logs = _log_bucket(name, args, self) if args.access_log_days else None
        self.bucket = gcp.storage.Bucket(
            name,
            gcp.storage.BucketArgs(
                name=args.name,
                project=args.project,
                location=_location(args),
                custom_placement_config=_two_regions(args),
                storage_class="STANDARD",
                uniform_bucket_level_access=True,
                public_access_prevention="enforced",
                force_destroy=args.force_destroy,
                labels=dict(args.labels),
                versioning=gcp.storage.BucketVersioningArgs(enabled=args.keeps_versions),
                soft_delete_policy=_soft_delete(args),
                lifecycle_rules=_lifecycle(args),
                retention_policy=_retention(args),
                encryption=gcp.storage.BucketEncryptionArgs(default_kms_key_name=args.kms_key)
                if args.kms_key
                else None,
                hierarchical_namespace=gcp.storage.BucketHierarchicalNamespaceArgs(enabled=True)
                if args.hierarchical_namespace
                else None,
                logging=gcp.storage.BucketLoggingArgs(
                    log_bucket=logs.name, log_object_prefix="access"
                )
                if logs
                else None,
            ),
            pulumi.ResourceOptions(parent=self, depends_on=before),
        )
        self.name = self.bucket.name
        self.url = self.bucket.url
        self.project_number = self.bucket.project_number.apply(lambda number: f"{number:.0f}")
        self.register_outputs({"url": self.url})

    def grant_read(
        self,
        name: str,
        identity: pulumi.Input[str],
        prefix: str | None = None,
        after: Sequence[pulumi.Resource] = (),
    ) -> list[pulumi.Resource]:
        """Let a member list and read, all of the bucket or below a prefix."""
        return [self._grant(f"{name}-reads", identity, READ_ROLE, prefix, after)]

    def grant_write(
        self,
        name: str,
        identity: pulumi.Input[str],
        prefix: str | None = None,
        after: Sequence[pulumi.Resource] = (),
    ) -> list[pulumi.Resource]:
        """Let a member publish, in all of the bucket or below a prefix."""
        return [
            self._grant(f"{name}-reads", identity, READ_ROLE, prefix, after),
            self._grant(f"{name}-creates", identity, CREATE_ROLE, prefix, after),
            self._grant(
                f"{name}-clears", identity, CHANGE_ROLE, prefix, after, only_scaffolding=True
            ),
        ]

    def grant_role(
        self, name: str, identity: pulumi.Input[str], role: pulumi.Input[str]
    ) -> list[pulumi.Resource]:
        """Let a member do to the bucket what a role says, such as changing its settings."""
        return [self._grant(name, identity, role, None, ())]

    def _grant(
        self,
        name: str,
        member: pulumi.Input[str],
        role: pulumi.Input[str],
        prefix: str | None,
        after: Sequence[pulumi.Resource],
        *,
        only_scaffolding: bool = False,
    ) -> pulumi.Resource:
        title = "only what publishing left behind"
        options = pulumi.ResourceOptions(parent=self, depends_on=[*after])
        if prefix is None:
            return gcp.storage.BucketIAMMember(
                name,
                gcp.storage.BucketIAMMemberArgs(
                    bucket=self.bucket.name,
                    role=role,
                    member=member,
                    condition=gcp.storage.BucketIAMMemberConditionArgs(
                        title=title, expression=self._scaffolding
                    )
                    if only_scaffolding
                    else None,
                ),
                options,
            )
        return gcp.storage.ManagedFolderIamMember(
            name,
            gcp.storage.ManagedFolderIamMemberArgs(
                bucket=self.bucket.name,
                managed_folder=self._folder(prefix).name,
                role=role,
                member=member,
                condition=gcp.storage.ManagedFolderIamMemberConditionArgs(
                    title=title, expression=self._scaffolding
                )
                if only_scaffolding
                else None,
            ),
            options,
        )

    def _folder(self, prefix: str) -> gcp.storage.ManagedFolder:
        if prefix not in self._folders:
            self._folders[prefix] = gcp.storage.ManagedFolder(
                prefix,
                gcp.storage.ManagedFolderArgs(
                    bucket=self.bucket.name,
                    name=f"{prefix}/",
                    # Deletes the grants' anchor only: the objects below stay where they are.
                    force_destroy=True,
                ),
                pulumi.ResourceOptions(parent=self),
            )
        return self._folders[prefix]


def _location(args: GcsModelBucketArgs) -> str:
    return (args.multi_region or args.location).upper()


def _two_regions(args: GcsModelBucketArgs) -> gcp.storage.BucketCustomPlacementConfigArgs | None:
    if "+" not in args.location:
        return None
    regions = args.location.upper().split("+")
    return gcp.storage.BucketCustomPlacementConfigArgs(data_locations=sorted(regions))


def _soft_delete(args: GcsModelBucketArgs) -> gcp.storage.BucketSoftDeletePolicyArgs:
    days = 0 if args.keeps_versions else args.keep_deleted_days
    return gcp.storage.BucketSoftDeletePolicyArgs(retention_duration_seconds=days * _SECONDS_A_DAY)


def _lifecycle(args: GcsModelBucketArgs) -> list[gcp.storage.BucketLifecycleRuleArgs]:
    rules = [
        gcp.storage.BucketLifecycleRuleArgs(
            action=gcp.storage.BucketLifecycleRuleActionArgs(type="AbortIncompleteMultipartUpload"),
            condition=gcp.storage.BucketLifecycleRuleConditionArgs(age=args.abandoned_upload_days),
        )
    ]
    if args.keeps_versions:
        rules.append(
            gcp.storage.BucketLifecycleRuleArgs(
                action=gcp.storage.BucketLifecycleRuleActionArgs(type="Delete"),
                condition=gcp.storage.BucketLifecycleRuleConditionArgs(
                    days_since_noncurrent_time=args.keep_deleted_days, with_state="ARCHIVED"
                ),
            )
        )
    return rules


def _retention(args: GcsModelBucketArgs) -> gcp.storage.BucketRetentionPolicyArgs | None:
    if args.retention_days is None:
        return None
    return gcp.storage.BucketRetentionPolicyArgs(
        retention_period=str(args.retention_days * _SECONDS_A_DAY)
    )


def _may_encrypt(
    name: str, args: GcsModelBucketArgs, parent: pulumi.Resource
) -> list[pulumi.Resource]:
    """Let the storage service use the key; without it the bucket cannot be made."""
    service = gcp.storage.get_project_service_account_output(
        project=args.project, opts=pulumi.InvokeOptions(parent=parent)
    )
    return [
        gcp.kms.CryptoKeyIAMMember(
            f"{name}-encrypts",
            gcp.kms.CryptoKeyIAMMemberArgs(
                crypto_key_id=str(args.kms_key),
                role="roles/cloudkms.cryptoKeyEncrypterDecrypter",
                member=service.member,
            ),
            pulumi.ResourceOptions(parent=parent),
        )
    ]


def _log_bucket(name: str, args: GcsModelBucketArgs, parent: pulumi.Resource) -> gcp.storage.Bucket:
    logs = gcp.storage.Bucket(
        f"{name}-logs",
        gcp.storage.BucketArgs(
            name=log_bucket_name(args.name),
            project=args.project,
            location=_location(args),
            custom_placement_config=_two_regions(args),
            uniform_bucket_level_access=True,
            public_access_prevention="enforced",
            # Logs are not what a team published.
            force_destroy=True,
            labels=dict(args.labels),
            lifecycle_rules=[
                gcp.storage.BucketLifecycleRuleArgs(
                    action=gcp.storage.BucketLifecycleRuleActionArgs(type="Delete"),
                    condition=gcp.storage.BucketLifecycleRuleConditionArgs(
                        age=args.access_log_days
                    ),
                )
            ],
        ),
        pulumi.ResourceOptions(parent=parent),
    )
    gcp.storage.BucketIAMMember(
        f"{name}-logs-written",
        gcp.storage.BucketIAMMemberArgs(bucket=logs.name, role=CREATE_ROLE, member=_LOG_WRITERS),
        pulumi.ResourceOptions(parent=parent),
    )
    return logs
