"""What a budget must be. Pure."""

from collections.abc import Iterator

from infra.config.model import StackConfig
from infra.config.problems import Finding
from infra.config.values import Platform

# What a budget of Google Cloud can have: channels for notification.
_MOST_EMAILS = 5


def budget_findings(stack: StackConfig) -> Iterator[Finding]:
    """Give every rule that the budget breaks."""
    budget = stack.budget
    if budget is None:
        return
    if not budget.thresholds and not budget.forecast_thresholds:
        yield Finding(
            at=("budget", "thresholds"),
            rule="without a threshold nobody is ever told",
            remedy="Write for example: thresholds: [50, 90, 100]",
        )
    if stack.platform is not Platform.GCP:
        return
    if stack.gcp.billing_account is None:
        yield Finding(
            at=("gcp", "billing_account"),
            rule="is missing; a budget belongs to the account that pays for the project",
            remedy="Write for example: billing_account: 012345-6789AB-CDEF01 "
            "(gcloud billing accounts list)",
        )
    if len(budget.emails) > _MOST_EMAILS:
        yield Finding(
            at=("budget", "emails"),
            rule=f"{len(budget.emails)} are more than the {_MOST_EMAILS} that a budget can tell",
            remedy="Write the address of a group",
        )
