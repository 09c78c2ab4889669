"""A roll-out as a Pulumi resource: a thin skin over `rollout.py` and `live.py`.

It is there for the wait and, with `hot`, for the ConfigMap that changes under running servers,
which no declared resource can change twice in one update. The engine stores the provider object in
the state by reference to this module; it holds nothing. What needs a cluster is imported inside
methods, so that a preview does not.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import pulumi
from pulumi import dynamic

from infra.errors import ServestackError
from infra.serving.settings import ServingSettings


@dataclass(frozen=True, kw_only=True)
class LiveSpec:
    """The ConfigMap of a `hot` server, and what it shall say."""

    config_map: str
    labels: dict[str, str]
    settings: ServingSettings
    step_seconds: float


@dataclass(frozen=True, kw_only=True)
class RolloutSpec:
    """Which Deployment is waited for. `digest` is that of its specification."""

    model: str
    version: str
    namespace: str
    deployment: str
    digest: str
    timeout_seconds: float
    live: LiveSpec | None = None


_SPEC_KEYS: Final = frozenset(RolloutSpec.__dataclass_fields__)


@cache
def _adapter() -> Any:
    from pydantic import TypeAdapter  # noqa: PLC0415 - see the module's docstring

    return TypeAdapter(RolloutSpec)


def _spec(props: dict[str, Any]) -> RolloutSpec:
    # Numbers come back from the engine as floats; the adapter makes them what they were.
    spec: RolloutSpec = _adapter().validate_python(_said(props))
    return spec


def _said(props: dict[str, Any]) -> dict[str, Any]:
    return {key: props[key] for key in _SPEC_KEYS if key in props}


class RolloutProvider(dynamic.ResourceProvider):
    """Waits at each change. Its id names the Deployment."""

    serialize_as_secret_always = False

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.DiffResult:
        """Compare what was waited for; how the cluster is reached changes nothing in it."""
        if (_said(_olds), _access(_olds)) == (_said(_news), _access(_news)):
            return dynamic.DiffResult(changes=False)
        old, new = _spec(_olds), _spec(_news)
        moved = (old.namespace, old.deployment) != (new.namespace, new.deployment)
        return dynamic.DiffResult(
            changes=old != new or _access(_olds) != _access(_news),
            replaces=["deployment"] if moved else [],
            delete_before_replace=False,
        )

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Wait until it serves."""
        spec = _spec(props)
        _bring(spec, props)
        return dynamic.CreateResult(f"{spec.namespace}/{spec.deployment}", props)

    def update(
        self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]
    ) -> dynamic.UpdateResult:
        """Wait until it serves what it shall now."""
        old, new = _spec(_olds), _spec(_news)
        _bring(new, _news)
        if old.live is not None and new.live is None:
            _live(old, _news, "remove")
        return dynamic.UpdateResult(_news)

    def read(self, id_: str, props: dict[str, Any]) -> dynamic.ReadResult:
        """Notice that the ConfigMap of a `hot` server is gone: then the next `up` makes it."""
        spec = _spec(props)
        if spec.live is not None and not _live(spec, props, "is_there"):
            return dynamic.ReadResult("", props)
        return dynamic.ReadResult(id_, props)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Take away the ConfigMap of a `hot` server; of the rest nothing is ours."""
        spec = _spec(_props)
        if spec.live is not None:
            _live(spec, _props, "remove")


def _access(props: dict[str, Any]) -> tuple[Any, Any]:
    return props.get("kubeconfig"), props.get("context")


def _connect(props: dict[str, Any]) -> Any:
    from infra.compute.api_server import ApiServer  # noqa: PLC0415 - see the module's docstring

    kubeconfig, context = _access(props)
    return ApiServer(kubeconfig=kubeconfig, context=context)


def _bring(spec: RolloutSpec, props: dict[str, Any]) -> None:
    from infra.serving.tf_serving import live, rollout  # noqa: PLC0415 - likewise

    server = _connect(props)
    watched = rollout.Watched(
        namespace=spec.namespace,
        name=spec.deployment,
        model=spec.model,
        timeout_seconds=spec.timeout_seconds,
    )
    try:
        if spec.live is None:
            rollout.wait_for_rollout(server, watched)
            return
        models = _live_models(spec)
        live.make_sure(server, models)
        rollout.wait_for_rollout(server, watched)
        live.move(server, models)
    except rollout.NotServingError as error:
        version = f" version {spec.version}" if spec.version else ""
        raise ServestackError(
            f"{spec.model}{version} does not come up in namespace {spec.namespace}: {error}"
        ) from None


def _live_models(spec: RolloutSpec) -> Any:
    from infra.serving.tf_serving import live  # noqa: PLC0415 - likewise

    if spec.live is None:
        raise AssertionError(spec)
    return live.LiveModels(
        namespace=spec.namespace,
        config_map=spec.live.config_map,
        deployment=spec.deployment,
        labels=spec.live.labels,
        settings=spec.live.settings,
        step_seconds=spec.live.step_seconds,
    )


def _live(spec: RolloutSpec, props: dict[str, Any], what: str) -> Any:
    from infra.serving.tf_serving import live  # noqa: PLC0415 - likewise

    models, server = _live_models(spec), _connect(props)
    if what == "is_there":
        return live.is_there(server, models)
    return live.remove(server, models.namespace, models.config_map)


class Rollout(dynamic.Resource, module="servestack", name="Rollout"):
    """A Deployment that serves what it shall."""

    def __init__(
        self,
        name: str,
        spec: RolloutSpec,
        *,
        kubeconfig: pulumi.Input[str] | None,
        context: str | None,
        opts: pulumi.ResourceOptions,
    ) -> None:
        props = {
            **_adapter().dump_python(spec, mode="json"),
            "kubeconfig": kubeconfig,
            "context": context,
        }
        super().__init__(RolloutProvider(), name, props, opts)
