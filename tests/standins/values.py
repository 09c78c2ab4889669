"""Properties as the engine sends them, and as Python has them.

Owns the two ways between a protobuf Struct and plain dicts, lists and scalars, with UNKNOWN for
what a preview cannot know. Secrets need no care here: a stand-in does not accept them, so the
engine unwraps them before it asks, and marks again what comes back under the same names.
"""

from collections.abc import Mapping
from typing import Any, Final

from google.protobuf import struct_pb2

# What stands on the wire for an unknown boolean, number, string, list, asset, archive and object;
# fixed by the engine (sdk/go/common/resource/plugin/rpc.go).
_UNKNOWN_STRING: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_UNKNOWN: Final = frozenset(
    {
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        _UNKNOWN_STRING,
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)


class Unknown:
    """A value that is known only after an update."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


def from_struct(struct: struct_pb2.Struct) -> dict[str, Any]:
    """Return properties as Python has them."""
    return {name: _from_value(value) for name, value in struct.fields.items()}


def to_struct(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    """Return properties as the engine wants them."""
    struct = struct_pb2.Struct()
    struct.update(_marked(properties))
    return struct


def has_unknown(value: Any) -> bool:
    """Say whether anything in a value is known only after an update."""
    if isinstance(value, Mapping):
        return any(has_unknown(part) for part in value.values())
    if isinstance(value, list):
        return any(has_unknown(part) for part in value)
    return value is UNKNOWN


def _from_value(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return from_struct(value.struct_value)
    if kind == "list_value":
        return [_from_value(part) for part in value.list_value.values]
    if kind == "string_value":
        return UNKNOWN if value.string_value in _UNKNOWN else value.string_value
    if kind == "number_value":
        number = value.number_value
        # The wire has only doubles, and a port of 80.0 is none.
        return int(number) if number.is_integer() else number
    return value.bool_value if kind == "bool_value" else None


def _marked(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _marked(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_marked(part) for part in value]
    return _UNKNOWN_STRING if value is UNKNOWN else value
