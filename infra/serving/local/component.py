"""A model served on this machine: the component that a stack's program declares.

Takes plain arguments. Which versions exist, and what a configuration may ask for, is checked
before.
"""

from typing import Final

import pulumi

from infra.serving.local.resource import LocalServerResource
from infra.serving.local.server import LocalServerSpec

COMPONENT_TYPE: Final = "servestack:serving:LocalModel"
# The first start loads TensorFlow and the model; a change may load a large model beside the old.
_TIMEOUTS: Final = pulumi.CustomTimeouts(create="10m", update="10m", delete="2m")


class LocalModel(pulumi.ComponentResource):
    """A model behind REST and gRPC on this machine."""

    rest: pulumi.Output[str]
    grpc: pulumi.Output[str]
    log: pulumi.Output[str]

    def __init__(
        self, name: str, args: LocalServerSpec, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(COMPONENT_TYPE, name, None, opts)
        server = LocalServerResource(
            name, args, pulumi.ResourceOptions(parent=self, custom_timeouts=_TIMEOUTS)
        )
        self.rest = server.rest
        self.grpc = server.grpc
        self.log = server.log
        self.register_outputs({"rest": self.rest, "grpc": self.grpc, "log": self.log})
