"""What all samples have in common: a fixed course, and what comes of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue


@dataclass(frozen=True, kw_only=True)
class TrainedSample:
    """A Keras model, its accuracy on rows it has not seen, and rows that a client may send."""

    model: Any
    accuracy: float
    instances: tuple[Mapping[str, JsonValue], ...]


def fix_randomness(seed: int) -> None:
    """Make all that follows in this process come out the same for the same seed."""
    import keras  # noqa: PLC0415 loads TensorFlow, which only a training pays for
    import tensorflow as tf  # noqa: PLC0415 likewise

    keras.utils.set_random_seed(seed)
    # Two threads that add in another order give another sum.
    tf.config.experimental.enable_op_determinism()
