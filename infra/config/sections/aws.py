"""The place on AWS. Pure data, checked field by field."""

from pydantic import Field

from infra.config.sections.section import Section
from infra.config.values import AwsRegion


class AwsConfig(Section):
    """The place on AWS."""

    region: AwsRegion | None = Field(
        default=None, description="Region of the bucket and of serving."
    )
