"""What an estimate of cost cannot know by itself. Pure data, checked field by field."""

from collections.abc import Mapping

from pydantic import Field

from infra.config.release_values import Gigabytes, Price, PriceName
from infra.config.sections.section import Section


class CostConfig(Section):
    """What an estimate of cost cannot know by itself."""

    prices: Mapping[PriceName, Price] = Field(
        default={},
        description="Prices that you pay, in US dollars, instead of those of the table, or where "
        "it has none.",
    )
    stored_gb: Gigabytes | None = Field(
        default=None, description="Gigabytes in the bucket. Absent: storage is not estimated."
    )
    egress_gb: Gigabytes | None = Field(
        default=None,
        description="Gigabytes that leave the region for the internet in a month. Absent: egress "
        "is not estimated.",
    )
