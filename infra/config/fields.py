"""Every field of a stack's configuration by its path, read off the model.

A path has dots between keys and `*` for a model's name: `models.*.canary.share`.
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
    """Give the path of the field that stands at a place, a model's name left open."""
    if len(place) > 1 and place[0] == "models":
        place = (place[0], ANY_NAME, *place[2:])
    return ".".join(place)


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
