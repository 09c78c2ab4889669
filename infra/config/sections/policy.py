"""What the policy pack lets pass on purpose. Pure data, checked field by field."""

from collections.abc import Mapping

from pydantic import Field

from infra.config.release_values import Day, PolicyRuleChoice, Reason, ResourceNames
from infra.config.sections.section import Section


class ExemptionConfig(Section):
    """A rule that is broken on purpose, and why."""

    reason: Reason = Field(description="Why; it is shown wherever the rule would be.")
    resources: ResourceNames = Field(
        default=(),
        description="The resources or models that are meant, by name. Absent: all of the stack.",
    )
    until: Day | None = Field(
        default=None, description="Last day on which it holds. Absent: until it is removed."
    )


class PolicyConfig(Section):
    """What the policy pack lets pass on purpose."""

    exemptions: Mapping[PolicyRuleChoice, ExemptionConfig] = Field(
        default={}, description="Rules that are broken on purpose, by the rule's id."
    )
