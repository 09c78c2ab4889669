"""The place in a Kubernetes cluster. Pure data, checked field by field."""

from pydantic import Field

from infra.config.sections.section import Section
from infra.config.values import KubeContext, KubeNamespace


class KubernetesConfig(Section):
    """The place in a cluster."""

    context: KubeContext | None = Field(
        default=None, description="Context of your kubeconfig that names the existing cluster."
    )
    namespace: KubeNamespace | None = Field(
        default=None, description="Namespace of the models. Absent: made from the stack's name."
    )
