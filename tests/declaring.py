"""What a Pulumi program, or a component alone, would have the engine make: recorded under mocks.

Each run has an event loop and a root of its own, whatever other tests left behind, and is drained:
what is looked at afterwards is all there, and an assertion inside `apply` that fails fails the
test. Transforms do not run here; what needs them, or real diffs, belongs to the engine's tests.
"""

import asyncio
import contextvars
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi.runtime import rpc
from pulumi.runtime.mocks import MockEngine, MockMonitor

_STACK = "pulumi:pulumi:Stack"

# From a resource's type and inputs, or from a function's token and arguments.
Answers = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Declared:
    """One resource; `request` is all that the engine was told of it, its options included."""

    urn: str
    type: str
    name: str
    parent: str
    inputs: Mapping[str, Any]
    request: Any = field(repr=False)


class Declaration(pulumi.runtime.Mocks):
    """All that was declared, in the order in which the engine heard of it."""

    def __init__(self, *, outputs_of: Answers, answer_of: Answers, preview: bool) -> None:
        self.resources: list[Declared] = []
        # By URN: what components registered, and what the program exported.
        self.outputs: dict[str, Mapping[str, Any]] = {}
        self._outputs_of = outputs_of
        self._answer_of = answer_of
        self._preview = preview

    @property
    def exports(self) -> Mapping[str, Any]:
        """Give what the program exported."""
        return next(found for urn, found in self.outputs.items() if f"::{_STACK}::" in urn)

    def of_type(self, type_: str) -> list[Declared]:
        """Give the resources of a type."""
        return [one for one in self.resources if one.type == type_]

    def one(self, type_: str, name: str | None = None) -> Declared:
        """Give the only resource of a type, or the one of a name."""
        found = [one for one in self.of_type(type_) if name in {None, one.name}]
        assert len(found) == 1, f"{len(found)} of {type_} {name or ''} in {self.resources}"
        return found[0]

    def new_resource(
        self, args: pulumi.runtime.MockResourceArgs
    ) -> tuple[str | None, dict[Any, Any]]:
        """Answer as a provider would, which has nothing to tell in a preview."""
        if self._preview:
            return None, dict(args.inputs)
        return f"{args.name}-id", {**args.inputs, **self._outputs_of(args.typ, args.inputs)}

    def call(self, args: pulumi.runtime.MockCallArgs) -> dict[Any, Any]:  # type: ignore[override]
        """Answer a function of a provider."""
        return dict(self._answer_of(args.token, args.args))


class _Monitor(MockMonitor):
    """Keeps also what the mocks are not told: parents, options, and outputs."""

    mocks: Declaration

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 the protocol's name
        answer = super().RegisterResource(request)  # type: ignore[no-untyped-call]
        if request.type != _STACK:
            self.mocks.resources.append(
                Declared(
                    urn=answer.urn,
                    type=request.type,
                    name=request.name,
                    parent=request.parent,
                    inputs=rpc.deserialize_properties(request.object),
                    request=request,
                )
            )
        return answer

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802 the protocol's name
        self.mocks.outputs[request.urn] = rpc.deserialize_properties(request.outputs)
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call]


def _nothing(_type: str, _inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    return {}


def _unexpected(token: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    raise AssertionError(f"{token} was called with {arguments}")


def declare(
    program: Callable[[], object],
    *,
    outputs_of: Answers = _nothing,
    answer_of: Answers = _unexpected,
    project: str = "servestack",
    stack: str = "test",
    preview: bool = False,
) -> Declaration:
    """Run a program to its end and give what it declared.

    `outputs_of(type, inputs)` gives what a provider adds to a resource's inputs, and
    `answer_of(token, arguments)` what it answers to a function. With `preview` only inputs are
    known, so that an `apply` on anything else does not run.
    """
    declaration = Declaration(outputs_of=outputs_of, answer_of=answer_of, preview=preview)

    def body() -> None:
        program()

    def run() -> None:
        pulumi.runtime.configure(
            pulumi.runtime.Settings(
                project,
                stack,
                monitor=_Monitor(declaration),
                engine=MockEngine(None),
                dry_run=preview,
                organization="organization",
            )
        )
        with asyncio.Runner() as runner:
            runner.run(pulumi.runtime.run_in_stack(body))

    # What Pulumi knows of a run are variables of its context.
    contextvars.Context().run(run)
    return declaration
