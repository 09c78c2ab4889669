"""The services of Google Cloud that a stack needs, switched on in its project.

They stay on when the stack is destroyed: others in the project may use them, and switching one off
deletes what it holds. Which ones are needed is decided by a pure function.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_gcp as gcp

COMPONENT_TYPE: Final = "servestack:project:GcpServices"

_ALWAYS: Final = ("cloudresourcemanager", "iam", "storage")
_CLUSTER: Final = ("artifactregistry", "compute", "container", "iamcredentials", "logging")
_FEDERATION: Final = ("iamcredentials", "sts")


@dataclass(frozen=True, kw_only=True)
class NeededServices:
    """What a stack has that needs a service of its own."""

    cluster: bool = False
    image_streaming: bool = False
    vertex: bool = False
    federation: bool = False
    impersonation: bool = False
    kms: bool = False
    budget: bool = False
    observe: bool = False
    topic: bool = False


def needed_services(needs: NeededServices) -> tuple[str, ...]:
    """Give the names of the services, each once."""
    wanted = {
        _ALWAYS: True,
        _CLUSTER: needs.cluster,
        ("monitoring",): needs.cluster or needs.budget or needs.observe,
        ("containerfilesystem",): needs.cluster and needs.image_streaming,
        ("aiplatform", "artifactregistry"): needs.vertex,
        _FEDERATION: needs.federation,
        ("iamcredentials",): needs.impersonation,
        ("cloudkms",): needs.kms,
        ("billingbudgets",): needs.budget,
        ("pubsub",): needs.topic,
    }
    names = {name for group, is_wanted in wanted.items() if is_wanted for name in group}
    return tuple(sorted(f"{name}.googleapis.com" for name in names))


class GcpServices(pulumi.ComponentResource):
    """The services; who uses one of them depends on this."""

    def __init__(
        self,
        name: str,
        *,
        project: str,
        services: Iterable[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(COMPONENT_TYPE, name, None, opts)
        for service in services:
            gcp.projects.Service(
                service.partition(".")[0],
                gcp.projects.ServiceArgs(
                    project=project,
                    service=service,
                    disable_on_destroy=False,
                    disable_dependent_services=False,
                ),
                pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})
