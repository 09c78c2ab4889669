"""What SageMaker asks of a model. Pure."""

from collections.abc import Iterator
from typing import Final

from infra.compute.aws_accelerators import accelerators_in, may_have_accelerators
from infra.config.aws_values import Shifting
from infra.config.model import ModelConfig, StackConfig
from infra.config.problems import Finding
from infra.config.sections.sagemaker import SageMakerConfig
from infra.config.values import Target
from infra.serving.sagemaker.images import minor_versions

_LEAST_STEP_PERCENT: Final = 10
# What needs instances, or a caller who waits for the answer.
_NOT_SERVERLESS: Final = {
    "instance_type": "serverless endpoints have no machines of yours, and no GPUs",
    "asynchronous": "an endpoint is serverless or asynchronous, not both",
    "shadow": "SageMaker has no shadow for serverless endpoints",
    "data_capture": "SageMaker captures nothing of serverless endpoints",
    "update": "SageMaker shifts serverless endpoints all at once",
    "scaling": "serverless endpoints scale by themselves",
    "startup_seconds": "SageMaker alone says how long a serverless container may take",
}


def sagemaker_findings(stack: StackConfig) -> Iterator[Finding]:
    """Give every rule of SageMaker that a model breaks."""
    for name, model in stack.models.items():
        if model.target is Target.SAGEMAKER:
            yield from _model(("models", name), model, model.sagemaker or SageMakerConfig())


def _model(at: tuple[str, ...], model: ModelConfig, how: SageMakerConfig) -> Iterator[Finding]:
    own = (*at, "sagemaker")
    if how.serverless:
        yield from _serverless(at, model, how)
    yield from _image(own, how)
    if how.asynchronous and how.shadow:
        yield Finding(
            at=(*own, "shadow"),
            rule="SageMaker has no shadow for asynchronous endpoints",
            remedy="Remove one of the two",
        )
    yield from _shadow(own, model, how)
    yield from _update(own, model, how)
    if how.scaling and model.autoscaling is None and not how.serverless:
        yield Finding(
            at=(*own, "scaling"),
            rule="there is no range to scale in",
            remedy="Write beside it: autoscaling: {min_replicas: 1, max_replicas: 4}",
        )
    for name, entry in how.scaling.schedule.items() if how.scaling else ():
        if entry.min_replicas > entry.max_replicas:
            yield Finding(
                at=(*own, "scaling", "schedule", name, "min_replicas"),
                rule=f"{entry.min_replicas} is more than max_replicas: {entry.max_replicas}",
                remedy=f"Write at most: min_replicas: {entry.max_replicas}",
            )
        if entry.min_replicas == 0 and how.asynchronous is None:
            yield Finding(
                at=(*own, "scaling", "schedule", name, "min_replicas"),
                rule="only an asynchronous endpoint can do without instances",
                remedy="Write: min_replicas: 1",
            )
    if how.alarms and how.alarms.gpu_percent:
        machine = how.instance_type
        if machine is None or (not accelerators_in(machine) and not may_have_accelerators(machine)):
            yield Finding(
                at=(*own, "alarms", "gpu_percent"),
                rule="the machine has no GPU",
                remedy="Remove the line, or write for example: instance_type: ml.g5.xlarge",
            )


def _serverless(at: tuple[str, ...], model: ModelConfig, how: SageMakerConfig) -> Iterator[Finding]:
    for key, rule in _NOT_SERVERLESS.items():
        if getattr(how, key) is not None:
            yield Finding(
                at=(*at, "sagemaker", key), rule=rule, remedy="Remove it, or remove serverless"
            )
    for key in ("replicas", "autoscaling"):
        if getattr(model, key) is not None:
            yield Finding(
                at=(*at, key),
                rule="serverless endpoints scale by themselves",
                remedy="Remove it; sagemaker.serverless.max_concurrency is what bounds them",
            )
    serverless = how.serverless
    if serverless and (serverless.provisioned_concurrency or 0) > serverless.max_concurrency:
        yield Finding(
            at=(*at, "sagemaker", "serverless", "provisioned_concurrency"),
            rule=f"{serverless.provisioned_concurrency} is more than max_concurrency: "
            f"{serverless.max_concurrency}",
            remedy=f"Write at most: provisioned_concurrency: {serverless.max_concurrency}",
        )


def _image(own: tuple[str, ...], how: SageMakerConfig) -> Iterator[Finding]:
    if how.image and how.tensorflow:
        yield Finding(
            at=(*own, "tensorflow"),
            rule="it has no effect: the image is yours",
            remedy="Remove one of the two",
        )
    elif how.tensorflow and how.tensorflow not in minor_versions():
        yield Finding(
            at=(*own, "tensorflow"),
            rule=f"SageMaker has no image of TensorFlow {how.tensorflow}; it has "
            f"{', '.join(minor_versions())}",
            remedy=f'Write for example: tensorflow: "{minor_versions()[-1]}"',
        )


def _shadow(own: tuple[str, ...], model: ModelConfig, how: SageMakerConfig) -> Iterator[Finding]:
    if how.shadow is None:
        return
    if model.pinned_version is None:
        yield Finding(
            at=(*own, "shadow"),
            rule="a shadow needs a version that answers, and there is none",
            remedy="Write for example: version: 2",
        )
    if model.canary:
        yield Finding(
            at=(*own, "shadow"),
            rule="SageMaker takes a shadow of one version, and with a canary there are two",
            remedy="Remove the canary or the shadow",
        )


def _update(own: tuple[str, ...], model: ModelConfig, how: SageMakerConfig) -> Iterator[Finding]:
    update = how.update
    if update is None:
        return
    if model.canary:
        yield Finding(
            at=(*own, "update"),
            rule="SageMaker shifts between fleets of the same variants, and a canary is another",
            remedy="Remove the update, or remove the canary",
        )
    if update.shifting is Shifting.LINEAR and update.percent < _LEAST_STEP_PERCENT:
        yield Finding(
            at=(*own, "update", "percent"),
            rule=f"a linear step is {_LEAST_STEP_PERCENT} to 50 percent",
            remedy=f"Write at least: percent: {_LEAST_STEP_PERCENT}",
        )
    unused = ("percent", "wait_seconds") if update.shifting is Shifting.ALL_AT_ONCE else ()
    for key in unused:
        if key in update.model_fields_set:
            yield Finding(
                at=(*own, "update", key),
                rule="it has no effect: all at once has no steps",
                remedy="Remove it, or write: shifting: canary",
            )
