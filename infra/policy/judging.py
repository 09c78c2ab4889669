"""What the rules say of resources, after the stack's exemptions. Pure.

Asked by the pack, which the engine runs, and by whoever has a preview's resources at hand.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from infra.policy.exemptions import Standing, standing
from infra.policy.rules import RULES, Level, Rule
from infra.policy.subject import Problem, Resource, Surroundings

# What is broken on purpose is told by this name, so that nothing passes in silence.
EXEMPTED: Final = "exempted"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one rule says of one resource."""

    rule: str
    level: Level
    text: str
    resource: str


def forbidden(rule: Rule, resource: Resource, around: Surroundings) -> Iterator[str]:
    """Say what breaks the rule, and is not exempt."""
    for problem, stands in _broken(rule, resource, around):
        if not stands.is_exempt:
            yield f"{problem.text}{stands.note}"


def exempted(resource: Resource, around: Surroundings) -> Iterator[str]:
    """Say what breaks any rule, and may."""
    for rule in RULES:
        for problem, stands in _broken(rule, resource, around):
            if stands.is_exempt:
                yield f"{rule.id}: {problem.text}{stands.note}"


def judge(resources: Iterable[Resource], around: Surroundings) -> Iterator[Finding]:
    """Say all that the pack would say of these resources."""
    for resource in resources:
        for rule in RULES:
            for text in forbidden(rule, resource, around):
                yield Finding(
                    rule=str(rule.id), level=rule.level, text=text, resource=resource.name
                )
        for text in exempted(resource, around):
            yield Finding(rule=EXEMPTED, level="advisory", text=text, resource=resource.name)


def _broken(
    rule: Rule, resource: Resource, around: Surroundings
) -> Iterator[tuple[Problem, Standing]]:
    for problem in rule.broken(resource, around):
        yield problem, standing(rule, problem.about, around)
