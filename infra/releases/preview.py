"""What a preview would change: resources, their properties, and what policies say of it. Pure.

Read from the engine's events, or from the document of `pulumi preview --json`, which knows no
policies. No secret is in it: what the engine marks as one, or hides itself, stays hidden, and so
does what is merely called like one.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from infra.errors import ServestackError
from infra.releases.engine_log import EngineLog, plain
from infra.releases.secrecy import SECRET, SECRET_SIGNATURE, SIGNATURE

if TYPE_CHECKING:
    from pulumi.automation.events import EngineEvent, StepEventMetadata

Action = Literal["create", "update", "replace", "delete", "import"]

UNKNOWN: Final = "(known after the update)"
_ACTIONS: Final[Mapping[str, Action]] = {
    "create": "create",
    "update": "update",
    "replace": "replace",
    "create-replacement": "replace",
    "delete-replaced": "replace",
    "delete": "delete",
    "import": "import",
    "import-replacement": "replace",
}
# The engine's own marks for values that are not known yet, one for each kind.
_UNKNOWNS: Final = frozenset(
    {
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
_SECRET_NAME: Final = re.compile(
    r"(?i)(password|passphrase|secret|token|private_?key|credential|access_?key|stringdata)"
)
_KUBERNETES_SECRET: Final = "kubernetes:core/v1:Secret"  # noqa: S105 - a type
# Named by its content, so another one takes its place whenever that changes.
_RENEWED: Final = "kubernetes:core/v1:ConfigMap"
_CONTENT_HASH: Final = re.compile(r"-[0-9a-f]{8}$")
_NO_PROPERTIES: Final = frozenset({"__provider", "__defaults", "__internal", "__name"})
_SHOWN_CHARACTERS: Final = 120


@dataclass(frozen=True, kw_only=True)
class PropertyChange:
    """One property before and after, as text; None where it is not there."""

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True, kw_only=True)
class ResourceChange:
    """One resource that would be changed."""

    action: Action
    type: str
    name: str
    urn: str
    properties: tuple[PropertyChange, ...] = ()
    replaced_for: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """Give the last part of its type: what people call it."""
        return self.type.rsplit(":", 1)[-1]

    @property
    def is_component(self) -> bool:
        """Tell what only groups others."""
        return self.type.startswith(("servestack:", "pulumi:pulumi:"))


@dataclass(frozen=True, kw_only=True)
class PolicyFinding:
    """What a policy says; `resource` is the name of what it is about."""

    rule: str
    level: str
    message: str
    resource: str | None


@dataclass(frozen=True, kw_only=True)
class Preview:
    """All of it. `policies` is None where none were asked; `outputs` are the stack's before."""

    changes: tuple[ResourceChange, ...] = ()
    policies: tuple[PolicyFinding, ...] | None = None
    errors: tuple[str, ...] = ()
    outputs: Mapping[str, Any] = field(default_factory=dict)
    resources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def of(self, *actions: Action) -> list[ResourceChange]:
        """Give the changes of some kinds, without what only groups others."""
        return [
            change
            for change in self.changes
            if change.action in actions and not change.is_component
        ]

    @property
    def lost(self) -> list[ResourceChange]:
        """Give what is replaced or deleted, and not merely renewed under a name of its content."""
        made = {_stem(change) for change in self.of("create") if change.type == _RENEWED}
        return [
            change
            for change in self.of("delete", "replace")
            if change.type != _RENEWED or _stem(change) not in made
        ]


def preview_of_events(
    events: Sequence["EngineEvent"], *, asked_policies: bool, errors: Sequence[str] = ()
) -> Preview:
    """Read what the engine told while it previewed."""
    steps = [
        _step_of(event.resource_pre_event.metadata)
        for event in events
        if event.resource_pre_event is not None
    ]
    found = [
        PolicyFinding(
            rule=told.policy_name,
            level=told.enforcement_level,
            message=plain(told.message),
            resource=told.resource_urn.rpartition("::")[2] if told.resource_urn else None,
        )
        for event in events
        if (told := event.policy_event) is not None
    ]
    policies = tuple(dict.fromkeys(found)) if asked_policies else None
    return _preview(steps, policies=policies, errors=errors)


def preview_of_document(text: str) -> Preview:
    """Read `pulumi preview --json`."""
    try:
        document = json.loads(text)
        steps = [
            _Step(
                op=step["op"],
                urn=step["urn"],
                old=step.get("oldState") or {},
                new=step.get("newState") or {},
                keys=tuple(step.get("replaceReasons") or ()),
            )
            for step in document["steps"] or ()
        ]
        log = EngineLog()
        for told in document.get("diagnostics") or ():
            if told.get("severity") == "error":
                log.add_error(plain(told["message"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ServestackError(
            "This is no preview: give the output of `pulumi preview --json`, whole and unchanged."
        ) from error
    return _preview(steps, policies=None, errors=log.reasons)


def preview_lines(preview: Preview) -> list[str]:
    """Say for a terminal what would change, what is lost first."""
    lost = sorted(preview.lost, key=lambda change: change.action)
    kept = [
        change
        for change in preview.of("create", "import", "update", "delete")
        if change not in lost
    ]
    lines = [_line(change, change.action.upper()) for change in lost]
    lines += [_line(change, change.action) for change in kept]
    return lines or ["no resource changes"]


def _line(change: ResourceChange, verb: str) -> str:
    why = f" (for {', '.join(change.replaced_for)})" if change.replaced_for else ""
    return f"{verb} {change.kind} {change.name}{why}"


@dataclass(frozen=True, kw_only=True)
class _Step:
    op: str
    urn: str
    old: Mapping[str, Any]
    new: Mapping[str, Any]
    keys: tuple[str, ...]


def _step_of(metadata: "StepEventMetadata") -> _Step:
    return _Step(
        op=str(getattr(metadata.op, "value", metadata.op)),
        urn=metadata.urn,
        old=_state(metadata.old),
        new=_state(metadata.new),
        keys=tuple(metadata.keys or ()),
    )


def _state(state: Any) -> Mapping[str, Any]:
    if state is None:
        return {}
    return {"type": state.type, "inputs": state.inputs or {}, "outputs": state.outputs or {}}


def _preview(
    steps: Sequence[_Step],
    *,
    policies: tuple[PolicyFinding, ...] | None,
    errors: Sequence[str],
) -> Preview:
    outputs: Mapping[str, Any] = {}
    changes: dict[str, ResourceChange] = {}
    resources: dict[str, Mapping[str, Any]] = {}
    for step in steps:
        type_ = type_of(step.urn)
        if type_ == "pulumi:pulumi:Stack":
            outputs = step.old.get("outputs") or {}
        if step.op == "delete":
            # A refresh has told of it before.
            resources.pop(step.urn, None)
        elif step.op != "delete-replaced":
            resources[step.urn] = (step.new or step.old).get("inputs") or {}
        action = _ACTIONS.get(step.op)
        if action is None or type_.startswith("pulumi:providers:"):
            continue
        before = changes.get(step.urn)
        keys = step.keys or (before.replaced_for if before else ())
        properties = tuple(_differences(type_, step.old, step.new))
        changes[step.urn] = ResourceChange(
            action=action,
            type=type_,
            name=step.urn.rpartition("::")[2],
            urn=step.urn,
            # A replacement is told in three steps, and only one has both sides.
            properties=(before.properties if before and before.properties else properties)
            if action == "replace"
            else properties,
            replaced_for=tuple(key for key in keys if key not in _NO_PROPERTIES),
        )
    return Preview(
        changes=tuple(changes.values()),
        policies=policies,
        errors=tuple(dict.fromkeys(errors)),
        outputs=outputs,
        resources=resources,
    )


def _stem(change: ResourceChange) -> str:
    return _CONTENT_HASH.sub("", change.urn)


def type_of(urn: str) -> str:
    """Give a resource's type, without those of its parents."""
    return urn.rpartition("::")[0].rsplit("::", 1)[-1].rsplit("$", 1)[-1]


def _differences(
    type_: str, old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[PropertyChange]:
    if not old or not new:
        return
    before = {leaf.path: leaf for leaf in _leaves(type_, old.get("inputs") or {})}
    after = {leaf.path: leaf for leaf in _leaves(type_, new.get("inputs") or {})}
    for path in sorted(before.keys() | after.keys()):
        was, becomes = before.get(path), after.get(path)
        if (was and was.value) != (becomes and becomes.value) or (was is None) != (becomes is None):
            yield PropertyChange(
                path=path,
                before=was.shown if was else None,
                after=becomes.shown if becomes else None,
            )


@dataclass(frozen=True, kw_only=True)
class _Leaf:
    """A value to compare by, and what may be shown of it."""

    path: str
    value: Any
    shown: str


def _leaves(type_: str, value: Any, path: str = "") -> Iterator[_Leaf]:
    if _is_secret(type_, path, value):
        yield _Leaf(path=path, value=value, shown=SECRET)
    elif isinstance(value, Mapping) and value:
        for key, inner in value.items():
            if key not in _NO_PROPERTIES:
                yield from _leaves(type_, inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from _leaves(type_, inner, f"{path}[{index}]")
    elif isinstance(value, str) and value in _UNKNOWNS:
        yield _Leaf(path=path, value=value, shown=UNKNOWN)
    else:
        text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        shown = " ".join(text.split())
        if len(shown) > _SHOWN_CHARACTERS:
            shown = f"{shown[:_SHOWN_CHARACTERS]}…"
        yield _Leaf(path=path, value=value, shown=shown)


def _is_secret(type_: str, path: str, value: Any) -> bool:
    if _hidden(value):
        return True
    if type_ == _KUBERNETES_SECRET and re.match(r"(data|stringData)\b", path):
        return True
    return isinstance(value, str) and bool(_SECRET_NAME.search(path.rpartition(".")[2]))


def is_readable(value: Any) -> bool:
    """Tell whether an input's value is one, and not a mark for what is secret or not known yet."""
    return not _hidden(value) and not (isinstance(value, str) and value in _UNKNOWNS)


def _hidden(value: Any) -> bool:
    if isinstance(value, Mapping):
        return value.get(SIGNATURE) == SECRET_SIGNATURE
    return bool(value == SECRET)
