"""Asks for predictions, in the same words wherever the model runs.

Owns what all services have in common: the deadline, the retries, the model's metadata and how long
it is believed. What goes over the wire is the business of `prediction`. Needs no TensorFlow.

    with connect("grpc://127.0.0.1:8500", model="heart") as client:
        answer = client.predict([{"age": 63, …}, {"age": 41, …}])
        answer.outputs["probability"]    # an array of float32, one row for each instance
        answer.rows()                    # the same as JSON values
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Final, NamedTuple, Self, TypeVar

from model_export.errors import ModelExportError, RefusedError
from model_export.manifest import Signature
from model_export.prediction.call import (
    DEFAULT_SIGNATURE,
    CallError,
    Columns,
    Predictions,
    Rows,
    Signatures,
    Target,
    Transport,
)
from model_export.prediction.endpoint import (
    Endpoint,
    GrpcEndpoint,
    RestEndpoint,
    SageMakerEndpoint,
    VertexEndpoint,
    parse_endpoint,
)
from model_export.prediction.instances import instance_count
from model_export.prediction.retries import Deadline, Retries

__all__ = ["AsyncClient", "CallError", "Client", "Predictions", "Retries", "connect"]

DEFAULT_TIMEOUT_SECONDS: Final = 60.0
DEFAULT_CONNECTIONS: Final = 16
# A label moves and a newer version comes; a version's own metadata never changes.
_METADATA_SECONDS: Final = 60.0
_METADATA_LEAST_SECONDS: Final = 1.0
_T = TypeVar("_T")


class _Metadata(NamedTuple):
    """What the model said of itself, and since when that is known."""

    signatures: Signatures | None
    since: float


class Client:
    """Predictions of one `target` at one endpoint, `where`; many threads may use it at once."""

    def __init__(
        self,
        transport: Transport,
        target: Target,
        *,
        where: str,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        retries: Retries | None = None,
        signatures: Signatures | None = None,
    ) -> None:
        self._transport = transport
        self.target = target
        self.where = where
        self._timeout_seconds = timeout_seconds
        self._retries = retries or Retries()
        self._given = signatures
        self._known: _Metadata | None = None

    def predict(
        self, instances: Rows | Columns, *, timeout_seconds: float | None = None
    ) -> Predictions:
        """Give the model's outputs for the instances, in their order.

        Instances are rows (a list of JSON values: an object with a value for each input, or the
        bare value where there is one input) or columns (an array for each input, by its name). The
        deadline is for all of it: metadata, attempts and pauses.
        """
        return self.predict_by(self.begin(timeout_seconds), instances)

    def signature(self) -> Signature | None:
        """Give what the model takes and answers; None where the service does not tell."""
        return self._signature(self.begin())

    def begin(self, timeout_seconds: float | None = None) -> Deadline:
        """Begin to count a call's time."""
        seconds = self._timeout_seconds if timeout_seconds is None else timeout_seconds
        return Deadline(self.where, seconds, time.monotonic() + seconds)

    def predict_by(self, deadline: Deadline, instances: Rows | Columns) -> Predictions:
        """Give the model's outputs before a deadline that may have begun earlier."""
        count = instance_count(instances)
        if not count:
            raise RefusedError("There are no instances to predict; give a list of at least one.")
        signature = self._signature(deadline)
        ask = self._transport.predict
        try:
            outputs = self._retries.call(deadline, ask, instances, signature)
        except ModelExportError as error:
            at_fault = (
                isinstance(error, RefusedError) or getattr(error, "failure", "") == "instances"
            )
            newer = self._newer_signature(deadline) if at_fault else None
            if newer is None or newer == signature:
                raise
            outputs = self._retries.call(deadline, ask, instances, newer)
        return Predictions(outputs=outputs, instance_count=count)

    def close(self) -> None:
        """End the connections."""
        self._transport.close()

    def _signature(self, deadline: Deadline) -> Signature | None:
        signatures = self._given or self._metadata(deadline).signatures
        if signatures is None:
            return None
        name = self.target.signature
        if name not in signatures:
            of = f"Model '{self.target.model}'" if self.target.model else self.where
            raise RefusedError(
                f"{of} has no signature '{name}' (it has: {', '.join(signatures) or 'none'})."
            )
        return signatures[name]

    def _newer_signature(self, deadline: Deadline) -> Signature | None:
        """Look again, unless just now: another version may serve that takes something else."""
        known = self._known
        if known is None or self.target.version:
            return None
        if time.monotonic() - known.since < _METADATA_LEAST_SECONDS:
            return None
        self._known = None
        return self._signature(deadline)

    def _metadata(self, deadline: Deadline) -> _Metadata:
        known = self._known
        if known and (self.target.version or time.monotonic() - known.since < _METADATA_SECONDS):
            return known
        signatures = self._retries.call(deadline, self._transport.signatures)
        self._known = known = _Metadata(signatures, time.monotonic())
        return known


class AsyncClient:
    """A client's calls for asyncio: each waits in a thread of its own, at most so many at once.

    An await that is cancelled ends at once; the request that it made ends by its own deadline.
    """

    def __init__(self, client: Client, *, calls_at_once: int = DEFAULT_CONNECTIONS) -> None:
        self._client = client
        self._pool = ThreadPoolExecutor(calls_at_once, thread_name_prefix="predict")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def predict(
        self, instances: Rows | Columns, *, timeout_seconds: float | None = None
    ) -> Predictions:
        """Give the model's outputs; the deadline counts from here, a wait for a thread too."""
        call = self._client.begin(timeout_seconds)
        return await self._run(partial(self._client.predict_by, call, instances))

    async def signature(self) -> Signature | None:
        """Give what the model takes and answers; None where the service does not tell."""
        return await self._run(self._client.signature)

    async def _run(self, call: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)


@contextmanager
def connect(  # noqa: PLR0913 keywords, each with a default
    endpoint: str,
    *,
    model: str | None = None,
    version: int | None = None,
    label: str | None = None,
    signature: str = DEFAULT_SIGNATURE,
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    retries: Retries | None = None,
    connections: int = DEFAULT_CONNECTIONS,
    signatures: Signatures | None = None,
) -> Iterator[Client]:
    """Open a client for http://, grpc://, vertex:// or sagemaker://; see docs/predict.md.

    `signatures`, as a version's manifest has them, give types to Vertex and SageMaker too.
    """
    place = parse_endpoint(endpoint)
    if isinstance(place, RestEndpoint):
        model = model or place.model
    target = Target(model=model, version=version, label=label, signature=signature)
    _check(place, target)
    retries = retries or Retries()
    client = Client(
        _transport(place, target, connections, timeout_seconds, retries),
        target,
        where=place.name,
        timeout_seconds=timeout_seconds,
        retries=retries,
        signatures=signatures,
    )
    try:
        yield client
    finally:
        client.close()


def _transport(
    place: Endpoint, target: Target, connections: int, timeout_seconds: float, retries: Retries
) -> Transport:
    # Each is imported when it is asked for: gRPC and the clouds' clients are slow to load.
    match place:
        case RestEndpoint():
            from model_export.prediction.rest import RestTransport  # noqa: PLC0415

            return RestTransport(place, target, connections)
        case GrpcEndpoint():
            from model_export.prediction.grpc_transport import GrpcTransport  # noqa: PLC0415

            return GrpcTransport(place, target, repeats=retries.idempotent)
        case VertexEndpoint():
            from model_export.prediction.vertex import VertexTransport  # noqa: PLC0415

            return VertexTransport(place, target)
        case SageMakerEndpoint():
            from model_export.prediction.sagemaker import SageMakerTransport  # noqa: PLC0415

            return SageMakerTransport(place, target, connections, timeout_seconds)


def _check(place: Endpoint, target: Target) -> None:
    """Refuse what the service has no words for."""
    if target.version is not None and target.label is not None:
        raise RefusedError("Give a version or a label, not both.")
    if isinstance(place, RestEndpoint | GrpcEndpoint) and not target.model:
        raise RefusedError(f"Endpoint {place.name}: say which model, with --model NAME.")
    chosen = {"a model": target.model, "a version": target.version, "a label": target.label}
    if isinstance(place, SageMakerEndpoint):
        chosen = {"a label": target.label}
    for what, value in chosen.items():
        if value is not None and isinstance(place, VertexEndpoint | SageMakerEndpoint):
            raise RefusedError(
                f"{place.name}: {what} cannot be asked for there; the endpoint itself says what "
                "serves."
            )
