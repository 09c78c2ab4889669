"""Setting and removing one key of a YAML text by cutting at the marks of the parsed nodes.

Owns layout only: the caller reads the result back and decides whether it says what it should.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

_ALIAS: Final = re.compile(r"\s*:\s+(\*[^\s,\]}]+)")
_COLON: Final = re.compile(r"\s*:")
# Where a new key looks best: after the last of these that is there.
_ORDER: Final = (
    "servestack:platform",
    "servestack:paused",
    "target",
    "version",
    "canary",
    "labels",
)


class SpliceError(Exception):
    """The text is not laid out in a way that can be cut."""


@dataclass(frozen=True)
class Splice:
    """A YAML text, to be edited one key at a time; each edit gives a new text."""

    text: str

    def put(self, path: tuple[str, ...], key: str, value: Any) -> str:
        """Give the text with `key` of the mapping at `path` set, or removed if it is None."""
        owner, mapping = self._walk(path)
        found = _find(mapping, key)
        if found is None or not isinstance(mapping, MappingNode):
            if value is None:
                raise SpliceError
            return self._insert(owner, mapping, key, value)
        if value is None:
            return self._remove(mapping, found)
        node = found[1]
        if isinstance(value, dict) and isinstance(node, MappingNode) and node.value:
            return self._merge((*path, key), {pair[0].value for pair in node.value}, value)
        start, end = self._extent(*found)
        blank = "" if self.text[start - 1].isspace() else " "
        return self._cut(start, end, blank + _flow(value))

    def _merge(self, path: tuple[str, ...], present: set[str], value: dict[str, Any]) -> str:
        # Written key by key, so that a comment beside one of them stays; removed last, so that
        # the mapping is never empty in between.
        text = self.text
        for key, item in value.items():
            text = Splice(text).put(path, key, item)
        for key in sorted(present - value.keys()):
            text = Splice(text).put(path, key, None)
        return text

    def _walk(self, path: tuple[str, ...]) -> tuple[Node, Node]:
        owner = node = YAML(pure=True).compose(self.text)
        for step in path:
            found = _find(node, step)
            if found is None or _is_alias(*found):
                raise SpliceError
            owner, node = found
        return owner, node

    def _insert(self, owner: Node, mapping: Node, key: str, value: Any) -> str:
        entry = f"{key}: {_flow(value)}"
        if isinstance(mapping, MappingNode) and mapping.value:
            if mapping.flow_style:
                end = self._extent(*mapping.value[-1])[1]
                return self._cut(end, end, f", {entry}")
            return self._insert_line(mapping, key, entry)
        start, end = self._extent(owner, mapping)
        if start != end and self.text[start:end].replace(" ", "") != "{}":
            raise SpliceError  # a null with an anchor or a tag, or text where a mapping belongs
        line_start = self.text.rfind("\n", 0, owner.start_mark.index) + 1
        if self.text[line_start : owner.start_mark.index].strip():
            # Inside a flow mapping there are no lines to add.
            return self._cut(start, end, f" {{{entry}}}" if start == end else f"{{{entry}}}")
        line_end = self._line_end(end)
        head = self.text[:start].rstrip(" ")
        indent = " " * (owner.start_mark.column + 2)
        return (
            f"{head}{self.text[end:line_end]}{self._newline}{indent}{entry}{self.text[line_end:]}"
        )

    def _insert_line(self, mapping: MappingNode, key: str, entry: str) -> str:
        indent = " " * mapping.value[0][0].start_mark.column
        before = _ORDER[: _ORDER.index(key)] if key in _ORDER else ()
        places = [pair for pair in mapping.value if not before or pair[0].value in before]
        if places:
            at = self._line_end(self._extent(*places[-1])[1])
            return self._cut(at, at, f"{self._newline}{indent}{entry}")
        at = mapping.value[0][0].start_mark.index
        return self._cut(at, at, f"{entry}{self._newline}{indent}")

    def _remove(self, mapping: MappingNode, pair: tuple[Node, Node]) -> str:
        pairs = mapping.value
        index = pairs.index(pair)
        start, end = pair[0].start_mark.index, self._extent(*pair)[1]
        if len(pairs) == 1:
            inside = "" if mapping.flow_style else "{}"
            return self._cut(start, end, inside)
        if not mapping.flow_style:
            line_start = self.text.rfind("\n", 0, start) + 1
            return self._cut(
                line_start, min(self._line_end(end) + len(self._newline), len(self.text)), ""
            )
        if index == 0:
            return self._cut(start, pairs[1][0].start_mark.index, "")
        return self._cut(self._extent(*pairs[index - 1])[1], end, "")

    def _extent(self, key: Node, value: Node) -> tuple[int, int]:
        """Find where a value stands: the parser's marks run on over comments and to aliases."""
        if _is_alias(key, value):
            alias = _ALIAS.match(self.text, key.end_mark.index)
            if alias is None:
                raise SpliceError
            return alias.span(1)
        start, end = value.start_mark.index, value.end_mark.index
        if start == end:
            colon = _COLON.match(self.text, key.end_mark.index)
            if colon is None:
                raise SpliceError
            return colon.end(), colon.end()
        if isinstance(value, ScalarNode) or getattr(value, "flow_style", False):
            return start, end
        if not isinstance(value, MappingNode):
            raise SpliceError  # a block sequence: none of the release keys holds one
        return start, self._extent(*value.value[-1])[1]

    def _line_end(self, index: int) -> int:
        found = re.compile(r"\r?\n|\Z").search(self.text, index)
        return found.start() if found else len(self.text)

    def _cut(self, start: int, end: int, new: str) -> str:
        return self.text[:start] + new + self.text[end:]

    @property
    def _newline(self) -> str:
        return "\r\n" if "\r\n" in self.text else "\n"


def _find(node: Node, key: str) -> tuple[Node, Node] | None:
    pairs = node.value if isinstance(node, MappingNode) else []
    return next((pair for pair in pairs if pair[0].value == key), None)


def _is_alias(key: Node, value: Node) -> bool:
    """Tell an alias: it is the anchor's own node, which stands before the key."""
    return bool(value.start_mark.index < key.end_mark.index)


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_plain(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, bool):
        return "true" if value else "false"
    return _plain(value) if isinstance(value, str) else str(value)


def _plain(text: str) -> str:
    """Quote what YAML would read as something else than this text."""
    return text if YAML(typ="safe", pure=True).load(text) == text else json.dumps(text)
