"""Dashboard and alarms of a stack's models on SageMaker, in CloudWatch.

A model that has alarms of its own, which also take its updates back, gets none here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_aws as aws

from infra.aws_names import alarm_name
from infra.observe.charts import Limits, said_of_down, said_of_errors, said_of_latency
from infra.observe.cloudwatch import (
    COUNTED,
    INSTANCES,
    INVOCATIONS,
    MICROS_PER_MS,
    EndpointModel,
    cloudwatch_dashboard,
    dimensions_of,
    error_share,
)

COMPONENT_TYPE: Final = "servestack:observe:AwsWatch"
_CONSOLES: Final = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}


@dataclass(frozen=True, kw_only=True)
class AwsWatchArgs:
    """Which models, whether there is a dashboard, from where on who is told."""

    stack: str
    region: str
    partition: str
    models: Sequence[EndpointModel]
    dashboard: bool = False
    limits: Limits | None = None
    emails: Sequence[str] = ()
    # What must be up before it may ring that it is not.
    after: Sequence[pulumi.Resource] = ()


class AwsWatch(pulumi.ComponentResource):
    """`dashboard` is the address of the dashboard in Amazon's console."""

    dashboard: str | None

    def __init__(
        self, name: str, args: AwsWatchArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(COMPONENT_TYPE, name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.dashboard = None
        if args.dashboard:
            called = alarm_name("servestack", args.stack, "models")
            aws.cloudwatch.Dashboard(
                name,
                aws.cloudwatch.DashboardArgs(
                    dashboard_name=called,
                    dashboard_body=cloudwatch_dashboard(region=args.region, models=args.models),
                ),
                child,
            )
            self.dashboard = (
                f"https://{args.region}.{_CONSOLES[args.partition]}/cloudwatch/home"
                f"?region={args.region}#dashboards/dashboard/{called}"
            )
        if args.limits is not None:
            topic = _topic(name, args, child)
            for key, alarm in _alarms(args, args.limits, topic):
                aws.cloudwatch.MetricAlarm(
                    key, alarm, pulumi.ResourceOptions(parent=self, depends_on=[*args.after])
                )
        self.register_outputs({"dashboard": self.dashboard})


def _topic(
    name: str, args: AwsWatchArgs, child: pulumi.ResourceOptions
) -> pulumi.Output[str] | None:
    if not args.emails:
        return None
    topic = aws.sns.Topic(
        name, aws.sns.TopicArgs(name=alarm_name("servestack", args.stack, "alerts")), child
    )
    for email in dict.fromkeys(args.emails):
        aws.sns.TopicSubscription(
            email,
            aws.sns.TopicSubscriptionArgs(topic=topic.arn, protocol="email", endpoint=email),
            child,
        )
    return topic.arn


def _alarms(
    args: AwsWatchArgs, limits: Limits, topic: pulumi.Output[str] | None
) -> Iterator[tuple[str, aws.cloudwatch.MetricAlarmArgs]]:
    """Give an alarm for each variant: what a canary fails at would drown in what stable answers."""
    told = None if topic is None else [topic]
    for model in args.models:
        for variant in model.variants if model.watched else ():
            called = (args.stack, model.model, variant)
            yield (
                f"{model.model}-{variant}-error-share",
                aws.cloudwatch.MetricAlarmArgs(
                    name=alarm_name("servestack", *called, "error-share"),
                    alarm_description=f"{said_of_errors(model.model, limits)} ({variant})",
                    metric_queries=list(_error_queries(model, variant, limits)),
                    comparison_operator="GreaterThanThreshold",
                    threshold=limits.error_percent,
                    evaluation_periods=1,
                    # No request is no error, and no alarm.
                    treat_missing_data="notBreaching",
                    alarm_actions=told,
                    ok_actions=told,
                ),
            )
            if model.stays_up:
                yield (
                    f"{model.model}-{variant}-down",
                    aws.cloudwatch.MetricAlarmArgs(
                        name=alarm_name("servestack", *called, "down"),
                        alarm_description=f"{said_of_down(model.model, limits)} ({variant})",
                        namespace=INSTANCES,
                        # Every instance tells it each minute, whether it is asked or not.
                        metric_name="CPUUtilization",
                        dimensions=dict(dimensions_of(model, variant)),
                        statistic="SampleCount",
                        comparison_operator="LessThanThreshold",
                        threshold=1,
                        period=60 * limits.window_minutes,
                        evaluation_periods=1,
                        treat_missing_data="breaching",
                        alarm_actions=told,
                        ok_actions=told,
                    ),
                )
            if limits.latency_ms is None:
                continue
            yield (
                f"{model.model}-{variant}-p99-latency",
                aws.cloudwatch.MetricAlarmArgs(
                    name=alarm_name("servestack", *called, "p99-latency"),
                    alarm_description=f"{said_of_latency(model.model, limits)} ({variant})",
                    namespace=INVOCATIONS,
                    metric_name="ModelLatency",
                    dimensions=dict(dimensions_of(model, variant)),
                    extended_statistic="p99",
                    comparison_operator="GreaterThanThreshold",
                    threshold=limits.latency_ms * MICROS_PER_MS,
                    period=60 * limits.window_minutes,
                    evaluation_periods=1,
                    treat_missing_data="notBreaching",
                    alarm_actions=told,
                    ok_actions=told,
                ),
            )


def _error_queries(
    model: EndpointModel, variant: str, limits: Limits
) -> Iterator[aws.cloudwatch.MetricAlarmMetricQueryArgs]:
    all_, *failed = COUNTED
    yield aws.cloudwatch.MetricAlarmMetricQueryArgs(
        id="share", expression=error_share(failed, all_), label="failed %", return_data=True
    )
    for id_, metric in COUNTED.items():
        yield aws.cloudwatch.MetricAlarmMetricQueryArgs(
            id=id_,
            return_data=False,
            metric=aws.cloudwatch.MetricAlarmMetricQueryMetricArgs(
                namespace=INVOCATIONS,
                metric_name=metric,
                dimensions=dict(dimensions_of(model, variant)),
                stat="Sum",
                period=60 * limits.window_minutes,
            ),
        )
