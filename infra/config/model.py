"""The typed configuration of one stack, for every platform at once.

Pure data, checked field by field. What fields must be to each other, and what a platform cannot
honour, is checked by `parse.py`, which is the only door: a `StackConfig` made elsewhere is not
known to be sound. It also fills in the defaults that depend on the platform.
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import Field

from infra.config.cloud_values import TagValue
from infra.config.release_values import Environment, EnvironmentChoice
from infra.config.sections.aws import AwsConfig
from infra.config.sections.bucket import BucketConfig
from infra.config.sections.budget import BudgetConfig
from infra.config.sections.cluster import ClusterConfig
from infra.config.sections.cost import CostConfig
from infra.config.sections.gcp import GcpConfig
from infra.config.sections.identity import IdentityConfig
from infra.config.sections.kubernetes import KubernetesConfig
from infra.config.sections.kubernetes_model import KubernetesModelConfig
from infra.config.sections.local import LocalConfig, PortsConfig
from infra.config.sections.observe import ObserveConfig
from infra.config.sections.policy import PolicyConfig
from infra.config.sections.rollout import RolloutConfig
from infra.config.sections.sagemaker import SageMakerConfig
from infra.config.sections.section import Section
from infra.config.sections.serving import (
    AutoscalingConfig,
    BatchingConfig,
    CanaryConfig,
    GpuConfig,
    ResourcesConfig,
    ThreadsConfig,
)
from infra.config.sections.vertex import VertexModelConfig
from infra.config.values import (
    Count,
    Label,
    ModelName,
    PlatformChoice,
    Seconds,
    StrategyChoice,
    TagName,
    Target,
    TargetChoice,
    Version,
    VersionOrLatest,
    YesNo,
)

LATEST: Final = "latest"


def _without_default(schema: dict[str, Any]) -> None:
    """Leave out of the schema a default that depends on the platform."""
    del schema["default"]


class ModelConfig(Section):
    """One model: which version serves, where and how."""

    target: TargetChoice = Field(
        default=Target.LOCAL,
        description="What serves it. Absent: local on `local`, else Kubernetes.",
        json_schema_extra=_without_default,
    )
    version: VersionOrLatest | None = Field(
        default=None,
        description="The version that serves, or `latest`. Absent: declared, but not served yet.",
    )
    canary: CanaryConfig | None = Field(default=None, description="A second version on trial.")
    labels: Mapping[Label, Version] = Field(
        default={},
        description="Names for served versions, which clients may ask for instead of a number.",
    )
    strategy: StrategyChoice | None = Field(
        default=None,
        description="How a new version comes: `pod` in new pods, `hot` in the running server, "
        "`poll` as soon as the bucket has it. Absent: `poll` for latest, else the target's own.",
    )
    poll_seconds: Seconds | None = Field(
        default=None,
        description="How often to look for a later version. Absent: 1 locally, else 120.",
    )
    replicas: Count | None = Field(
        default=None, description="A fixed number of replicas. Absent: 1."
    )
    autoscaling: AutoscalingConfig | None = Field(default=None, description="Replicas by load.")
    resources: ResourcesConfig | None = Field(
        default=None, description="What each replica asks for."
    )
    gpu: GpuConfig | None = Field(default=None, description="Accelerators of each replica.")
    batching: BatchingConfig | None = Field(
        default=None,
        description="Put requests that arrive together into one run. Absent: none is delayed.",
    )
    warmup: YesNo = Field(
        default=True, description="Replay the model's warm-up requests before it serves."
    )
    threads: ThreadsConfig | None = Field(default=None, description="TensorFlow's thread pools.")
    prefer_tflite_model: YesNo = Field(
        default=False, description="Serve `model.tflite` where a version has one."
    )
    ports: PortsConfig | None = Field(default=None, description="Fixed ports of a local server.")
    kubernetes: KubernetesModelConfig = Field(
        default=KubernetesModelConfig(), description="What only Kubernetes knows of a model."
    )
    vertex: VertexModelConfig = Field(
        default=VertexModelConfig(), description="What only Vertex AI knows of a model."
    )
    rollout: RolloutConfig | None = Field(
        default=None,
        description="How a canary of this model comes to serve. Absent: as the stack's says.",
    )
    sagemaker: SageMakerConfig | None = Field(
        default=None, description="How SageMaker serves it. Absent: by one ml.m5.large."
    )

    @property
    def pinned_version(self) -> int | None:
        """The stable version where the configuration names it."""
        return self.version if isinstance(self.version, int) else None

    @property
    def pinned_versions(self) -> tuple[int, ...]:
        """Every version that the configuration names to be served, lowest first."""
        stable = () if self.pinned_version is None else (self.pinned_version,)
        trial = () if self.canary is None else (self.canary.version,)
        return tuple(sorted({*stable, *trial}))

    @property
    def traffic(self) -> Mapping[int, int]:
        """Each version's percentage while a canary is on trial, else nothing to split."""
        if self.canary is None or self.pinned_version is None:
            return {}
        return {
            self.pinned_version: 100 - self.canary.share,
            self.canary.version: self.canary.share,
        }


class StackConfig(Section):
    """A stack: one environment on one platform."""

    platform: PlatformChoice = Field(description="Where the stack lives.")
    bucket: BucketConfig = Field(
        default=BucketConfig(), description="Where published versions lie."
    )
    local: LocalConfig = Field(
        default=LocalConfig(), description="How a local stack runs its servers."
    )
    gcp: GcpConfig = Field(default=GcpConfig(), description="The place on Google Cloud.")
    aws: AwsConfig = Field(default=AwsConfig(), description="The place on AWS.")
    kubernetes: KubernetesConfig = Field(
        default=KubernetesConfig(), description="The place in a Kubernetes cluster."
    )
    cluster: ClusterConfig | None = Field(
        default=None,
        description="The cluster that serves models of target kubernetes. Absent: there is none.",
    )
    identity: IdentityConfig = Field(
        default=IdentityConfig(), description="Who may read, publish and deploy."
    )
    budget: BudgetConfig | None = Field(
        default=None, description="An alarm on cost. Absent: nobody is told."
    )
    observe: ObserveConfig = Field(
        default=ObserveConfig(), description="How the models fare: who sees it, who is told."
    )
    labels: Mapping[TagName, TagValue] = Field(
        default={}, description="Labels for all that the stack makes, for example for billing."
    )
    paused: YesNo = Field(
        default=False,
        description="Take down to its floor whatever costs: no server, no node. "
        "`servestack pause` writes it, `servestack resume` removes it.",
    )
    environment: EnvironmentChoice = Field(
        default=Environment.DEV,
        description="What the stack is for; the policy pack asks more of prod.",
    )
    protected: YesNo = Field(
        default=False,
        description="Let `servestack` change the stack only when its name is typed, or given with "
        "`--confirm`.",
    )
    rollout: RolloutConfig = Field(
        default=RolloutConfig(),
        description="How a canary comes to serve everybody, or nobody.",
    )
    policy: PolicyConfig = Field(
        default=PolicyConfig(), description="What the policy pack lets pass on purpose."
    )
    cost: CostConfig = Field(
        default=CostConfig(), description="What an estimate of cost cannot know by itself."
    )
    models: Mapping[ModelName, ModelConfig] = Field(default={}, description="The models, by name.")

    def rollout_of(self, model: str) -> RolloutConfig:
        """Give how a canary of the model comes to serve: as it says itself, else as the stack."""
        return self.models[model].rollout or self.rollout
