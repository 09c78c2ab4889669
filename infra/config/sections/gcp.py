"""The place on Google Cloud. Pure data, checked field by field."""

from pydantic import Field

from infra.config.cloud_values import BillingAccount, NetworkName
from infra.config.sections.section import Section
from infra.config.values import GcpProject, GcpRegion
from infra.config.vertex_values import ApiHost


class GcpConfig(Section):
    """The place on Google Cloud."""

    project: GcpProject | None = Field(default=None, description="Project that holds everything.")
    region: GcpRegion | None = Field(
        default=None, description="Region of the bucket and of serving."
    )
    network: NetworkName | None = Field(
        default=None,
        description="Existing network for the cluster, with a way out for private nodes. "
        "Absent: one is made.",
    )
    subnetwork: NetworkName | None = Field(
        default=None, description="Existing subnetwork in the region, in that network."
    )
    vertex_host: ApiHost | None = Field(
        default=None,
        description="Host of the Vertex AI API, for example inside a private network. "
        "Absent: the region's own.",
    )
    billing_account: BillingAccount | None = Field(
        default=None, description="Account that pays for the project; the budget needs it."
    )
