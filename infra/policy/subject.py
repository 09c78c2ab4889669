"""What a rule is asked about: one resource as it would be made, and the stack around it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from infra.config.model import StackConfig

STACK_TYPE: Final = "pulumi:pulumi:Stack"
# Stands for a value that only the update will know; a rule says nothing about it before.
UNKNOWN: Final = "(unknown)"


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource and its inputs, as plain values."""

    type: str
    name: str
    props: Mapping[str, Any]

    def at(self, *path: str) -> Any:
        """Give the value at a path; None where there is nothing, UNKNOWN where it is not known."""
        value: Any = self.props
        for key in path:
            if value == UNKNOWN:
                return UNKNOWN
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def all_at(self, *path: str) -> Iterator[Mapping[str, Any]]:
        """Give the mappings of a list at a path, or the one that stands there instead."""
        value = self.at(*path)
        for entry in value if isinstance(value, list) else [value]:
            if isinstance(entry, Mapping):
                yield entry


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is wrong; `about` is its name in an exemption: a resource's, or a model's."""

    about: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """The stack's configuration, and the day; the configuration is None where it is not sound."""

    config: StackConfig | None
    today: date
