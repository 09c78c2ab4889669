"""The committed stack files of Google Cloud keep the project's own policies."""

from datetime import date

import pytest

from infra.config import read_stack_file
from infra.policy.rules import RULES
from infra.policy.subject import Resource, Surroundings
from tests.gcp.inventory import CHECKOUT, STACKS, declared_by


@pytest.mark.slow
@pytest.mark.parametrize("stack", STACKS)
def test_a_stack_file_breaks_no_policy(stack: str) -> None:
    config = read_stack_file(CHECKOUT / f"Pulumi.{stack}.yaml")
    around = Surroundings(config=config, today=date(2026, 11, 25))
    made = declared_by(stack).resources
    assert len(made) > 20
    broken = [
        f"{rule.id}: {one.type} {one.name}: {problem}"
        for one in made
        for rule in RULES
        for problem in rule.broken(Resource(type=one.type, name=one.name, props=one.inputs), around)
    ]
    assert broken == []
