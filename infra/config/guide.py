"""The reference of all settings, made from the model: `python -m infra.config.guide`.

Owns `docs/configuration.md`; what it says of a field is the field's own description and rule.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic.fields import FieldInfo

from infra.config.fields import ANY_NAME, accepts, all_fields, children, leaf_fields, named_sections
from infra.config.problems import NAMESPACE
from infra.config.refusals import REFUSALS, Refusal
from infra.config.values import Platform, Target

GUIDE_PATH: Final = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"

_START: Final = f"""\
# Configuration

<!-- Made by `python -m infra.config.guide`; change the model or this program instead. -->

A stack is an environment: one file `Pulumi.STACK.yaml`, on one platform. Its settings stand below
`config:`, each with `{NAMESPACE}:` before its name:

```yaml
# yaml-language-server: $schema=schema/stack.schema.json
config:
  {NAMESPACE}:platform: local
  {NAMESPACE}:models:
    heart:
      version: 2
      canary:
        version: 3
        share: 10
```

The first line makes editors complete and check. `pulumi config set --path models.heart.version 2`
writes the same. Every mistake is told at once, each with its key and what to write instead, and
nothing is without effect: what a platform cannot honour is refused there ([below](#refused)).
A setting without a value is refused too; what is not wanted is left out.
"""


def guide() -> str:
    """Give the document's text."""
    sections = ["", *(path for path in all_fields() if path not in leaf_fields())]
    parts = [_START, *(_section(path) for path in sections), _refusals()]
    return "\n".join(parts)


def _section(path: str) -> str:
    if path in named_sections():
        path = f"{path}.{ANY_NAME}"
    info = all_fields().get(path.removesuffix(f".{ANY_NAME}"))
    rows = [_row(f"{path}.{key}" if path else key) for key in children(path)]
    lines = [
        f"## {_title(path)}",
        "",
        *([info.description or "", ""] if info else []),
        "| key | takes | when absent | meaning |",
        "|---|---|---|---|",
        *rows,
        "",
    ]
    return "\n".join(lines)


def _title(path: str) -> str:
    return path.replace(ANY_NAME, "NAME") if path else "The stack"


def _anchor(path: str) -> str:
    return _title(path).lower().replace(".", "")


def _row(path: str) -> str:
    info = all_fields()[path]
    key = path.rpartition(".")[2]
    rule = accepts(info) if path in leaf_fields() else None
    inner = f"{path}.{ANY_NAME}" if path in named_sections() else path
    takes = rule.rule if rule else f"[a section](#{_anchor(inner)})"
    return (
        f"| `{key}` | {takes} | {_default(info, is_leaf=rule is not None)} | {info.description} |"
    )


def _default(info: FieldInfo, *, is_leaf: bool) -> str:
    if info.is_required():
        return "refused"
    if not is_leaf or info.json_schema_extra or info.default in (None, (), {}):
        return ""
    shown = str(info.default)
    return f"`{shown.lower() if isinstance(info.default, bool) else shown}`"


def _refusals() -> str:
    lines = [
        '<a id="refused"></a>',
        "",
        "## What is refused where",
        "",
        "| setting | where | why | instead |",
        "|---|---|---|---|",
        *(
            f"| `{_title(entry.field)}{f': {entry.value}' if entry.value else ''}` "
            f"| {', '.join(_places(entry))} | {entry.reason} | {entry.remedy} |"
            for entry in REFUSALS
        ),
        "",
    ]
    return "\n".join(lines)


def _places(entry: Refusal) -> Iterator[str]:
    if entry.targets != frozenset(Target):
        yield from (f"target {target}" for target in Target if target in entry.targets)
    else:
        yield from (f"platform {place}" for place in Platform if place in entry.platforms)
    if len(entry.servers) == 1:
        yield f"server {next(iter(entry.servers))}"


def main() -> None:
    """Write the file."""
    GUIDE_PATH.parent.mkdir(exist_ok=True)
    GUIDE_PATH.write_text(guide(), encoding="utf-8")


if __name__ == "__main__":
    main()
