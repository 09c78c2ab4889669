"""What the engine says while it works: a line for each step, and its errors once. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from infra.releases.remedies import remedy

if TYPE_CHECKING:
    from pulumi.automation.events import EngineEvent, StepEventMetadata

# Said by the engine after every error that already said it better.
_ECHOES: Final = (
    "update failed",
    "preview failed",
    "an unhandled error occurred: Program exited with non-zero exit code",
    "one or more errors occurred",
)
# The engine's own words before an error, and the dynamic-provider host's before an exception's.
_PREFIXES: Final = ("error: ", "Preview failed: ", "Exception calling application: ")
_PLANNED: Final = {
    "create": "to create",
    "update": "to update",
    "delete": "to delete",
    "replace": "to replace",
}
_DONE: Final = {
    "create": "created",
    "update": "updated",
    "delete": "deleted",
    "replace": "replaced",
    "create-replacement": "created anew",
    "delete-replaced": "deleted the old",
}
_DOING: Final = {
    "create": "creating",
    "update": "updating",
    "delete": "deleting",
    "create-replacement": "creating anew",
    "delete-replaced": "deleting the old",
}


@dataclass
class EngineLog:
    """Collects the events of one engine run."""

    errors: list[str] = field(default_factory=list)
    forbidden: list[str] = field(default_factory=list)

    def take(self, event: "EngineEvent") -> str | None:
        """Take in an event; give the line to show for it, if any."""
        if (diagnostic := event.diagnostic_event) is not None and not diagnostic.ephemeral:
            if diagnostic.severity == "error":
                self.add_error(diagnostic.message, diagnostic.urn or "")
            elif diagnostic.severity == "warning":
                return f"  {_clean(diagnostic.message)}"
        elif (told := event.policy_event) is not None:
            line = f"{told.policy_name}: {plain(told.message)}"
            if told.enforcement_level != "mandatory":
                return f"  policy {line}"
            self.forbidden.append(f"policy {line}")
        elif (before := event.resource_pre_event) is not None:
            return _step(_PLANNED if before.planning else _DOING, before.metadata)
        elif (after := event.res_outputs_event) is not None and not after.planning:
            return _step(_DONE, after.metadata)
        return None

    def add_error(self, message: str, urn: str = "") -> None:
        """Take in an error as the engine words it, with what to do about it where that is known."""
        text = _clean(message)
        advice = remedy(urn, text)
        self.errors.append(f"{text}\n  {advice}" if advice else text)

    @property
    def own_reasons(self) -> list[str]:
        """Give the errors without their echoes and repetitions."""
        return [error for error in dict.fromkeys(self.errors) if not error.startswith(_ECHOES)]

    @property
    def reasons(self) -> list[str]:
        """Give them, and what policies forbid; where there are only echoes, those."""
        told = [*self.own_reasons, *dict.fromkeys(self.forbidden)]
        return told or list(dict.fromkeys(self.errors))

    @property
    def reason(self) -> str:
        """Give them as one text."""
        return "\n".join(self.reasons)


def drift_of(event: "EngineEvent") -> str | None:
    """Say what a refresh found of a resource; None where it is as it was."""
    found = event.res_outputs_event
    if found is None:
        return None
    step = found.metadata
    op = str(getattr(step.op, "value", step.op))
    resource = _resource(step.urn)
    if op == "delete":
        return f"{resource} is gone"
    if op == "update":
        keys = ", ".join(sorted(step.detailed_diff or step.diffs or ())) or "its properties"
        return f"{resource} has other values: {keys}"
    return None


def plain(text: str) -> str:
    """Take out the terminal's colours and the engine's marks for them."""
    return re.sub(r"\x1b\[[0-9;]*m|<\{%[^%]*%\}>", "", text).strip()


def _step(words: dict[str, str], step: "StepEventMetadata") -> str | None:
    word = words.get(str(getattr(step.op, "value", step.op)))
    if word is None or _type(step.urn).startswith("pulumi:"):
        return None
    return f"  {word} {_resource(step.urn)}"


def _resource(urn: str) -> str:
    return f"{_type(urn).rsplit(':', 1)[-1]} {urn.rpartition('::')[2]}"


def _type(urn: str) -> str:
    return urn.rpartition("::")[0].rsplit("::", 1)[-1].rsplit("$", 1)[-1]


def _clean(message: str) -> str:
    text = message.strip()
    for prefix in _PREFIXES:
        text = text.removeprefix(prefix)
    lines: Sequence[str] = text.splitlines()
    # The executor adds its own traceback when the engine takes the program down.
    for index, line in enumerate(lines):
        if line.startswith("Traceback (most recent call last)") and index:
            return "\n".join(lines[:index]).rstrip()
    return "\n".join(lines)
