"""A kubeconfig without a credential in it: a program on the user's machine fetches one. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class CredentialProgram:
    """A program that prints a credential for a cluster, and how to come by it."""

    command: str
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    install_hint: str = ""
    needs_cluster: bool = False


def kubeconfig(name: str, *, server: str, ca_data: str | None, program: CredentialProgram) -> str:
    """Give the document, as JSON, which is YAML too; without `ca_data` public roots are trusted."""
    cluster = {"server": server}
    if ca_data is not None:
        cluster["certificate-authority-data"] = ca_data
    fetch = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": program.command,
        "args": list(program.arguments),
        "env": [{"name": key, "value": value} for key, value in program.environment.items()],
        "installHint": program.install_hint,
        "interactiveMode": "Never",
        "provideClusterInfo": program.needs_cluster,
    }
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": {"exec": fetch}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    return json.dumps(document, indent=2)
