"""What one call for predictions is: the target, what goes in, what comes out, how it can fail.

Owns the words between the client, which decides, and the transports, each of which speaks one
service's protocol and does one attempt.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from numpy.typing import ArrayLike, NDArray
from pydantic import JsonValue

from model_export.errors import ModelExportError
from model_export.manifest import Signature
from model_export.tensors import rows

DEFAULT_SIGNATURE: Final = "serving_default"

Rows = Sequence[JsonValue]
Columns = Mapping[str, ArrayLike]
Signatures = Mapping[str, Signature]

# What a failure means for whoever thinks of asking again:
#   instances     they were refused, or the model failed on them; others may do
#   not executed  nothing was run: it was not reached, or it turned the request away
#   unknown       the request may have been run, only its answer is missing
#   late          the deadline is over
#   final         the same request fails again
Failure = Literal["instances", "not executed", "unknown", "late", "final"]


@dataclass(frozen=True, kw_only=True)
class Target:
    """What to ask: a model, at most one of version and label, a signature."""

    model: str | None = None
    version: int | None = None
    label: str | None = None
    signature: str = DEFAULT_SIGNATURE


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """The model's outputs by name, each an array of the model's dtype, instances first.

    Strings are bytes in an array of objects, as in TensorFlow.
    """

    outputs: Mapping[str, NDArray[Any]]
    instance_count: int

    def rows(self) -> tuple[JsonValue, ...]:
        """Give one JSON value for each instance: a bare one where there is one output."""
        return rows(self.outputs, self.instance_count)


class CallError(ModelExportError):
    """A call that failed, and what that means for another attempt."""

    def __init__(
        self, message: str, failure: Failure, *, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message)
        self.failure: Failure = failure
        self.retry_after_seconds = retry_after_seconds


class Transport(Protocol):
    """One service's protocol for one target, over kept connections; safe in several threads.

    Each method makes one attempt, ends within its time, and raises a CallError.
    """

    def signatures(self, timeout_seconds: float) -> Signatures | None:
        """Ask for the model's metadata; None where the service has none to give."""

    def predict(
        self, inputs: Rows | Columns, signature: Signature | None, timeout_seconds: float
    ) -> Mapping[str, NDArray[Any]]:
        """Ask for predictions, instances first in each output."""

    def close(self) -> None:
        """End the connections."""


def unreachable(endpoint: str, reason: object, failure: Failure) -> CallError:
    """Say that there was no answer at all."""
    return CallError(f"No answer from {endpoint}: {reason}. Is the server up?", failure)


def too_late(endpoint: str, timeout_seconds: float) -> CallError:
    """Say that the deadline is over."""
    return CallError(
        f"No answer from {endpoint} within {timeout_seconds:g} s. Allow more time, or send fewer "
        "instances at once.",
        "late",
    )
