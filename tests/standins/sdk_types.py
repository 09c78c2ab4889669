"""What a Pulumi SDK's types say of a resource's inputs, so that a stand-in can be as strict.

Required inputs, unknown ones, their kinds, and the words that are allowed, which an SDK tells in
the text of its properties only. The real plug-ins check the first three; the last is what the
cloud's API would refuse. Reading them off an SDK takes seconds, so they are kept in a file.
"""

import collections.abc
import importlib
import inspect
import json
import os
import re
import tempfile
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Final

from tests.standins.values import UNKNOWN
from tools.engine import bare_sdk

TYPES_VARIABLE = "SERVESTACK_TESTS_TYPES"

# "Possible values are: `A`, `B`.", "Acceptable values are "a" or "b".", and a list below the words.
_INTRODUCTION = re.compile(
    r"(?:Possible|Valid|Accepted|Acceptable|Supported) values(?: are| include)?:?\s*"
    r"(?P<words>(?:(?:,|and|or|\s)*(?:`\"?[\w-]+\"?`|\"[\w-]+\"))+|(?:\s*\*\s*`?\"?[\w-]+\"?`?:?[^\n]*)+)"
)
# "… Protocols `C` and `D` are also valid …", in a sentence behind.
_ALSO = re.compile(r"(?P<words>(?:(?:,|and|or|\s)*`[\w-]+`)+) (?:is|are) also valid")
_WORD = re.compile(r"`\"?([\w-]+)\"?`|\"([\w-]+)\"|\*\s*([\w-]+)")


class SdkTypes:
    """The types of one SDK's resources, by their tokens."""

    def __init__(self, package: str, store: Path | None = None) -> None:
        self._package = package
        self._store = store
        self._known: dict[str, Any] = {}
        if store is not None and store.exists():
            self._known = json.loads(store.read_text())

    def problems(self, token: str, inputs: Mapping[str, Any]) -> dict[str, str]:
        """Give what is wrong with a resource's inputs, by the path of the property."""
        if token not in self._known:
            self._known[token] = _object(_arguments(self._package, token))
            self._save()
        return dict(_problems(self._known[token], dict(inputs), ""))

    def _save(self) -> None:
        if self._store is None:
            return
        descriptor, draft = tempfile.mkstemp(dir=self._store.parent)
        with os.fdopen(descriptor, "w") as file:
            json.dump(self._known, file)
        Path(draft).replace(self._store)


def _sdk() -> Any:
    bare_sdk.leave()
    from pulumi import _types  # noqa: PLC0415 - half a second, and only where a type is not kept yet

    return _types


def _arguments(package: str, token: str) -> type:
    bare_sdk.leave()
    _, module, name = token.split(":")
    found = importlib.import_module(f"{package}.{module.partition('/')[0].replace('/', '.')}")
    # Where the first name is another type's already, an SDK takes the second.
    arguments = getattr(found, f"{name}InitArgs", None) or getattr(found, f"{name}Args")
    assert inspect.isclass(arguments)
    return arguments


def _object(arguments: type) -> dict[str, Any]:
    names = _sdk().input_type_py_to_pulumi_names(arguments)
    kinds = _sdk().input_type_types(arguments)
    parameters = inspect.signature(arguments).parameters
    return {
        "is": "object",
        "required": [
            wire
            for name, wire in names.items()
            if name in parameters and parameters[name].default is inspect.Parameter.empty
        ],
        "properties": {
            wire: _kind(kinds[wire], inspect.getdoc(getattr(arguments, name)) or "")
            for name, wire in names.items()
        },
    }


def _kind(annotation: Any, text: str) -> dict[str, Any]:
    annotation = _plain(annotation)
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in {list, collections.abc.Sequence}:
        return {"is": "list", "of": _kind(inner[0], text)}
    if origin in {dict, collections.abc.Mapping}:
        return {"is": "map", "of": _kind(inner[1], "")}
    if annotation is str:
        return {"is": "string", "words": sorted(_words(text))}
    if inspect.isclass(annotation) and _sdk().is_input_type(annotation):
        return _object(annotation)
    return {"is": {bool: "bool", int: "number", float: "number"}.get(annotation, "any")}


def _plain(annotation: Any) -> Any:
    """Take away what may also be an output, or nothing."""
    if typing.get_origin(annotation) not in {typing.Union, UnionType}:
        return annotation
    parts = [
        part
        for part in typing.get_args(annotation)
        if part is not type(None)
        and typing.get_origin(part) is not collections.abc.Awaitable
        and "Output" not in str(part)
    ]
    return _plain(parts[0]) if len(parts) == 1 else Any


def _words(text: str) -> set[str]:
    found = _INTRODUCTION.search(text)
    if found is None:
        return set()
    also = _ALSO.search(text, found.end())
    words = found["words"] + (also["words"] if also else "")
    return {next(filter(None, groups)) for groups in _WORD.findall(words)}


_Problems = Iterator[tuple[str, str]]


def _problems(kind: Mapping[str, Any], value: Any, path: str) -> _Problems:
    if value is not UNKNOWN and value is not None:
        yield from _CHECKS[kind["is"]](kind, value, path)


def _in_object(kind: Mapping[str, Any], value: Any, path: str) -> _Problems:
    if not isinstance(value, Mapping):
        yield path, "is no object"
        return
    start = f"{path}." if path else ""
    for name in kind["required"]:
        if value.get(name) is None:
            yield f"{start}{name}", "is required and missing"
    for name, inner in value.items():
        if name not in kind["properties"]:
            yield f"{start}{name}", "is no property of this resource"
        else:
            yield from _problems(kind["properties"][name], inner, f"{start}{name}")


def _in_list(kind: Mapping[str, Any], value: Any, path: str) -> _Problems:
    if not isinstance(value, list):
        yield path, "is no list"
        return
    for index, inner in enumerate(value):
        yield from _problems(kind["of"], inner, f"{path}[{index}]")


def _in_map(kind: Mapping[str, Any], value: Any, path: str) -> _Problems:
    if not isinstance(value, Mapping):
        yield path, "is no map"
        return
    for name, inner in value.items():
        yield from _problems(kind["of"], inner, f"{path}.{name}")


def _in_text(kind: Mapping[str, Any], value: Any, path: str) -> _Problems:
    if not isinstance(value, str):
        yield path, f"is no text: {value!r}"
    elif kind["words"] and value not in kind["words"]:
        yield path, f"{value!r} is not one of {', '.join(kind['words'])}"


def _in_bool(_: Mapping[str, Any], value: Any, path: str) -> _Problems:
    if not isinstance(value, bool):
        yield path, f"is neither true nor false: {value!r}"


def _in_number(_: Mapping[str, Any], value: Any, path: str) -> _Problems:
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield path, f"is no number: {value!r}"


def _in_any(_kind: Mapping[str, Any], _value: Any, _path: str) -> _Problems:
    yield from ()


_CHECKS: Final = {
    "object": _in_object,
    "list": _in_list,
    "map": _in_map,
    "string": _in_text,
    "bool": _in_bool,
    "number": _in_number,
    "any": _in_any,
}
