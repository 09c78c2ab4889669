"""What all of Vertex AI's resources share: properties in and out, and how a change is seen.

A resource's properties are its spec, whose ids were chosen before anything was made, and its own
URN, by which a long operation is shown beside it.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar, Final, Generic, TypeVar

import pulumi
from pulumi import dynamic
from pydantic import TypeAdapter

from infra.serving.vertex.progress import Tell, tell_engine
from infra.serving.vertex.specs import (
    AliasesSpec,
    DeploymentSpec,
    EndpointSpec,
    TrafficSpec,
    VersionSpec,
)

AnySpec = AliasesSpec | DeploymentSpec | EndpointSpec | TrafficSpec | VersionSpec
_Spec = TypeVar("_Spec", bound=AnySpec)

_URN: Final = "urn"
PLACES: Final = frozenset({"place"})


class VertexProvider(dynamic.ResourceProvider, Generic[_Spec]):
    """What all of them share: properties in and out, and how a change is seen."""

    serialize_as_secret_always = False
    spec_type: ClassVar[type[AnySpec]]
    # What cannot change without becoming another thing.
    fixed: ClassVar[frozenset[str]] = PLACES

    def ensure(self, spec: _Spec, old: _Spec | None, tell: Tell) -> dict[str, Any]:
        """Have it as the spec says, whatever there is; return what it is known by since."""
        raise NotImplementedError

    def find(self, spec: _Spec) -> tuple[_Spec, dict[str, Any]] | None:
        """Tell how it really is; None where it is gone."""
        raise NotImplementedError

    def remove(self, spec: _Spec, tell: Tell) -> None:
        """Have it gone."""
        raise NotImplementedError

    def name(self, spec: _Spec) -> str:
        """Give the resource's id."""
        raise NotImplementedError

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> dynamic.DiffResult:
        """Compare what was asked for with what is there, as far as that was read."""
        changed = {
            name for name in self._names() if _plain(_olds.get(name)) != _plain(_news.get(name))
        }
        # By another host it is the same thing: made anew it would be found there, and then removed.
        moved = changed - PLACES if _is_same_place(_olds, _news) else changed
        return dynamic.DiffResult(
            changes=bool(changed),
            replaces=sorted(moved & self.fixed),
            delete_before_replace=False,
        )

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Make it, or take up what a killed run has begun."""
        spec = self._spec(props)
        found = self.ensure(spec, None, tell_engine(props[_URN]))
        return dynamic.CreateResult(self.name(spec), {**props, **found})

    def read(self, id_: str, props: dict[str, Any]) -> dynamic.ReadResult:
        """Notice what others have changed."""
        found = self.find(self._spec(props))
        if found is None:
            return dynamic.ReadResult("", props)
        spec, more = found
        return dynamic.ReadResult(id_, {**props, **spec_to_props(spec), **more})

    def update(
        self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]
    ) -> dynamic.UpdateResult:
        """Change it in place."""
        found = self.ensure(self._spec(_news), self._spec(_olds), tell_engine(_news[_URN]))
        return dynamic.UpdateResult({**_news, **found})

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Remove it; what is gone already is no fault."""
        self.remove(self._spec(_props), tell_engine(_props[_URN]))

    def _spec(self, props: Mapping[str, Any]) -> _Spec:
        # Numbers come back from the engine as floats; the adapter makes them what they were.
        known = {name: props[name] for name in self._names() if name in props}
        spec: _Spec = TypeAdapter[Any](self.spec_type).validate_python(known)
        return spec

    def _names(self) -> tuple[str, ...]:
        return tuple(field.name for field in fields(self.spec_type))


def spec_to_props(
    spec: AnySpec,
) -> dict[str, Any]:
    """Give the spec as plain properties, so that a preview shows which of them changes."""
    props: dict[str, Any] = TypeAdapter(type(spec)).dump_python(spec, mode="json")
    return props


def inputs(
    kind: type[dynamic.Resource],
    name: str,
    spec: AnySpec,
    opts: pulumi.ResourceOptions,
) -> dict[str, Any]:
    """Give a resource's properties."""
    token = f"pulumi-python:{kind._resource_type_name}"  # noqa: SLF001 - as the SDK names it
    urn = pulumi.create_urn(name, token, opts.parent)
    # Known from the parent's, but nothing to wait for: the parent has us among its children.
    known = pulumi.Output(set(), urn.future(), urn.is_known())
    return {**spec_to_props(spec), _URN: known}


def _is_same_place(olds: Mapping[str, Any], news: Mapping[str, Any]) -> bool:
    """Tell whether it is the same location, through whichever host that is spoken to."""
    old, new = olds.get("place"), news.get("place")
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        return False
    return {**old, "api_host": ""} == {**new, "api_host": ""}


def _plain(value: Any) -> Any:
    """Compare as JSON does: the engine turns whole numbers into floats, and tuples into lists."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
