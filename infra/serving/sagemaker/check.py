"""The live configuration of an endpoint as a resource: a thin skin over `live.py`.

The engine stores the provider object in the state, by reference to this module; it holds nothing,
and no property is a credential.
"""

from typing import Any

import pulumi
from pulumi import dynamic

from infra.serving.sagemaker import live
from infra.serving.sagemaker.live import Wanted


class LiveConfigurationProvider(dynamic.ResourceProvider):
    """Sees that the endpoint has the wanted configuration. Its id is the endpoint's name."""

    serialize_as_secret_always = False

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.DiffResult:
        """Look again whenever another configuration is wanted, or was found."""
        moved = _olds["endpoint"] != _news["endpoint"] or _olds["region"] != _news["region"]
        seen = _olds.get("live") == _news["configuration"] == _olds["configuration"]
        return dynamic.DiffResult(
            changes=moved or not seen or _olds.get("alarms") != _news.get("alarms"),
            replaces=["endpoint"] if moved else [],
            delete_before_replace=True,
        )

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Wait for the endpoint, and refuse another configuration."""
        return dynamic.CreateResult(props["endpoint"], {**props, "live": _require(props)})

    def update(
        self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]
    ) -> dynamic.UpdateResult:
        """Do the same after an update of the endpoint."""
        return dynamic.UpdateResult({**_news, "live": _require(_news)})

    def read(self, id_: str, props: dict[str, Any]) -> dynamic.ReadResult:
        """Notice that the endpoint has gone, or has another configuration."""
        found = live.live_configuration(id_, props["region"])
        return dynamic.ReadResult("" if found is None else id_, {**props, "live": found})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Do nothing: what was looked at is another resource."""


def _require(props: dict[str, Any]) -> str:
    return live.require_live(
        Wanted(
            endpoint=props["endpoint"],
            region=props["region"],
            configuration=props["configuration"],
            alarms=tuple(props["alarms"]),
        )
    )


class LiveConfiguration(dynamic.Resource, module="servestack", name="LiveConfiguration"):
    """Fails an update that SageMaker took back in silence."""

    live: pulumi.Output[str]

    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(LiveConfigurationProvider(), name, {**props, "live": None}, opts)
