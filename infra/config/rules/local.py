"""What the models of one machine share. Pure."""

from collections.abc import Iterator

from infra.config.model import StackConfig
from infra.config.problems import Finding


def port_findings(stack: StackConfig) -> Iterator[Finding]:
    """Give the ports that two doors would share."""
    owners: dict[int, str] = {}
    for name, model in stack.models.items():
        for door in ("rest", "grpc"):
            port = getattr(model.ports, door, None)
            if port is None:
                continue
            if port in owners:
                yield Finding(
                    at=("models", name, "ports", door),
                    rule=f"port {port} is taken already by models.{owners[port]}",
                    remedy="Write another port, or remove the line and a free one is chosen",
                )
            owners.setdefault(port, f"{name}.ports.{door}")
