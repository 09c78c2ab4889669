"""How SageMaker serves one model. Pure data, checked field by field."""

from collections.abc import Mapping

from pydantic import Field

from infra.config.aws_values import (
    AsyncConcurrency,
    CooldownSeconds,
    EcrImage,
    Instances,
    InstanceType,
    Schedule,
    ServerlessConcurrency,
    ServerlessMegabytes,
    Shifting,
    ShiftingChoice,
    ShiftPercent,
    StartupSeconds,
    TensorFlowMinor,
    Timezone,
    TopicArn,
    WaitSeconds,
)
from infra.config.sections.section import Section
from infra.config.values import Count, Label, Percent, Version, YesNo


class ServerlessConfig(Section):
    """No instances: a request wakes what it needs."""

    memory_mb: ServerlessMegabytes = Field(default=2048, description="Memory of each server.")
    max_concurrency: ServerlessConcurrency = Field(
        default=20, description="Most requests at once; more are turned away."
    )
    provisioned_concurrency: ServerlessConcurrency | None = Field(
        default=None, description="Servers kept awake. Absent: none, and the first request waits."
    )


class AsynchronousConfig(Section):
    """Requests are put into a queue, and answers into the bucket."""

    max_concurrent: AsyncConcurrency | None = Field(
        default=None, description="Requests at once for each instance. Absent: SageMaker chooses."
    )


class ShadowConfig(Section):
    """A version that gets copies of requests, and whose answers nobody sees."""

    version: Version = Field(description="The version in the shadow.")
    share: Percent = Field(default=100, description="Percent of the requests that are copied.")


class DataCaptureConfig(Section):
    """Requests and answers kept in the bucket."""

    percent: Percent = Field(description="Percent of the requests that are kept.")


class UpdateConfig(Section):
    """How a new version takes over: beside the old one, and back at an alarm."""

    shifting: ShiftingChoice = Field(
        default=Shifting.ALL_AT_ONCE,
        description="`all_at_once`, a `canary` share first, or `linear` in equal steps.",
    )
    percent: ShiftPercent = Field(
        default=10, description="Size of the canary, or of each step (10 to 50 there)."
    )
    wait_seconds: WaitSeconds = Field(
        default=300, description="Time between two steps, in which alarms are listened for."
    )
    bake_seconds: WaitSeconds = Field(
        default=300, description="Time that the old instances stay after the last step."
    )


class AlarmsConfig(Section):
    """What rings. Errors and latency also take an update back."""

    server_errors: Count | None = Field(default=5, description="Answers of 5xx in a minute.")
    latency_ms: Count | None = Field(
        default=None, description="Slowest hundredth of the answers. Absent: not watched."
    )
    gpu_percent: Percent | None = Field(
        default=None, description="Use of the GPUs over a quarter of an hour. Absent: not watched."
    )
    notify: TopicArn | None = Field(
        default=None, description="Topic that is told when one rings. Absent: nobody is."
    )


class ScheduleConfig(Section):
    """Another range of instances from some time on."""

    when: Schedule = Field(description="When it begins.")
    timezone: Timezone = Field(default="UTC", description="Of that time.")
    min_replicas: Instances = Field(description="Fewest instances from then on.")
    max_replicas: Count = Field(description="Most instances from then on.")


class ScalingConfig(Section):
    """How instances come and go within models.*.autoscaling."""

    invocations_per_instance: Count = Field(
        default=600, description="Requests in a minute that one instance is to have."
    )
    scale_out_seconds: CooldownSeconds = Field(
        default=60, description="Rest after instances were added."
    )
    scale_in_seconds: CooldownSeconds = Field(
        default=300, description="Rest after instances were taken away."
    )
    scale_in: YesNo = Field(default=True, description="`false`: instances are only ever added.")
    schedule: Mapping[Label, ScheduleConfig] = Field(
        default={}, description="Other ranges at some times, by name."
    )


class SageMakerConfig(Section):
    """How SageMaker serves the model."""

    instance_type: InstanceType | None = Field(
        default=None, description="Machine of each instance. Absent: ml.m5.large."
    )
    tensorflow: TensorFlowMinor | None = Field(
        default=None,
        description="TensorFlow of the image. Absent: the first that is not older than the "
        "version's own.",
    )
    image: EcrImage | None = Field(
        default=None, description="Image of yours that serves. Absent: Amazon's TensorFlow image."
    )
    startup_seconds: StartupSeconds | None = Field(
        default=None, description="How long a container may take to be healthy."
    )
    serverless: ServerlessConfig | None = Field(
        default=None, description="No instances: a request wakes what it needs."
    )
    asynchronous: AsynchronousConfig | None = Field(
        default=None, description="Requests from a queue, answers into the bucket."
    )
    shadow: ShadowConfig | None = Field(
        default=None, description="A version that gets copies of requests."
    )
    data_capture: DataCaptureConfig | None = Field(
        default=None, description="Keep requests and answers in the bucket."
    )
    update: UpdateConfig | None = Field(
        default=None, description="How a new version takes over. Absent: all at once."
    )
    alarms: AlarmsConfig | None = Field(default=None, description="What rings. Absent: nothing.")
    scaling: ScalingConfig | None = Field(
        default=None, description="How instances come and go. Absent: by 600 requests a minute."
    )
