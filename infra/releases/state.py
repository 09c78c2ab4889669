"""What is read from a stack's state: its outputs, and what a killed update left. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.releases.errors import OperationFailedError
from infra.releases.secrecy import SECRET, SECRET_SIGNATURE, SIGNATURE


@dataclass(frozen=True, kw_only=True)
class PendingOperation:
    """A step that was begun, and of which the state does not know how it ended."""

    kind: str
    urn: str

    def __str__(self) -> str:
        return f"{self.kind} of {self.urn.rpartition('::')[2]}"


def pending_operations(state: Mapping[str, Any]) -> tuple[PendingOperation, ...]:
    """Read them from `pulumi stack export`."""
    pending = (state.get("deployment") or {}).get("pending_operations") or []
    return tuple(
        PendingOperation(kind=operation["type"], urn=operation["resource"]["urn"])
        for operation in pending
    )


def stack_outputs(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Read the stack's outputs from `pulumi stack export`; what is secret in them stays hidden."""
    for resource in (state.get("deployment") or {}).get("resources") or ():
        if resource["type"] == "pulumi:pulumi:Stack":
            found: dict[str, Any] = _shown(resource.get("outputs") or {})
            return found
    return {}


def stack_resources(state: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """Read what was asked for of each resource from `pulumi stack export`, by its URN."""
    return {
        resource["urn"]: _shown(resource.get("inputs") or {})
        for resource in (state.get("deployment") or {}).get("resources") or ()
        if not resource.get("delete")
    }


def _shown(value: Any) -> Any:
    if isinstance(value, Mapping):
        if value.get(SIGNATURE) == SECRET_SIGNATURE:
            return SECRET
        return {key: _shown(inner) for key, inner in value.items()}
    return [_shown(inner) for inner in value] if isinstance(value, list) else value


def require_resolvable(pending: Sequence[PendingOperation], stack: str) -> None:
    """Refuse where only a person can know what came about.

    What was being changed or deleted is looked up where it is. What was being created has no id
    yet: it may exist, be paid for, and be known to nobody.
    """
    creating = [operation for operation in pending if operation.kind == "creating"]
    if not creating:
        return
    names = "\n".join(f"  {operation.urn}" for operation in creating)
    raise OperationFailedError(
        f"An earlier update of stack {stack} was killed while it was creating\n{names}\n"
        "Whether that came about is known to the cloud alone. Look there. If it exists, take it "
        f"over: ./scripts/pulumi refresh -s {stack}  (asks for its id). If it does not: "
        f"./scripts/pulumi refresh -s {stack} --clear-pending-creates --yes"
    )
