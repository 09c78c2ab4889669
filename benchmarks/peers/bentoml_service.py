"""The model as a BentoML service: `bentoml serve bentoml_service:Classifier`."""

from typing import Annotated, Any, Final

import bentoml
import numpy as np
from bentoml.validators import DType, Shape
from numpy.typing import NDArray
from savedmodel import DTYPE, MAX_BATCH_SIZE, WORKERS, load_signature

# BentoML reads the element type both from the array's type and from the validator.
ImageBatch = Annotated[NDArray[np.dtype(DTYPE).type], DType(DTYPE), Shape((-1, 28, 28))]

# BentoML finds the window itself, within this latency.
_BATCHING: Final[dict[str, Any]] = {
    "batchable": True,
    "max_batch_size": MAX_BATCH_SIZE,
    "max_latency_ms": 10_000,
}


@bentoml.service(workers=WORKERS, traffic={"timeout": 30}, logging={"access": {"enabled": False}})
class Classifier:
    """One copy of the model in each worker process."""

    def __init__(self) -> None:
        self._call = load_signature()

    @bentoml.api(**(_BATCHING if MAX_BATCH_SIZE else {}))
    def predict(self, images: ImageBatch) -> NDArray[np.float32]:
        """Classify a batch of images."""
        return self._call(images)
