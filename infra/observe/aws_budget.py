"""A monthly budget on AWS: it tells people and programs, and stops nothing.

It counts what carries the stack's tag. AWS knows a tag in bills only once somebody has activated it
as a cost allocation tag in the account that pays; docs/aws.md has the command.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_aws as aws

from infra.identity.aws_policies import Statement, document

COMPONENT_TYPE: Final = "servestack:observe:AwsBudget"


@dataclass(frozen=True, kw_only=True)
class AwsBudgetArgs:
    """How much, of what, and who is told at which percentages."""

    name: str
    account: str
    partition: str
    tag: tuple[str, str]
    monthly: int
    currency: str = "USD"
    thresholds: tuple[int, ...] = ()
    forecast_thresholds: tuple[int, ...] = ()
    emails: tuple[str, ...] = ()
    topic: str | None = None


class AwsBudget(pulumi.ComponentResource):
    """The budget; `topic` is the ARN of the topic that it tells as well."""

    topic: pulumi.Output[str] | None

    def __init__(
        self, name: str, args: AwsBudgetArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(COMPONENT_TYPE, name, None, opts)
        self.topic = None
        after: list[pulumi.Resource] = []
        if args.topic:
            topic = aws.sns.Topic(
                name, aws.sns.TopicArgs(name=args.topic), pulumi.ResourceOptions(parent=self)
            )
            self.topic = topic.arn
            after.append(
                aws.sns.TopicPolicy(
                    name,
                    aws.sns.TopicPolicyArgs(
                        arn=topic.arn,
                        policy=topic.arn.apply(lambda arn: document([_telling(arn, args)])),
                    ),
                    pulumi.ResourceOptions(parent=self),
                )
            )
        key, value = args.tag
        aws.budgets.Budget(
            name,
            aws.budgets.BudgetArgs(
                name=args.name,
                account_id=args.account,
                budget_type="COST",
                time_unit="MONTHLY",
                limit_amount=str(args.monthly),
                limit_unit=args.currency,
                cost_filters=[
                    aws.budgets.BudgetCostFilterArgs(
                        name="TagKeyValue", values=[f"user:{key}${value}"]
                    )
                ],
                notifications=list(_notifications(args, self.topic)),
            ),
            # AWS tries the topic when it takes the budget.
            pulumi.ResourceOptions(parent=self, depends_on=after),
        )
        self.register_outputs({"topic": self.topic})


def _notifications(
    args: AwsBudgetArgs, topic: pulumi.Output[str] | None
) -> Iterator[aws.budgets.BudgetNotificationArgs]:
    for kind, thresholds in (
        ("ACTUAL", args.thresholds),
        ("FORECASTED", args.forecast_thresholds),
    ):
        for threshold in thresholds:
            yield aws.budgets.BudgetNotificationArgs(
                notification_type=kind,
                comparison_operator="GREATER_THAN",
                threshold=threshold,
                threshold_type="PERCENTAGE",
                subscriber_email_addresses=list(args.emails) or None,
                subscriber_sns_topic_arns=[topic] if topic is not None else None,
            )


def _telling(topic: str, args: AwsBudgetArgs) -> Statement:
    return Statement(
        sid="TellOfBudget",
        why="AWS Budgets publishes, of this account only",
        principal={"Service": "budgets.amazonaws.com"},
        actions=["sns:Publish"],
        resources=[topic],
        conditions={
            "StringEquals": {"aws:SourceAccount": args.account},
            "ArnLike": {"aws:SourceArn": f"arn:{args.partition}:budgets::{args.account}:*"},
        },
    )
