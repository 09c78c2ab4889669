"""The place on Google Cloud. Pure data, checked field by field."""

from pydantic import Field

from infra.config.sections.section import Section
from infra.config.values import GcpProject, GcpRegion


class GcpConfig(Section):
    """The place on Google Cloud."""

    project: GcpProject | None = Field(default=None, description="Project that holds everything.")
    region: GcpRegion | None = Field(
        default=None, description="Region of the bucket and of serving."
    )
