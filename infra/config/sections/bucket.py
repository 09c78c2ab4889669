"""Where published versions lie. Pure data, checked field by field."""

from pydantic import Field

from infra.config.cloud_values import BucketLocation, KeepDays, KmsKey, SomeDays
from infra.config.kubernetes_values import BucketUrl
from infra.config.sections.section import Section
from infra.config.values import BucketName, DirectoryPath, YesNo


class BucketConfig(Section):
    """Where published versions lie."""

    path: DirectoryPath | None = Field(
        default=None,
        description="Directory of the bucket, absolute or below the project's. "
        "Absent: one that belongs to this stack alone.",
    )
    name: BucketName | None = Field(
        default=None,
        description="Name of the bucket in the cloud. Absent: made from the stack's name.",
    )
    url: BucketUrl | None = Field(
        default=None, description="A bucket that is there already: gs:// or s3://."
    )
    force_destroy: YesNo = Field(
        default=False,
        description="Let `pulumi destroy` delete the bucket with the versions in it.",
    )
    keep_deleted_days: KeepDays = Field(
        default=30,
        description="How long what was deleted or written over can be brought back. "
        "0: it is gone at once.",
    )
    abandoned_upload_days: SomeDays = Field(
        default=7, description="When the parts of an upload that never ended are removed."
    )
    retention_days: SomeDays | None = Field(
        default=None,
        description="How long nobody may delete or write over what was published. Absent: not.",
    )
    kms_key: KmsKey | None = Field(
        default=None,
        description="Key of yours that encrypts the bucket. Absent: one of the cloud's.",
    )
    access_log_days: SomeDays | None = Field(
        default=None,
        description="Log every request into a bucket beside it, and keep that so long. "
        "Absent: no log.",
    )
    location: BucketLocation | None = Field(
        default=None,
        description="Where the bucket is, also in two regions at once. Absent: the stack's region.",
    )
    hierarchical_namespace: YesNo = Field(
        default=False,
        description="Make folders real: a version appears by one rename, more requests a second "
        "from the start, quicker listings. It cannot be changed later.",
    )
