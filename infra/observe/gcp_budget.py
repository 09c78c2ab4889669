"""A monthly budget on Google Cloud: it tells people and programs, and stops nothing.

It counts what carries the stack's label in the stack's project. What Google bills without labels
(a part of the network, some requests) is not in it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import pulumi
import pulumi_gcp as gcp

COMPONENT_TYPE: Final = "servestack:observe:GcpBudget"

# Budgets publish as this account, in every project of the world.
_PUBLISHER: Final = "serviceAccount:billing-budget-alert@system.gserviceaccount.com"


@dataclass(frozen=True, kw_only=True)
class GcpBudgetArgs:
    """How much, of what, and which channels are told at which percentages."""

    title: str
    billing_account: str
    project: str
    project_number: pulumi.Input[str]
    label: tuple[str, str]
    monthly: int
    currency: str | None = None
    thresholds: tuple[int, ...] = ()
    forecast_thresholds: tuple[int, ...] = ()
    channels: Sequence[pulumi.Input[str]] = ()
    topic: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


class GcpBudget(pulumi.ComponentResource):
    """The budget; `topic` is the full name of its topic."""

    topic: pulumi.Output[str] | None

    def __init__(
        self, name: str, args: GcpBudgetArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(COMPONENT_TYPE, name, None, opts)
        self.topic, may_publish = self._topic(name, args)
        key, value = args.label
        gcp.billing.Budget(
            name,
            gcp.billing.BudgetArgs(
                billing_account=args.billing_account,
                display_name=args.title,
                amount=gcp.billing.BudgetAmountArgs(
                    specified_amount=gcp.billing.BudgetAmountSpecifiedAmountArgs(
                        currency_code=args.currency, units=str(args.monthly)
                    )
                ),
                budget_filter=gcp.billing.BudgetBudgetFilterArgs(
                    # Google answers with the number, whatever was asked.
                    projects=[
                        pulumi.Output.from_input(args.project_number).apply(
                            lambda number: f"projects/{number}"
                        )
                    ],
                    labels={key: value},
                    calendar_period="MONTH",
                    credit_types_treatment="INCLUDE_ALL_CREDITS",
                ),
                threshold_rules=list(_rules(args)),
                all_updates_rule=gcp.billing.BudgetAllUpdatesRuleArgs(
                    monitoring_notification_channels=list(args.channels),
                    pubsub_topic=self.topic,
                    # Who has no address here is not told nothing: then it is the account's owners.
                    disable_default_iam_recipients=bool(args.channels),
                )
                if args.channels or self.topic is not None
                else None,
            ),
            pulumi.ResourceOptions(parent=self, depends_on=may_publish),
        )
        self.register_outputs({"topic": self.topic})

    def _topic(
        self, name: str, args: GcpBudgetArgs
    ) -> tuple[pulumi.Output[str] | None, list[pulumi.Resource]]:
        if args.topic is None:
            return None, []
        topic = gcp.pubsub.Topic(
            name,
            gcp.pubsub.TopicArgs(project=args.project, name=args.topic, labels=dict(args.labels)),
            pulumi.ResourceOptions(parent=self),
        )
        publishes = gcp.pubsub.TopicIAMMember(
            f"{name}-publishes",
            gcp.pubsub.TopicIAMMemberArgs(
                project=args.project,
                topic=topic.name,
                role="roles/pubsub.publisher",
                member=_PUBLISHER,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        return topic.id, [publishes]


def _rules(args: GcpBudgetArgs) -> Iterator[gcp.billing.BudgetThresholdRuleArgs]:
    spent = {"CURRENT_SPEND": args.thresholds, "FORECASTED_SPEND": args.forecast_thresholds}
    for basis, percentages in spent.items():
        for percent in sorted(set(percentages)):
            yield gcp.billing.BudgetThresholdRuleArgs(
                threshold_percent=percent / 100, spend_basis=basis
            )
