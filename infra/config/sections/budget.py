"""What the stack may cost in a month, and who is told. Pure data, checked field by field."""

from pydantic import Field

from infra.config.cloud_values import Currency, Emails, Money, Thresholds
from infra.config.sections.section import Section
from infra.config.values import YesNo


class BudgetConfig(Section):
    """An alarm on cost: it tells, and stops nothing."""

    monthly: Money = Field(description="Amount for a calendar month.")
    currency: Currency | None = Field(
        default=None, description="Currency of the amount. Absent: the one that you are billed in."
    )
    thresholds: Thresholds = Field(
        default=(50, 90, 100), description="Percentages at which somebody is told."
    )
    forecast_thresholds: Thresholds = Field(
        default=(100,), description="The same for what the month is expected to cost in the end."
    )
    emails: Emails = Field(
        default=(), description="Who is told. Absent: those who manage the billing account."
    )
    topic: YesNo = Field(
        default=False, description="Make a topic that programs can read the messages from."
    )
