"""Every field of a stack's configuration by its path, read off the model.

A path has dots between keys and `*` for a name of the user's: `models.*.canary.share`.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from infra.config.model import StackConfig
from infra.config.values import Accepts

ANY_NAME: Final = "*"


@cache
def all_fields() -> Mapping[str, FieldInfo]:
    """Give sections and their fields, in the model's order."""
    return dict(_walk(StackConfig, ""))


@cache
def named_sections() -> frozenset[str]:
    """Give the sections whose keys are names of the user's, each over a section of its own."""
    found = (path.rpartition(f".{ANY_NAME}.")[0] for path in all_fields())
    return frozenset(path for path in found if path)


@cache
def leaf_fields() -> frozenset[str]:
    """Give the fields that hold a value themselves."""
    paths = all_fields()
    sections = {path.rpartition(".")[0].removesuffix(f".{ANY_NAME}") for path in paths}
    return frozenset(paths.keys() - sections)


def children(path: str) -> list[str]:
    """Give the keys directly below a path; the empty path is the stack itself."""
    start = f"{path}." if path else ""
    below = (known.removeprefix(start) for known in all_fields() if known.startswith(start))
    keys = dict.fromkeys(rest.split(".")[0] for rest in below)
    return [key for key in keys if key != ANY_NAME]


def path_of(place: Sequence[str]) -> str:
    """Give the path of the field that stands at a place, the user's own names left open."""
    path = ""
    for key in place:
        path = f"{path}.{ANY_NAME if path in named_sections() else key}" if path else key
    return path


def accepts(info: FieldInfo) -> Accepts | None:
    """Find the rule of a field's value; a section has none."""
    found = [entry for entry in info.metadata if isinstance(entry, Accepts)]
    if found:
        return found[-1]
    return _accepts_within(info.annotation)


def _accepts_within(annotation: Any) -> Accepts | None:
    for part in (*getattr(annotation, "__metadata__", ()), *get_args(annotation)):
        found = part if isinstance(part, Accepts) else _accepts_within(part)
        if found is not None:
            return found
    return None


def _walk(section: type[BaseModel], start: str) -> Iterator[tuple[str, FieldInfo]]:
    for name, info in section.model_fields.items():
        path = f"{start}{name}"
        yield path, info
        inner, is_mapping = _section(info.annotation)
        if inner is not None:
            if is_mapping:
                path = f"{path}.{ANY_NAME}"
            yield from _walk(inner, f"{path}.")


def _section(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    origin = get_origin(annotation)
    if origin in {Union, UnionType}:
        return _section(get_args(annotation)[0])
    if origin is Mapping:
        return _section(get_args(annotation)[1])[0], True
    return None, False
