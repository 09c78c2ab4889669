"""The YAML of a stack file, read so that it means here what it means to the engine.

Readers of YAML disagree on `010`, `0x10`, `1_0` and dates. Only a plain whole number is one here;
everything else of that kind stays the text that was written, which no field takes for a number.
"""

import json
import os
import re
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import ScalarNode

from infra.config.problems import NAMESPACE, ConfigError, Problem

_PLAIN_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]{0,18})")


class _PlainConstructor(SafeConstructor):
    """Makes of an ambiguous scalar the text that was written."""


def _number_or_text(_: object, node: ScalarNode) -> int | str:
    text = str(node.value)
    return int(text) if _PLAIN_NUMBER.fullmatch(text) else text


def _text(_: object, node: ScalarNode) -> str:
    return str(node.value)


_PlainConstructor.add_constructor("tag:yaml.org,2002:int", _number_or_text)
_PlainConstructor.add_constructor("tag:yaml.org,2002:timestamp", _text)


def read_document(path: Path) -> dict[Any, Any]:
    """Read a stack file's mapping; whatever is wrong with it is one line."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _PlainConstructor
    try:
        document = yaml.load(path.read_text(encoding="utf-8-sig"))
        # An alias may put a mapping into itself, which nothing after this could walk through.
        json.dumps(document, default=str, skipkeys=True)
    except FileNotFoundError:
        stacks = _stacks_beside(path)
        there = f"The stacks here are: {', '.join(stacks)}" if stacks else "There is no stack here"
        raise _refusal(path, "there is no such stack file", there) from None
    except OSError as error:
        said = os.strerror(error.errno or 0)
        raise _refusal(path, f"it cannot be read: {said}", "Make it a readable file") from None
    except UnicodeDecodeError:
        raise _refusal(path, "it is not UTF-8 text", "Save it as UTF-8") from None
    except RecursionError:
        raise _refusal(path, "it nests too deep", "Write it flat, without aliases") from None
    except (YAMLError, ValueError) as error:
        raise _syntax_refusal(path, error) from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        remedy = f"Write for example: config: {{{NAMESPACE}:platform: local}}"
        raise _refusal(path, "a stack file is a mapping", remedy)
    return document


def _syntax_refusal(path: Path, error: Exception) -> ConfigError:
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    reason = getattr(error, "problem", None) or str(error).partition("\n")[0]
    remedy = "Mend it there or just above" if mark else "Mend it"
    return _refusal(path, f"this is not YAML: {reason}", remedy, where)


def _stacks_beside(path: Path) -> list[str]:
    return sorted(
        file.name.removeprefix("Pulumi.").removesuffix(".yaml")
        for file in path.parent.glob("Pulumi.*.yaml")
    )


def _refusal(path: Path, rule: str, remedy: str, where: str = "") -> ConfigError:
    return ConfigError([Problem(file=path.name, key=where, rule=rule, remedy=remedy)])
