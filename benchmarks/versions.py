"""SavedModels that tell which version they are, with enough weights that a leak would show."""

from pathlib import Path
from typing import Final

import numpy as np
import tensorflow as tf

# 4 MB a version: fifty that were not freed would be 200 MB.
_WEIGHTS: Final = 1_000_000


class _Version(tf.Module):  # type: ignore[misc]
    """Answers every row with its version."""

    def __init__(self, version: int) -> None:
        super().__init__()
        self._version = version
        self._weights = tf.Variable(np.full(_WEIGHTS, version, np.float32))

    @tf.function(  # type: ignore[untyped-decorator]
        input_signature=[tf.TensorSpec([None], tf.float32, name="x")]
    )
    def __call__(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """Give the version, read from the weights that belong to it."""
        return {"version": tf.fill(tf.shape(x), tf.cast(self._weights[-1], tf.int64))}


def save_version(directory: Path, version: int) -> Path:
    """Save one version as `directory/version`."""
    module = _Version(version)
    path = directory / str(version)
    tf.saved_model.save(module, str(path), signatures={"serving_default": module.__call__})
    return path
