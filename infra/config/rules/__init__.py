"""Rules about more than one value: what fields of a configuration must be to each other. Pure."""

from collections.abc import Iterator

from infra.config.model import StackConfig
from infra.config.problems import Finding
from infra.config.rules.aws import aws_findings
from infra.config.rules.budget import budget_findings
from infra.config.rules.cluster import cluster_findings
from infra.config.rules.gcp import gcp_findings
from infra.config.rules.kubernetes import kubernetes_findings
from infra.config.rules.local import port_findings
from infra.config.rules.models import model_findings
from infra.config.rules.observe import observe_findings
from infra.config.rules.places import place_findings
from infra.config.rules.rollout import rollout_findings
from infra.config.rules.sagemaker import sagemaker_findings
from infra.config.rules.vertex import vertex_findings


def broken_rules(stack: StackConfig) -> Iterator[Finding]:
    """Give every rule that the configuration breaks as a whole."""
    yield from place_findings(stack)
    for name, model in stack.models.items():
        yield from model_findings(("models", name), model)
    yield from port_findings(stack)
    yield from cluster_findings(stack)
    yield from budget_findings(stack)
    yield from observe_findings(stack)
    yield from gcp_findings(stack)
    yield from kubernetes_findings(stack)
    yield from vertex_findings(stack)
    yield from rollout_findings(stack)
    yield from aws_findings(stack)
    yield from sagemaker_findings(stack)
