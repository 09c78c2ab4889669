"""How a local stack runs its servers. Pure data, checked field by field."""

from pydantic import Field

from infra.config.sections.section import Section
from infra.config.values import Address, Image, Port, ServerChoice


class LocalConfig(Section):
    """How a local stack runs its servers."""

    server: ServerChoice = Field(
        default="process",
        description="`process` is this project's own server; `docker` runs the real image.",
    )
    image: Image = Field(
        default="tensorflow/serving:2.19.1", description="Image for `server: docker`."
    )
    bind_address: Address = Field(
        default="127.0.0.1",
        description="Address the servers listen on. 0.0.0.0 opens them to the network, "
        "without any authentication.",
    )


class PortsConfig(Section):
    """Fixed ports of a local server."""

    rest: Port | None = Field(
        default=None, description="Port for REST. Absent: a free one is kept."
    )
    grpc: Port | None = Field(
        default=None, description="Port for gRPC. Absent: a free one is kept."
    )
