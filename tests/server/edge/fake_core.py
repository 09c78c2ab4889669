"""A core without TensorFlow: one model that adds, so that the edge is tested by itself."""

import asyncio
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from local_model_server.domain import (
    Code,
    ModelConfig,
    Servable,
    ServingError,
    VersionState,
    VersionStatus,
)

if TYPE_CHECKING:
    from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
    from tensorflow_serving.apis.classification_pb2 import ClassificationResult
    from tensorflow_serving.apis.input_pb2 import Input
    from tensorflow_serving.apis.regression_pb2 import RegressionResult

Outputs = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class FakeTensorInfo:
    dtype: int


@dataclass(frozen=True)
class FakeSignature:
    inputs: Mapping[str, FakeTensorInfo]


@dataclass(frozen=True, kw_only=True)
class FakeServable:
    name: str
    version: int
    inputs: Mapping[str, int]

    @property
    def signatures(self) -> "Mapping[str, SignatureDef]":
        inputs = {name: FakeTensorInfo(dtype) for name, dtype in self.inputs.items()}
        return {"serving_default": cast("SignatureDef", FakeSignature(inputs))}


@dataclass
class FakeCore:
    """Manager and dispatcher in one: model `sum` answers the sum of each instance.

    An instance that sums to -1 waits until `release` is set; -2 fails with a plain error.
    """

    inputs: Mapping[str, int] = field(default_factory=lambda: {"x": 1})
    release: asyncio.Event = field(default_factory=asyncio.Event)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    leases: int = 0

    def _find(self, name: str, version: int | None, label: str | None) -> int:
        if name != "sum" or version not in (None, 1, 2) or label not in (None, "stable"):
            raise ServingError(Code.NOT_FOUND, f"Servable not found for request: {name}")
        return 1 if label else version or 2

    @contextmanager
    def lease(
        self, name: str, *, version: int | None = None, label: str | None = None
    ) -> Iterator[FakeServable]:
        found = self._find(name, version, label)
        self.leases += 1
        try:
            yield FakeServable(name=name, version=found, inputs=self.inputs)
        finally:
            self.leases -= 1

    def statuses(
        self, name: str, *, version: int | None = None, label: str | None = None
    ) -> Sequence[VersionStatus]:
        self._find(name, version, label)
        return (
            VersionStatus(version=2, state=VersionState.AVAILABLE),
            VersionStatus(
                version=1, state=VersionState.END, code=Code.INTERNAL, message='broken "file"'
            ),
        )

    async def reload(self, models: Sequence[ModelConfig]) -> None:
        raise NotImplementedError

    async def run(
        self,
        servable: Servable,
        signature_name: str,
        inputs: Outputs,
        output_filter: Sequence[str] = (),
    ) -> Outputs:
        del signature_name, output_filter
        x = inputs["x"]
        if x.ndim and (x == -1).any():
            self.started.set()
            await self.release.wait()
        if x.ndim and (x == -2).any():
            raise RuntimeError("the model broke")
        if x.ndim and (x == -3).any():
            raise ServingError(Code.RESOURCE_EXHAUSTED, "the queue is full")
        axes = tuple(range(1, x.ndim))
        return {"y": x.sum(axis=axes, dtype=np.float32) * np.float32(servable.version)}

    def classify(
        self, servable: Servable, signature_name: str, examples: "Input"
    ) -> "Awaitable[ClassificationResult]":
        raise NotImplementedError

    def regress(
        self, servable: Servable, signature_name: str, examples: "Input"
    ) -> "Awaitable[RegressionResult]":
        raise NotImplementedError
