"""The SavedModels that the benchmarks serve, and the images that clients send to them."""

import itertools
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import tensorflow as tf
from machine import PROJECT, PROJECT_PYTHON
from numpy.typing import NDArray

Images = NDArray[Any]

INPUT_NAME: Final = "image"
OUTPUT_NAME: Final = "probabilities"
_SEED: Final = 7
_DISTINCT_REQUESTS: Final = 32
_DENSE_WIDTHS: Final = (784, 128, 10)


@dataclass(frozen=True, kw_only=True)
class Model:
    """A SavedModel of images to probabilities, its only version being `base_path/1`."""

    name: str
    about: str
    base_path: Path
    # How long any server's batch waits for more requests: about as long as a run of it takes.
    batch_seconds: float
    # A batch of one image for each of the requests that clients take turns with.
    requests: tuple[Images, ...]

    @property
    def path(self) -> Path:
        """Give the version's directory."""
        return self.base_path / "1"

    @property
    def dtype(self) -> str:
        """Name the pixels' type."""
        return str(self.requests[0].dtype)


class _Dense(tf.Module):  # type: ignore[misc]
    """Two dense layers with fixed random weights."""

    def __init__(self) -> None:
        super().__init__()
        random = np.random.default_rng(_SEED)
        self._layers = [
            tf.Variable(random.normal(0, (2 / rows) ** 0.5, (rows, columns)).astype(np.float32))
            for rows, columns in itertools.pairwise(_DENSE_WIDTHS)
        ]

    @tf.function(  # type: ignore[untyped-decorator]
        input_signature=[tf.TensorSpec([None, 28, 28], tf.float32, name=INPUT_NAME)]
    )
    def __call__(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """Give the probability of each class."""
        first, second = self._layers
        hidden = tf.nn.relu(tf.reshape(image, [-1, 28 * 28]) @ first)
        return {OUTPUT_NAME: tf.nn.softmax(hidden @ second)}


def make_dense(directory: Path) -> Model:
    """Save the small model, where the server and not the arithmetic takes the time."""
    module = _Dense()
    base_path = directory / "dense"
    tf.saved_model.save(
        module, str(base_path / "1"), signatures={"serving_default": module.__call__}
    )
    random = np.random.default_rng(_SEED)
    return Model(
        name="dense",
        about="28x28 float32, dense 784-128-10, every pixel a number of four decimals",
        base_path=base_path,
        batch_seconds=0.002,
        requests=tuple(
            np.round(random.random((1, 28, 28)), 4).astype(np.float32)
            for _ in range(_DISTINCT_REQUESTS)
        ),
    )


def train_digits(directory: Path) -> Model:
    """Train the project's sample `digits`, where fetching the weights takes the time."""
    base_path = directory / "digits"
    base_path.mkdir(parents=True)
    subprocess.run(
        [PROJECT_PYTHON, "-m", "samples", "digits", "--output", base_path / "1"],
        cwd=PROJECT,
        check=True,
        capture_output=True,
        timeout=120,
    )
    random = np.random.default_rng(_SEED)
    ink = random.random((_DISTINCT_REQUESTS, 1, 28, 28)) < 0.2
    grey = random.integers(1, 256, ink.shape)
    return Model(
        name="digits",
        about="the sample digits: 28x28 uint8, dense 784-2048-2048-10, a fifth of the pixels inked",
        base_path=base_path,
        batch_seconds=0.005,
        requests=tuple(np.where(ink, grey, 0).astype(np.uint8)),
    )


def rows(images: Images) -> Any:
    """Give pixels as the shortest decimals that mean them, as a client would write them."""
    if images.dtype == np.float32:
        return np.round(images.astype(np.float64), 4).tolist()
    return images.tolist()
