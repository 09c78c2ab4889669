"""How the instances of an endpoint's stable variant come and go."""

from typing import Final

import pulumi
import pulumi_aws as aws

from infra.serving.sagemaker.settings import STABLE, SageMakerModelArgs, variant_resource

_NAMESPACE: Final = "sagemaker"
_DIMENSION: Final = "sagemaker:variant:DesiredInstanceCount"
_METRIC: Final = "SageMakerVariantInvocationsPerInstance"


def declare_scaling(name: str, args: SageMakerModelArgs, opts: pulumi.ResourceOptions) -> None:
    """Declare the range, what it follows, and other ranges at some times."""
    scaling = args.scaling
    if scaling is None:
        return
    target = aws.appautoscaling.Target(
        name,
        aws.appautoscaling.TargetArgs(
            service_namespace=_NAMESPACE,
            scalable_dimension=_DIMENSION,
            resource_id=variant_resource(args.endpoint, STABLE),
            min_capacity=scaling.min_instances,
            max_capacity=scaling.max_instances,
        ),
        opts,
    )
    inside = pulumi.ResourceOptions(parent=opts.parent)
    policy = aws.appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationArgs
    # The SDK's own name.
    metric = aws.appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationPredefinedMetricSpecificationArgs  # noqa: E501
    aws.appautoscaling.Policy(
        name,
        aws.appautoscaling.PolicyArgs(
            name=args.alarm(STABLE, "requests"),
            policy_type="TargetTrackingScaling",
            service_namespace=target.service_namespace,
            scalable_dimension=target.scalable_dimension,
            resource_id=target.resource_id,
            target_tracking_scaling_policy_configuration=policy(
                target_value=scaling.invocations_per_instance,
                predefined_metric_specification=metric(predefined_metric_type=_METRIC),
                scale_out_cooldown=scaling.scale_out_seconds,
                scale_in_cooldown=scaling.scale_in_seconds,
                disable_scale_in=not scaling.scale_in,
            ),
        ),
        inside,
    )
    for key, entry in scaling.schedule.items():
        aws.appautoscaling.ScheduledAction(
            f"{name}-{key}",
            aws.appautoscaling.ScheduledActionArgs(
                name=args.alarm(STABLE, key),
                service_namespace=target.service_namespace,
                scalable_dimension=target.scalable_dimension,
                resource_id=target.resource_id,
                schedule=entry.when,
                timezone=entry.timezone,
                scalable_target_action=aws.appautoscaling.ScheduledActionScalableTargetActionArgs(
                    min_capacity=entry.min_instances, max_capacity=entry.max_instances
                ),
            ),
            inside,
        )
