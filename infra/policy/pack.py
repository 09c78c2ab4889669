"""The rules as a pack of Pulumi's: what the engine asks, and what it is told.

Every rule is a policy of its id. What is exempted is told by one more, which only advises, so that
nothing passes in silence. The stack's configuration is read from its file, found by the stack's
name beside Pulumi.yaml: a pack is not told it.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from infra.config.load import read_stack_file
from infra.config.model import StackConfig
from infra.config.problems import ConfigError
from infra.policy.judging import EXEMPTED, exempted, forbidden
from infra.policy.rules import RULES, Rule
from infra.policy.subject import STACK_TYPE, UNKNOWN, Resource, Surroundings

NAME: Final = "servestack"
_LEVELS: Final = {
    "advisory": EnforcementLevel.ADVISORY,
    "mandatory": EnforcementLevel.MANDATORY,
}


def make_pack() -> None:
    """Start to answer the engine."""
    PolicyPack(
        NAME,
        description="What a stack of servestack must be before it is deployed.",
        policies=[*(_policy(rule) for rule in RULES), _exempted()],
    )


def _policy(rule: Rule) -> ResourceValidationPolicy:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        for text in forbidden(rule, *_subject(args)):
            report(text, None)

    return ResourceValidationPolicy(
        name=str(rule.id),
        description=rule.reason,
        enforcement_level=_LEVELS[rule.level],
        validate=validate,
    )


def _exempted() -> ResourceValidationPolicy:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        for text in exempted(*_subject(args)):
            report(text, None)

    return ResourceValidationPolicy(
        name=EXEMPTED,
        description="Broken on purpose, by servestack:policy.exemptions.",
        enforcement_level=EnforcementLevel.ADVISORY,
        validate=validate,
    )


def _subject(args: ResourceValidationArgs) -> tuple[Resource, Surroundings]:
    type_ = args.resource_type
    # The stack's own resource is called PROJECT-STACK; people call it by its name alone.
    stack = args.urn.split("::", 1)[0].rpartition(":")[2]
    name = stack if type_ == STACK_TYPE else args.name
    resource = Resource(type=type_, name=name, props=plain(args.props))
    today = datetime.now(UTC).date()
    return resource, Surroundings(config=_config(stack), today=today)


@cache
def _config(stack: str) -> StackConfig | None:
    try:
        return read_stack_file(Path.cwd() / f"Pulumi.{stack}.yaml")
    except ConfigError:
        # The program itself has refused it already, with every mistake.
        return None


def plain(value: Any) -> Any:
    """Take plain values out of the SDK's guards, which raise where something is not known yet."""
    if isinstance(value, Mapping):
        return {key: _known(partial(value.__getitem__, key)) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_known(partial(value.__getitem__, index)) for index in range(len(value))]
    return value


def _known(read: Callable[[], Any]) -> Any:
    try:
        return plain(read())
    except UnknownValueError:
        return UNKNOWN
