"""The local server as a Pulumi resource: a thin skin over `server.py`.

The engine stores the provider object in the state, by reference to this module; it holds nothing.
"""

from pathlib import Path
from typing import Any, Final

import pulumi
from pulumi import dynamic
from pydantic import TypeAdapter

from infra.places import is_of_this_checkout
from infra.serving.local import server
from infra.serving.local.server import LocalServer, LocalServerSpec

_SPEC: Final = TypeAdapter(LocalServerSpec)
_SPEC_KEYS: Final = frozenset(LocalServerSpec.__dataclass_fields__)


def spec_to_props(spec: LocalServerSpec) -> dict[str, Any]:
    """Give the spec as plain properties, so that a preview shows which of them changes."""
    props: dict[str, Any] = _SPEC.dump_python(spec, mode="json")
    return props


def _spec(props: dict[str, Any]) -> LocalServerSpec:
    # Numbers come back from the engine as floats; the adapter makes them what they were.
    return _SPEC.validate_python({key: props[key] for key in _SPEC_KEYS})


def _outputs(props: dict[str, Any], running: LocalServer) -> dict[str, Any]:
    return {
        **props,
        "rest": f"http://{running.rest_address}",
        "grpc": running.grpc_address,
        "log": str(running.spec.log_path),
    }


class LocalServerProvider(dynamic.ResourceProvider):
    """Start, change, find and end one server. Its id is its run directory."""

    serialize_as_secret_always = False

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.DiffResult:
        """Compare what was asked for; only another run directory makes another server."""
        old, new = _spec(_olds), _spec(_news)
        return dynamic.DiffResult(
            changes=old != new,
            replaces=["run_dir"] if old.run_dir != new.run_dir else [],
            delete_before_replace=True,
        )

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Start it and wait until it serves what it was given."""
        running = server.start(_spec(props))
        return dynamic.CreateResult(str(running.spec.run_dir), _outputs(props, running))

    def update(
        self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]
    ) -> dynamic.UpdateResult:
        """Bring it to the new versions without a gap."""
        return dynamic.UpdateResult(_outputs(_news, server.update(_spec(_news))))

    def read(self, id_: str, props: dict[str, Any]) -> dynamic.ReadResult:
        """Notice that it died: then it is gone, and the next `up` starts it again."""
        running = server.read_record(Path(id_))
        return dynamic.ReadResult(id_ if running and running.is_answering() else "", props)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """End it."""
        if is_of_this_checkout(Path(_id)):
            server.stop(Path(_id))


class LocalServerResource(dynamic.Resource, module="servestack", name="LocalServer"):
    """One running server, with the addresses it got."""

    rest: pulumi.Output[str]
    grpc: pulumi.Output[str]
    log: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        spec: LocalServerSpec,
        opts: pulumi.ResourceOptions,
    ) -> None:
        outputs = {"rest": None, "grpc": None, "log": None}
        super().__init__(LocalServerProvider(), name, {**spec_to_props(spec), **outputs}, opts)
