"""Alarms on one endpoint's stable variant: errors, latency and the use of GPUs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_aws as aws

from infra.serving.sagemaker.settings import STABLE, SageMakerModelArgs

_INVOCATIONS: Final = "AWS/SageMaker"
_INSTANCES: Final = "/aws/sagemaker/Endpoints"
_MINUTE_SECONDS: Final = 60
_MICROS_PER_MILLISECOND: Final = 1000
# An update is taken back by what clients feel, not by how busy a machine is.
GUARDS: Final = ("errors", "latency")


@dataclass(frozen=True, kw_only=True)
class _Watch:
    """One metric and its limit; `statistic` is a plain one or a percentile."""

    what: str
    metric: str
    statistic: str
    limit: int
    said: str
    namespace: str = _INVOCATIONS
    period_seconds: int = _MINUTE_SECONDS
    periods: int = 2


def declare_alarms(
    name: str, args: SageMakerModelArgs, parent: pulumi.Resource
) -> dict[str, aws.cloudwatch.MetricAlarm]:
    """Declare what the model is to be watched by; no alarm needs the endpoint to be there."""
    return {
        watch.what: aws.cloudwatch.MetricAlarm(
            f"{name}-{watch.what}",
            aws.cloudwatch.MetricAlarmArgs(
                name=args.alarm(STABLE, watch.what),
                alarm_description=f"{args.model} of {args.stack}: {watch.said}",
                namespace=watch.namespace,
                metric_name=watch.metric,
                dimensions={"EndpointName": args.endpoint, "VariantName": STABLE},
                statistic=None if watch.statistic.startswith("p") else watch.statistic,
                extended_statistic=watch.statistic if watch.statistic.startswith("p") else None,
                comparison_operator="GreaterThanOrEqualToThreshold",
                threshold=watch.limit,
                period=watch.period_seconds,
                evaluation_periods=watch.periods,
                # No request is no error, and no alarm.
                treat_missing_data="notBreaching",
                alarm_actions=[args.alarms.topic] if args.alarms.topic else None,
                ok_actions=[args.alarms.topic] if args.alarms.topic else None,
            ),
            pulumi.ResourceOptions(parent=parent),
        )
        for watch in _watches(args)
    }


def _watches(args: SageMakerModelArgs) -> Iterator[_Watch]:
    alarms = args.alarms
    if alarms.server_errors is not None:
        yield _Watch(
            what="errors",
            metric="Invocation5XXErrors",
            statistic="Sum",
            limit=alarms.server_errors,
            said=f"{alarms.server_errors} answers of 5xx in a minute, twice in a row",
        )
    if alarms.latency_ms is not None:
        yield _Watch(
            what="latency",
            metric="ModelLatency",
            statistic="p99",
            limit=alarms.latency_ms * _MICROS_PER_MILLISECOND,
            said=f"one answer in a hundred takes {alarms.latency_ms} ms or more",
        )
    if alarms.gpu_percent is not None:
        yield _Watch(
            what="gpu",
            metric="GPUUtilization",
            statistic="Average",
            limit=alarms.gpu_percent,
            namespace=_INSTANCES,
            period_seconds=15 * _MINUTE_SECONDS,
            periods=1,
            said=f"GPUs are used to {alarms.gpu_percent} % over a quarter of an hour",
        )
