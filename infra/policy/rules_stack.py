"""Rules about a stack as a whole: what production needs, and what a bill needs. Pure."""

from collections.abc import Iterator

from infra.config.model import LATEST, ModelConfig, StackConfig
from infra.config.release_values import Environment
from infra.config.values import Platform, Target
from infra.policy.subject import STACK_TYPE, UNKNOWN, Problem, Resource, Surroundings

_CLOUDS = frozenset({Platform.GCP, Platform.AWS})
_ENOUGH_REPLICAS = 2


def cost_labels(resource: Resource, around: Surroundings) -> Iterator[str]:
    """Find stacks in a cloud whose bill names nobody."""
    config = _config(resource, around)
    if config is not None and config.platform in _CLOUDS and not config.labels:
        yield "Nothing of the stack is labelled for billing"


def prod_protection(resource: Resource, around: Surroundings) -> Iterator[str]:
    """Find what of production a single command takes away."""
    config = around.config
    if config is None or config.environment is not Environment.PROD:
        return
    if resource.type == STACK_TYPE and not config.protected:
        yield "servestack:protected is not set"
    if resource.type == STACK_TYPE and config.bucket.force_destroy:
        yield "servestack:bucket.force_destroy lets destroy delete every version"
    if resource.type in {
        "gcp:container/cluster:Cluster",
        "aws:eks/cluster:Cluster",
    } and resource.at("deletionProtection") not in {True, UNKNOWN}:
        yield "The cluster has no deletion protection (servestack:cluster.deletion_protection)"


def prod_budget(resource: Resource, around: Surroundings) -> Iterator[str]:
    """Find production in a cloud without an alarm on cost."""
    config = _production(resource, around)
    if config is not None and config.platform in _CLOUDS and config.budget is None:
        yield "Production has no budget"


def prod_replicas(resource: Resource, around: Surroundings) -> Iterator[Problem]:
    """Find models in production that one lost node would take away."""
    config = _production(resource, around)
    for name, model in config.models.items() if config else ():
        if model.version is None or model.target is Target.LOCAL:
            continue
        if _fewest(model) < _ENOUGH_REPLICAS:
            yield Problem(about=name, text=f"{name} may have a single replica")
        if model.target is Target.KUBERNETES and not model.kubernetes.disruption_budget:
            yield Problem(about=name, text=f"{name} has no disruption budget")


def prod_pinned_version(resource: Resource, around: Surroundings) -> Iterator[Problem]:
    """Find models in production that follow the bucket."""
    config = _production(resource, around)
    for name, model in config.models.items() if config else ():
        if model.version == LATEST:
            yield Problem(about=name, text=f"{name} serves whatever is published last")


def _fewest(model: ModelConfig) -> int:
    if model.autoscaling is not None:
        return model.autoscaling.min_replicas
    return model.replicas or 1


def _config(resource: Resource, around: Surroundings) -> StackConfig | None:
    """Give the configuration once a stack: with the engine's own resource for it."""
    return around.config if resource.type == STACK_TYPE else None


def _production(resource: Resource, around: Surroundings) -> StackConfig | None:
    config = _config(resource, around)
    return config if config and config.environment is Environment.PROD else None
