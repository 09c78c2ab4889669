"""Digits drawn by code, and a network that reads them.

A digit is a few strokes, bent, shifted, thickened and blotted at random; nothing is downloaded.
The network is plain and wide: for one image the time goes into fetching its weights from memory,
so that a server which batches requests shows what batching is worth.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from samples.sample import TrainedSample, fix_randomness

SIDE_PIXELS: Final = 28
DIGIT_COUNT: Final = 10

_DRAWINGS_SEED: Final = 28
_TRAINED_COUNT: Final = 3000
_TESTED_COUNT: Final = 1000
_EPOCHS: Final = 2
_BATCH_SIZE: Final = 100
_WIDTH: Final = 2048
_SAMPLE_COUNT: Final = 1
_POINTS_COUNT: Final = 48
_DRAWN_AT_ONCE: Final = 250

# Strokes in a square from (0, 0), top left, to (1, 1): a line through points, or an arc as
# (centre x, centre y, radius x, radius y, from degrees, to degrees), clockwise from the right.
_Line = tuple[tuple[float, float], ...]
_Arc = tuple[float, float, float, float, float, float]
_STROKES: Final[tuple[tuple[_Line | _Arc, ...], ...]] = (
    ((0.5, 0.5, 0.28, 0.4, 0, 360),),
    (((0.36, 0.25), (0.54, 0.1), (0.54, 0.9)),),
    ((0.5, 0.33, 0.25, 0.23, 180, 380), ((0.73, 0.42), (0.26, 0.9), (0.77, 0.9))),
    ((0.47, 0.3, 0.25, 0.2, 200, 450), (0.47, 0.7, 0.28, 0.2, 270, 520)),
    (((0.62, 0.9), (0.62, 0.1), (0.22, 0.64), (0.8, 0.64)),),
    (((0.73, 0.1), (0.33, 0.1), (0.3, 0.46)), (0.48, 0.65, 0.26, 0.25, 225, 510)),
    (((0.64, 0.1), (0.32, 0.48)), (0.5, 0.67, 0.24, 0.23, 0, 360)),
    (((0.24, 0.1), (0.77, 0.1), (0.42, 0.9)),),
    ((0.5, 0.29, 0.21, 0.19, 0, 360), (0.5, 0.7, 0.25, 0.21, 0, 360)),
    ((0.5, 0.33, 0.24, 0.23, 0, 360), ((0.74, 0.36), (0.6, 0.9))),
)


def drawings(count: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Draw images of 28 by 28 grey values, and say which digit each shows."""
    random = np.random.default_rng(_DRAWINGS_SEED)
    shown = random.integers(DIGIT_COUNT, size=count)
    points = np.stack([_points(strokes) for strokes in _STROKES])
    images = [
        _draw(random, points[shown[start : start + _DRAWN_AT_ONCE]])
        for start in range(0, count, _DRAWN_AT_ONCE)
    ]
    return np.concatenate(images), shown


def train(seed: int) -> TrainedSample:
    """Train the model; the same seed gives the same model."""
    import keras  # noqa: PLC0415 loads TensorFlow, which only a training pays for

    fix_randomness(seed)
    images, shown = drawings(_TRAINED_COUNT + _TESTED_COUNT)
    image = keras.Input((SIDE_PIXELS, SIDE_PIXELS), name="image", dtype="uint8")
    layers = keras.layers
    hidden = layers.Flatten()(layers.Rescaling(1 / 255)(image))
    for _ in range(2):
        hidden = layers.Dense(_WIDTH, activation="relu")(hidden)
    probabilities = layers.Dense(DIGIT_COUNT, activation="softmax")(hidden)
    network = keras.Model(image, probabilities)
    network.compile(
        keras.optimizers.Adam(5e-4), "sparse_categorical_crossentropy", jit_compile=False
    )
    network.fit(
        images[:_TRAINED_COUNT],
        shown[:_TRAINED_COUNT],
        batch_size=_BATCH_SIZE,
        epochs=_EPOCHS,
        verbose=0,
    )
    answers = network.predict(images[_TRAINED_COUNT:], batch_size=_TESTED_COUNT, verbose=0)
    # Not argmax: the way Keras writes it has an operation that TensorFlow Lite lacks.
    _, digit = keras.ops.top_k(probabilities, k=1)
    served = {"probabilities": probabilities, "digit": keras.ops.squeeze(digit, axis=-1)}
    return TrainedSample(
        model=keras.Model({"image": image}, served, name="digits"),
        accuracy=float((answers.argmax(axis=1) == shown[_TRAINED_COUNT:]).mean()),
        instances=tuple(
            {"image": images[row].tolist()}
            for row in range(_TRAINED_COUNT, _TRAINED_COUNT + _SAMPLE_COUNT)
        ),
    )


def _points(strokes: tuple[_Line | _Arc, ...]) -> NDArray[np.float64]:
    """Lay points evenly along the strokes, dense enough to look like ink."""
    paths = [_path(stroke) for stroke in strokes]
    lengths = [np.hypot(*np.diff(path, axis=0).T).sum() for path in paths]
    bounds = np.round(np.cumsum([0, *lengths]) / sum(lengths) * _POINTS_COUNT).astype(int)
    return np.concatenate(
        [_evenly(path, int(count)) for path, count in zip(paths, np.diff(bounds), strict=True)]
    )


def _path(stroke: _Line | _Arc) -> NDArray[np.float64]:
    if isinstance(stroke[0], tuple):
        return np.array(stroke, float)
    x, y, radius_x, radius_y, start, end = stroke
    angles = np.radians(np.linspace(start, end, 40))
    return np.stack([x + radius_x * np.cos(angles), y + radius_y * np.sin(angles)], axis=1)


def _evenly(path: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    wanted = np.linspace(0, along[-1], count)
    return np.stack([np.interp(wanted, along, path[:, axis]) for axis in (0, 1)], axis=1)


def _draw(random: np.random.Generator, points: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Draw each row of points as one image, each by another hand."""
    count = len(points)
    turn = random.normal(0, 0.12, (count, 1))
    slant = random.normal(0, 0.15, (count, 1))
    size = random.uniform(0.7, 0.95, (count, 2, 1))
    place = random.normal(0.5, 0.035, (count, 2, 1))
    x, y = points[..., 0] - 0.5, points[..., 1] - 0.5
    bend = random.normal(0, 0.25, (count, 2, 1))
    x, y = x - slant * y + bend[:, 0] * y * y, y + bend[:, 1] * x * x
    x, y = x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)
    x, y = (size * np.stack([x, y], axis=1) + place).swapaxes(0, 1)
    pixels = (np.arange(SIDE_PIXELS, dtype=np.float32) + 0.5) / SIDE_PIXELS
    across = (pixels[:, None] - x[:, None, :].astype(np.float32)) ** 2
    down = (pixels[:, None] - y[:, None, :].astype(np.float32)) ** 2
    distance = np.sqrt((down[:, :, None, :] + across[:, None, :, :]).min(axis=-1))
    thickness = random.uniform(0.03, 0.055, (count, 1, 1))
    ink = np.clip((thickness - distance) * SIDE_PIXELS + 0.5, 0, 1)
    ink = ink * random.uniform(0.7, 1.0, (count, 1, 1)) + random.normal(0, 0.05, ink.shape)
    drawn: NDArray[np.uint8] = (np.clip(ink, 0, 1) * 255).astype(np.uint8)
    return drawn
