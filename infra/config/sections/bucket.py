"""Where published versions lie. Pure data, checked field by field."""

from pydantic import Field

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
    force_destroy: YesNo = Field(
        default=False,
        description="Let `pulumi destroy` delete the bucket with the versions in it.",
    )
