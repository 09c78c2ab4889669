"""How models on SageMaker fare, on a stack of AWS: what is shown of them, and who is told."""

from collections.abc import Mapping

from infra.aws_names import endpoint_name
from infra.compute.aws_accelerators import accelerators_in, may_have_accelerators
from infra.config import ModelConfig, Target
from infra.config.rules.observe import is_watched
from infra.config.sections.sagemaker import SageMakerConfig
from infra.observe.cloudwatch import EndpointModel
from infra.platforms.aws_place import AwsPlace
from infra.platforms.observing import limits_of
from infra.platforms.stack import ServedModel
from infra.serving.sagemaker.settings import CANARY, SHADOW, STABLE


def watch_on_sagemaker(place: AwsPlace, served: Mapping[str, ServedModel]) -> Mapping[str, object]:
    """Declare dashboard and alarms; give the outputs that tell of them."""
    config = place.stack.config
    models = tuple(
        _model(place.stack.name, name, model)
        for name, model in config.models.items()
        if model.target is Target.SAGEMAKER
    )
    if not config.observe.is_wanted or not models:
        return {}
    # CloudWatch's SDK takes its time to load, and not every stack asks for it.
    from infra.observe.aws_watch import AwsWatch, AwsWatchArgs  # noqa: PLC0415

    made = AwsWatch(
        "watch-sagemaker",
        AwsWatchArgs(
            stack=place.stack.name,
            region=place.region,
            partition=place.partition,
            models=models,
            dashboard=config.observe.dashboard,
            limits=limits_of(config),
            emails=config.observe.alerts.emails if config.observe.alerts else (),
            after=[served[model.model].component for model in models if model.model in served],
        ),
        place.options(),
    )
    return {} if made.dashboard is None else {"dashboard": made.dashboard}


def _model(stack: str, name: str, model: ModelConfig) -> EndpointModel:
    how = model.sagemaker or SageMakerConfig()
    machine = how.instance_type
    return EndpointModel(
        model=name,
        endpoint=endpoint_name(stack=stack, model=name),
        variants=[STABLE, *([CANARY] if model.canary else [])],
        shadows=[SHADOW] if how.shadow else [],
        is_serverless=how.serverless is not None,
        has_gpu=machine is not None
        and (accelerators_in(machine) is not None or may_have_accelerators(machine)),
        watched=is_watched(model),
        stays_up=model.version is not None and how.serverless is None and not _may_go_to_none(how),
    )


def _may_go_to_none(how: SageMakerConfig) -> bool:
    schedule = how.scaling.schedule if how.scaling else {}
    return any(entry.min_replicas == 0 for entry in schedule.values())
