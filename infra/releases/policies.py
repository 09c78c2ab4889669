"""What the project's policies say of a change of releases, and whether it may be. Pure.

The rules of the pack are asked in this process, about what the preview told and the file as it
would be written: see docs/adr/0023.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final

from infra.config.model import StackConfig
from infra.policy.judging import Finding, judge
from infra.policy.subject import STACK_TYPE, UNKNOWN, Resource, Surroundings
from infra.releases.preview import Preview, is_readable, type_of

_FEW: Final = 3


def findings(
    stack: str, config: StackConfig, preview: Preview | None, today: date
) -> tuple[Finding, ...]:
    """Ask every rule; where there is no preview, about what the configuration says."""
    resources = _resources(stack, preview) if preview else [_stack(stack)]
    return tuple(judge(resources, Surroundings(config=config, today=today)))


def mandatory(found: Sequence[Finding]) -> list[Finding]:
    """Give what forbids the change."""
    return [finding for finding in found if finding.level == "mandatory"]


def advice(found: Sequence[Finding]) -> Iterator[str]:
    """Say what does not forbid it, each rule in few lines."""
    told: dict[str, list[str]] = {}
    for finding in found:
        if finding.level != "mandatory":
            told.setdefault(finding.rule, []).append(finding.text)
    for rule, texts in told.items():
        yield from (f"policy {rule}: {text}" for text in texts[:_FEW])
        if len(texts) > _FEW:
            yield f"policy {rule}: and {len(texts) - _FEW} more"


def refusal(found: Sequence[Finding], file: str, *, is_way_back: bool) -> str:
    """Word why the change may not be, and what can be done about it."""
    lines = [f"  {finding.rule} ({finding.resource}): {finding.text}" for finding in found]
    exempt = f"To break a rule on purpose: servestack:policy.exemptions in {file} (docs/policy.md)"
    now = "\nTo go back at once, all the same: --without-policies REASON" if is_way_back else ""
    return "\n".join(
        ["Mandatory policies forbid it, and nothing was changed:", *lines, exempt + now]
    )


def _stack(stack: str) -> Resource:
    return Resource(type=STACK_TYPE, name=stack, props={})


def _resources(stack: str, preview: Preview) -> Iterator[Resource]:
    yield _stack(stack)
    for urn, inputs in preview.resources.items():
        if (type_ := type_of(urn)) != STACK_TYPE:
            yield Resource(type=type_, name=urn.rpartition("::")[2], props=_marked(inputs))


def _marked(value: Any) -> Any:
    """Mark what a rule cannot see: what is not known yet, and what is secret."""
    if not is_readable(value):
        return UNKNOWN
    if isinstance(value, Mapping):
        return {key: _marked(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_marked(inner) for inner in value]
    return value
