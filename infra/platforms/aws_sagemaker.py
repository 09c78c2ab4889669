"""Models that SageMaker serves, on a stack of AWS: from its configuration to components."""

from collections.abc import Mapping
from typing import Final

from infra.config import ModelConfig, Target
from infra.config.aws_values import Shifting as ShiftingKind
from infra.config.sections.sagemaker import AlarmsConfig, SageMakerConfig, UpdateConfig
from infra.identity.aws_bucket_policies import RESULTS
from infra.platforms.aws_archives import DEFAULT_MACHINE, Archives
from infra.platforms.aws_identity import Server
from infra.platforms.aws_place import AwsPlace
from infra.platforms.stack import ServedModel
from infra.serving.sagemaker.component import SageMakerModel
from infra.serving.sagemaker.settings import (
    CANARY,
    SHADOW,
    STABLE,
    Alarms,
    Asynchronous,
    DataCapture,
    SageMakerModelArgs,
    Scaling,
    ScheduledRange,
    Serverless,
    Shifting,
    Update,
    Variant,
)

_SHIFTING: Final[Mapping[ShiftingKind, Shifting]] = {
    ShiftingKind.ALL_AT_ONCE: "ALL_AT_ONCE",
    ShiftingKind.CANARY: "CANARY",
    ShiftingKind.LINEAR: "LINEAR",
}


def serve_on_sagemaker(
    place: AwsPlace, archives: Archives, servers: Mapping[str, Server]
) -> Mapping[str, ServedModel]:
    """Declare the models. A paused stack has no endpoint."""
    models: dict[str, ServedModel] = {}
    for name, model in place.stack.config.models.items():
        if model.target is not Target.SAGEMAKER or model.pinned_version is None:
            continue
        if place.stack.config.paused:
            continue
        server = servers[name]
        made = SageMakerModel(
            name,
            _args(place, name, model, archives, server.role_arn),
            # A role that cannot read yet makes an endpoint that cannot start.
            place.options(*server.grants),
        )
        output: Mapping[str, object] = {
            "endpoint": made.endpoint.apply(lambda at: f"sagemaker://{place.region}/{at}"),
            "transform_model": made.model_name,
            "log": made.endpoint.apply(
                lambda at: (
                    f"aws logs tail /aws/sagemaker/Endpoints/{at} --since 1h --region "
                    f"{place.region}"
                )
            ),
        }
        models[name] = ServedModel(component=made, output=output)
    return models


def _args(
    place: AwsPlace, name: str, model: ModelConfig, archives: Archives, role: str
) -> SageMakerModelArgs:
    how = model.sagemaker or SageMakerConfig()
    results = f"{place.bucket.address}/{name}/{RESULTS}"
    scaling = _scaling(model, how)
    instances = scaling.min_instances if scaling else model.replicas or 1
    if model.pinned_version is None:
        raise AssertionError(name)  # such a model is only declared
    share = model.canary.share if model.canary else 0
    variants = [
        Variant(
            name=STABLE,
            served=archives[name, model.pinned_version],
            weight=100 - share,
            instances=instances,
        )
    ]
    if model.canary:
        variants.append(
            Variant(
                name=CANARY,
                served=archives[name, model.canary.version],
                weight=share,
                instances=max(1, round(instances * share / 100)),
            )
        )
    shadow = how.shadow
    return SageMakerModelArgs(
        stack=place.stack.name,
        model=name,
        region=place.region,
        role_arn=role,
        variants=variants,
        shadow=Variant(
            name=SHADOW,
            served=archives[name, shadow.version],
            weight=shadow.share,
            instances=instances,
        )
        if shadow
        else None,
        instance_type=None if how.serverless else how.instance_type or DEFAULT_MACHINE,
        serverless=Serverless(**how.serverless.model_dump()) if how.serverless else None,
        startup_seconds=how.startup_seconds,
        asynchronous=Asynchronous(
            output_url=f"{results}/asynchronous", max_concurrent=how.asynchronous.max_concurrent
        )
        if how.asynchronous
        else None,
        data_capture=DataCapture(url=f"{results}/captured", percent=how.data_capture.percent)
        if how.data_capture
        else None,
        kms_key=place.stack.config.bucket.kms_key,
        update=_update(how.update) if how.update else None,
        alarms=_alarms(how.alarms) if how.alarms else Alarms(),
        scaling=scaling,
    )


def _scaling(model: ModelConfig, how: SageMakerConfig) -> Scaling | None:
    if model.autoscaling is None:
        return None
    ranges = model.autoscaling
    if how.scaling is None:
        return Scaling(min_instances=ranges.min_replicas, max_instances=ranges.max_replicas)
    return Scaling(
        min_instances=ranges.min_replicas,
        max_instances=ranges.max_replicas,
        invocations_per_instance=how.scaling.invocations_per_instance,
        scale_out_seconds=how.scaling.scale_out_seconds,
        scale_in_seconds=how.scaling.scale_in_seconds,
        scale_in=how.scaling.scale_in,
        schedule={
            key: ScheduledRange(
                when=entry.when,
                timezone=entry.timezone,
                min_instances=entry.min_replicas,
                max_instances=entry.max_replicas,
            )
            for key, entry in how.scaling.schedule.items()
        },
    )


def _update(update: UpdateConfig) -> Update:
    return Update(
        shifting=_SHIFTING[update.shifting],
        percent=update.percent,
        wait_seconds=update.wait_seconds,
        bake_seconds=update.bake_seconds,
    )


def _alarms(alarms: AlarmsConfig) -> Alarms:
    return Alarms(
        server_errors=alarms.server_errors,
        latency_ms=alarms.latency_ms,
        gpu_percent=alarms.gpu_percent,
        topic=alarms.notify,
    )
