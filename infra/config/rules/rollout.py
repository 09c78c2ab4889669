"""What the fields of a roll-out must be to each other and to what serves the model. Pure."""

from collections.abc import Iterator
from itertools import pairwise

from infra.config.model import LATEST, ModelConfig, StackConfig
from infra.config.problems import Finding
from infra.config.release_values import OnPublish
from infra.config.sections.rollout import RolloutConfig
from infra.config.values import Platform, Strategy, Target


def rollout_findings(stack: StackConfig) -> Iterator[Finding]:
    """Give every rule that the stack's roll-out, or a model's own, breaks."""
    yield from _own(("rollout",), stack.rollout)
    for name, model in stack.models.items():
        if model.rollout is not None:
            yield from _own(("models", name, "rollout"), model.rollout)
        yield from _of_model(name, model, stack)


def _own(at: tuple[str, ...], rollout: RolloutConfig) -> Iterator[Finding]:
    steps = rollout.steps
    if not steps or any(low >= high for low, high in pairwise(steps)):
        ordered = sorted(set(steps)) or [10, 50]
        yield Finding(
            at=(*at, "steps"),
            rule=f"{list(steps)} must hold at least one share, and ascend",
            remedy=f"Write for example: steps: {ordered}",
        )
    custom = rollout.gate.custom
    if custom is not None and custom.max_ratio is None and custom.min_ratio is None:
        yield Finding(
            at=(*at, "gate", "custom"),
            rule="without max_ratio or min_ratio it is compared with nothing",
            remedy="Write for example: max_ratio: 1.2",
        )


def _of_model(name: str, model: ModelConfig, stack: StackConfig) -> Iterator[Finding]:
    rollout = stack.rollout_of(name)
    at = ("models", name, "rollout") if model.rollout is not None else ("rollout",)
    if rollout.on_publish is not OnPublish.IGNORE and model.version == LATEST:
        yield Finding(
            at=(*at, "on_publish"),
            rule=f"{name} follows the bucket by itself already: its version is latest",
            remedy="Remove the line, or name the version",
        )
    if not rollout.automatic:
        return
    if model.target is Target.SAGEMAKER:
        yield Finding(
            at=(*at, "automatic"),
            rule=f"{name} is served by SageMaker, whose metrics no gate reads yet",
            remedy=f"Write below models.{name}: rollout: {{automatic: false}}",
        )
    if model.target is not Target.KUBERNETES:
        return
    if model.strategy is Strategy.HOT:
        yield Finding(
            at=(*at, "automatic"),
            rule=f"{name} swaps versions inside one server, whose metrics tell no versions apart",
            remedy=f"Write below models.{name}: strategy: pod, or rollout: {{automatic: false}}",
        )
    if stack.platform is not Platform.GCP and rollout.gate.prometheus is None:
        yield Finding(
            at=(*at, "gate", "prometheus"),
            rule=f"is missing; an automatic roll-out of {name} is judged by a Prometheus",
            remedy="Write for example: prometheus: http://prometheus.monitoring.svc:9090",
        )
