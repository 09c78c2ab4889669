"""What an identity on AWS may do, or who may be it, as IAM's documents. Pure.

Every document is made of statements that say why they are there: one test looks at all of them with
strict eyes, and the table in docs/aws.md is made of their reasons.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

_POLICY_VERSION: Final = "2012-10-17"

Conditions = Mapping[str, Mapping[str, str | Sequence[str]]]


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One thing that is allowed, or denied, and why."""

    sid: str
    why: str
    actions: Sequence[str]
    resources: Sequence[str] = ()
    not_resources: Sequence[str] = ()
    principal: Mapping[str, str | Sequence[str]] | None = None
    conditions: Conditions = field(default_factory=dict)
    effect: str = "Allow"


def document(statements: Sequence[Statement]) -> str:
    """Write a policy; equal statements give equal text, so that no preview sees a change."""
    return json.dumps(
        {"Version": _POLICY_VERSION, "Statement": [_plain(one) for one in statements]},
        sort_keys=True,
    )


def _plain(statement: Statement) -> dict[str, Any]:
    said: dict[str, Any] = {
        "Sid": statement.sid,
        "Effect": statement.effect,
        "Action": list(statement.actions),
    }
    if statement.resources:
        # One is written as AWS gives it back, so that no refresh sees a change.
        only = len(statement.resources) == 1
        said["Resource"] = statement.resources[0] if only else list(statement.resources)
    if statement.not_resources:
        said["NotResource"] = list(statement.not_resources)
    if statement.principal is not None:
        said["Principal"] = statement.principal
    if statement.conditions:
        said["Condition"] = statement.conditions
    return said
