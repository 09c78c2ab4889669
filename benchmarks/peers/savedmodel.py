"""The one way in which every peer calls the SavedModel, and what each is told by environment.

None of the peers has a runtime for TensorFlow of its own, so each gets the shortest code that its
documentation allows: load once, call the signature.
"""

import os
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# The version's directory, and the dtype of its one input.
MODEL_PATH: Final = os.environ["BENCHMARK_MODEL"]
DTYPE: Final = os.environ["BENCHMARK_DTYPE"]
WORKERS: Final = int(os.environ["BENCHMARK_WORKERS"])
# 0 is without batching.
MAX_BATCH_SIZE: Final = int(os.environ["BENCHMARK_MAX_BATCH_SIZE"])
BATCH_SECONDS: Final = float(os.environ["BENCHMARK_BATCH_SECONDS"])


def load_signature() -> Callable[[Array], Array]:
    """Load the model and make its default signature a function of one batch of images."""
    import tensorflow as tf  # noqa: PLC0415 only the worker processes need it

    loaded: Any = tf.saved_model.load(MODEL_PATH)
    signature = loaded.signatures["serving_default"]
    [input_name] = signature.structured_input_signature[1]

    def call(images: Array, *, _owner: Any = loaded) -> Array:
        # The signature lives only as long as the object that it was taken from.
        answer: Array = signature(**{input_name: tf.constant(images)})["probabilities"].numpy()
        return answer

    call(np.zeros((1, 28, 28), DTYPE))
    return call
