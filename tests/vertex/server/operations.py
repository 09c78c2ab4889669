"""Long operations: each takes its time, or is held, and has its effect when it ends."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from google.longrunning import operations_pb2  # type: ignore[import-untyped]
from google.protobuf import any_pb2

from tests.vertex.server.api_error import ApiError


@dataclass(kw_only=True)
class Operation:
    """What is under way; `effect` gives the response's message, or raises what went wrong."""

    name: str
    method: str
    parent: str
    due: float
    effect: Callable[[], Any]
    metadata: Any
    done: bool = False
    error: ApiError | None = None
    response: Any = None


@dataclass(kw_only=True)
class Operations:
    """All of them. Time passes when somebody asks."""

    seconds: dict[str, float] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    all: dict[str, Operation] = field(default_factory=dict)
    default_seconds: float = 0.0

    def start(self, method: str, parent: str, metadata: Any, effect: Callable[[], Any]) -> Any:
        name = f"{parent}/operations/{len(self.all) + 1}"
        due = time.monotonic() + self.seconds.get(method, self.default_seconds)
        operation = Operation(
            name=name, method=method, parent=parent, due=due, effect=effect, metadata=metadata
        )
        self.all[name] = operation
        return self.message(operation)

    def pass_time(self) -> None:
        now = time.monotonic()
        for operation in self.all.values():
            if operation.done or operation.due > now or operation.method in self.held:
                continue
            operation.done = True
            try:
                operation.response = operation.effect()
            except ApiError as error:
                operation.error = error

    def running(self, parent: str) -> list[Operation]:
        return [entry for entry in self.all.values() if entry.parent == parent and not entry.done]

    def message(self, operation: Operation) -> Any:
        message = operations_pb2.Operation(name=operation.name, done=operation.done)
        message.metadata.CopyFrom(packed(operation.metadata))
        if operation.error is not None:
            message.error.code = operation.error.code.value[0]
            message.error.message = operation.error.message
        elif operation.done:
            message.response.CopyFrom(packed(operation.response))
        return message


def packed(message: Any) -> any_pb2.Any:
    box = any_pb2.Any()
    box.Pack(getattr(message, "_pb", message))
    return box
