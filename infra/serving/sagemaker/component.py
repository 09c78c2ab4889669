"""A model served by SageMaker: the component that a stack's program declares.

Takes plain arguments. Which versions exist and have an archive, and what a configuration may ask
for, is checked before. The role that the containers run by is made elsewhere.
"""

from typing import Any, Final

import pulumi
import pulumi_aws as aws

from infra.serving.sagemaker.alarms import GUARDS, declare_alarms
from infra.serving.sagemaker.check import LiveConfiguration
from infra.serving.sagemaker.scaling import declare_scaling
from infra.serving.sagemaker.settings import SageMakerModelArgs, ServedVersion, Update, Variant

COMPONENT_TYPE: Final = "servestack:serving:SageMakerModel"
# SageMaker looks for free machines, fetches image and archive, and shifts as slowly as it is told.
_TIMEOUTS: Final = pulumi.CustomTimeouts(create="60m", update="480m", delete="30m")


class SageMakerModel(pulumi.ComponentResource):
    """A model behind an endpoint. `model_name` is what a batch transform asks for."""

    endpoint: pulumi.Output[str]
    model_name: pulumi.Output[str]

    def __init__(
        self, name: str, args: SageMakerModelArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(COMPONENT_TYPE, name, None, opts)
        models = {
            version: _model(f"{name}-{version}", args, served, self)
            for version, served in args.served.items()
        }
        configuration = _configuration(name, args, models, self)
        alarms = declare_alarms(name, args, self)
        guards = [alarms[what].name for what in GUARDS if what in alarms]
        endpoint = aws.sagemaker.Endpoint(
            name,
            aws.sagemaker.EndpointArgs(
                name=args.endpoint,
                endpoint_config_name=configuration.name,
                deployment_config=_deployment(args.update, guards),
            ),
            pulumi.ResourceOptions(parent=self, custom_timeouts=_TIMEOUTS),
        )
        seen = LiveConfiguration(
            name,
            {
                "endpoint": endpoint.name,
                "region": args.region,
                # Not the resource's: that one the plug-in answers with whatever was asked.
                "configuration": args.configuration_name,
                "alarms": guards,
            },
            pulumi.ResourceOptions(parent=self, depends_on=[endpoint]),
        )
        declare_scaling(
            name, args, pulumi.ResourceOptions(parent=self, depends_on=[endpoint, seen])
        )
        self.endpoint = endpoint.name
        self.model_name = models[args.variants[0].served.version].name
        self.register_outputs({"endpoint": self.endpoint, "model_name": self.model_name})


def _model(
    name: str, args: SageMakerModelArgs, served: ServedVersion, parent: pulumi.Resource
) -> aws.sagemaker.Model:
    return aws.sagemaker.Model(
        name,
        aws.sagemaker.ModelArgs(
            name=args.model_name(served),
            execution_role_arn=args.role_arn,
            # The container needs no network: SageMaker itself brings image and archive.
            enable_network_isolation=True,
            primary_container=aws.sagemaker.ModelPrimaryContainerArgs(
                image=served.image,
                model_data_url=served.archive_url,
                environment={
                    "SAGEMAKER_TFS_DEFAULT_MODEL_NAME": args.model,
                    # SageMaker compares no digest; whoever looks at the model can.
                    "SERVESTACK_ARCHIVE_SHA256": served.archive_sha256,
                },
            ),
        ),
        pulumi.ResourceOptions(parent=parent),
    )


def _configuration(
    name: str,
    args: SageMakerModelArgs,
    models: dict[int, aws.sagemaker.Model],
    parent: pulumi.Resource,
) -> aws.sagemaker.EndpointConfiguration:
    def variants(chosen: list[Variant], kind: Any) -> list[Any]:
        return [_variant(args, variant, models, kind) for variant in chosen]

    asynchronous, capture = args.asynchronous, args.data_capture
    return aws.sagemaker.EndpointConfiguration(
        name,
        aws.sagemaker.EndpointConfigurationArgs(
            name=args.configuration_name,
            production_variants=variants(
                list(args.variants), aws.sagemaker.EndpointConfigurationProductionVariantArgs
            ),
            shadow_production_variants=variants(
                [args.shadow], aws.sagemaker.EndpointConfigurationShadowProductionVariantArgs
            )
            if args.shadow
            else None,
            async_inference_config=_asynchronous(args) if asynchronous else None,
            data_capture_config=_capture(args) if capture else None,
        ),
        pulumi.ResourceOptions(parent=parent),
    )


def _variant(
    args: SageMakerModelArgs, variant: Variant, models: dict[int, aws.sagemaker.Model], kind: Any
) -> Any:
    shared = {
        "variant_name": variant.name,
        "model_name": models[variant.served.version].name,
        "initial_variant_weight": variant.weight,
    }
    serverless = args.serverless
    if serverless is not None:
        return kind(
            **shared,
            serverless_config=aws.sagemaker.EndpointConfigurationProductionVariantServerlessConfigArgs(
                memory_size_in_mb=serverless.memory_mb,
                max_concurrency=serverless.max_concurrency,
                provisioned_concurrency=serverless.provisioned_concurrency,
            ),
        )
    return kind(
        **shared,
        instance_type=args.instance_type,
        initial_instance_count=variant.instances,
        container_startup_health_check_timeout_in_seconds=args.startup_seconds,
        model_data_download_timeout_in_seconds=args.startup_seconds,
    )


def _asynchronous(
    args: SageMakerModelArgs,
) -> aws.sagemaker.EndpointConfigurationAsyncInferenceConfigArgs | None:
    how = args.asynchronous
    if how is None:
        return None
    return aws.sagemaker.EndpointConfigurationAsyncInferenceConfigArgs(
        output_config=aws.sagemaker.EndpointConfigurationAsyncInferenceConfigOutputConfigArgs(
            s3_output_path=f"{how.output_url}/answers",
            s3_failure_path=f"{how.output_url}/failures",
            kms_key_id=args.kms_key,
        ),
        client_config=aws.sagemaker.EndpointConfigurationAsyncInferenceConfigClientConfigArgs(
            max_concurrent_invocations_per_instance=how.max_concurrent
        )
        if how.max_concurrent
        else None,
    )


def _capture(
    args: SageMakerModelArgs,
) -> aws.sagemaker.EndpointConfigurationDataCaptureConfigArgs | None:
    capture = args.data_capture
    if capture is None:
        return None
    options = aws.sagemaker.EndpointConfigurationDataCaptureConfigCaptureOptionArgs
    return aws.sagemaker.EndpointConfigurationDataCaptureConfigArgs(
        enable_capture=True,
        initial_sampling_percentage=capture.percent,
        destination_s3_uri=capture.url,
        kms_key_id=args.kms_key,
        capture_options=[options(capture_mode=mode) for mode in ("Input", "Output")],
    )


def _deployment(
    update: Update | None, guards: list[pulumi.Output[str]]
) -> aws.sagemaker.EndpointDeploymentConfigArgs | None:
    if update is None:
        return None
    routing = (
        aws.sagemaker.EndpointDeploymentConfigBlueGreenUpdatePolicyTrafficRoutingConfigurationArgs
    )
    # These are the SDK's own names.
    canary = aws.sagemaker.EndpointDeploymentConfigBlueGreenUpdatePolicyTrafficRoutingConfigurationCanarySizeArgs  # noqa: E501
    linear = aws.sagemaker.EndpointDeploymentConfigBlueGreenUpdatePolicyTrafficRoutingConfigurationLinearStepSizeArgs  # noqa: E501
    policy = aws.sagemaker.EndpointDeploymentConfigBlueGreenUpdatePolicyArgs
    rollback = aws.sagemaker.EndpointDeploymentConfigAutoRollbackConfigurationArgs
    alarm = aws.sagemaker.EndpointDeploymentConfigAutoRollbackConfigurationAlarmArgs
    kind = "CAPACITY_PERCENT"
    return aws.sagemaker.EndpointDeploymentConfigArgs(
        blue_green_update_policy=policy(
            termination_wait_in_seconds=update.bake_seconds,
            traffic_routing_configuration=routing(
                type=update.shifting,
                wait_interval_in_seconds=update.wait_seconds,
                canary_size=canary(type=kind, value=update.percent)
                if update.shifting == "CANARY"
                else None,
                linear_step_size=linear(type=kind, value=update.percent)
                if update.shifting == "LINEAR"
                else None,
            ),
        ),
        auto_rollback_configuration=rollback(alarms=[alarm(alarm_name=name) for name in guards])
        if guards
        else None,
    )
