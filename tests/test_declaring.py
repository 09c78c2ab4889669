"""The tests of components fail when they should, and stand apart from each other."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pulumi
import pytest

from tests.declaring import declare


class _Thing(pulumi.CustomResource):
    colour: pulumi.Output[str]

    def __init__(
        self, name: str, colour: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("test:index:Thing", name, {"colour": colour, "shade": None}, opts)


class _Group(pulumi.ComponentResource):
    def __init__(self, name: str) -> None:
        super().__init__("test:index:Group", name)
        thing = _Thing("inner", "red", pulumi.ResourceOptions(parent=self, protect=True))
        self.register_outputs({"colour": thing.colour})


def _claim(colour: str, claimed: str) -> None:
    assert colour == claimed


def test_a_false_assertion_inside_apply_fails() -> None:
    def program(claimed: str) -> None:
        _Thing("a", "red").colour.apply(lambda colour: _claim(colour, claimed))

    declare(lambda: program("red"))
    with pytest.raises(AssertionError):
        declare(lambda: program("blue"))


def test_a_false_assertion_deep_inside_applies_fails() -> None:
    def inner(colour: str) -> None:
        _Thing("b", colour).colour.apply(lambda found: _claim(found, "blue"))

    with pytest.raises(AssertionError):
        declare(lambda: _Thing("a", "red").colour.apply(inner))


def test_an_error_of_the_program_is_raised() -> None:
    def program() -> None:
        _Thing("a", "red")
        raise pulumi.RunError("no")

    with pytest.raises(pulumi.RunError, match="no"):
        declare(program)


def test_a_call_that_nobody_expects_fails() -> None:
    with pytest.raises(Exception, match="test:index:look was called"):
        declare(lambda: pulumi.runtime.invoke("test:index:look", {}))


def test_all_that_was_declared_is_seen() -> None:
    def program() -> None:
        group = _Group("group")
        thing = _Thing("outer", "blue", pulumi.ResourceOptions(depends_on=[group]))
        pulumi.export("size", thing.colour.apply(len))

    declaration = declare(program)
    group, inner = declaration.one("test:index:Group"), declaration.one("test:index:Thing", "inner")
    assert inner.parent == group.urn
    assert inner.inputs == {"colour": "red"}
    assert inner.request.protect
    assert len(declaration.of_type("test:index:Thing")) == 2
    assert declaration.outputs[group.urn] == {"colour": "red"}
    assert declaration.exports == {"size": 4.0}


def test_a_provider_adds_outputs_and_answers_calls() -> None:
    def outputs_of(type_: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"colour": f"{type_} {inputs['colour']}"}

    seen: list[str] = []

    def program() -> None:
        _Thing("a", "red").colour.apply(seen.append)
        pulumi.export("found", pulumi.runtime.invoke("test:index:look", {}).value["found"])

    declaration = declare(
        program, outputs_of=outputs_of, answer_of=lambda token, _: {"found": token}
    )
    assert seen == ["test:index:Thing red"]
    assert declaration.exports == {"found": "test:index:look"}


def test_in_a_preview_what_only_a_provider_knows_is_unknown() -> None:
    seen: list[str] = []
    declaration = declare(lambda: _Thing("a", "red").id.apply(seen.append), preview=True)
    assert seen == []
    assert declaration.one("test:index:Thing").inputs == {"colour": "red"}


async def _nothing() -> None:
    pass


def test_it_does_not_matter_which_event_loop_another_test_left() -> None:
    for _ in range(2):
        assert declare(lambda: _Thing("a", "red")).one("test:index:Thing").name == "a"
        asyncio.run(_nothing())  # leaves none
        closed = asyncio.new_event_loop()
        closed.close()
        assert len(declare(lambda: _Thing("a", "red")).resources) == 1
        asyncio.set_event_loop(closed)
        assert len(declare(lambda: _Thing("a", "red")).resources) == 1
        asyncio.set_event_loop(None)
