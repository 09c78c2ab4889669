"""A student that learns from a teacher, on the samples' own data."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model_export.distillation import divergence, student_of
from model_export.errors import RefusedError
from samples.heart import NUMBERS, patients

# Each is quick; all of them together are not.
pytestmark = pytest.mark.slow

_COUNT = 3000


@pytest.fixture(scope="module")
def data() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The numbers of the heart sample, scaled, and what a rule makes of them."""
    columns, _ = patients(_COUNT)
    numbers = np.stack([columns[name] for name in NUMBERS], axis=1).astype(np.float32)
    scaled = (numbers - numbers.mean(axis=0)) / numbers.std(axis=0)
    return scaled, (scaled @ [0.5, 0.3, -0.8, 1.0, 1.2] > 0.1).astype(np.float32)


def _network(width: int) -> Any:
    import keras  # noqa: PLC0415 seconds, paid only by these tests

    return keras.Sequential(
        [
            keras.Input((len(NUMBERS),)),
            keras.layers.Dense(width, activation="relu"),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )


def _accuracy(model: Any, numbers: NDArray[Any], wanted: NDArray[Any]) -> float:
    return float(((np.asarray(model(numbers))[:, 0] > 0.5) == wanted).mean())


def test_a_student_learns_from_its_teacher_what_its_labels_do_not_say(
    data: tuple[NDArray[np.float32], NDArray[np.float32]],
) -> None:
    import keras  # noqa: PLC0415 loaded by now

    keras.utils.set_random_seed(1)
    numbers, ill = data
    teacher, student, untaught = _network(64), _network(4), _network(4)
    teacher.compile(keras.optimizers.Adam(1e-2), "binary_crossentropy", jit_compile=False)
    teacher.fit(numbers, ill, batch_size=100, epochs=3, verbose=0)
    before = [weight.copy() for weight in teacher.get_weights()]
    nonsense = np.random.default_rng(1).integers(0, 2, len(ill)).astype(np.float32)
    for model in (untaught, student_of(teacher, student, teacher_share=0.9)):
        model.compile(keras.optimizers.Adam(1e-2), "binary_crossentropy", jit_compile=False)
        model.fit(numbers, nonsense, batch_size=100, epochs=6, verbose=0)
    assert _accuracy(teacher, numbers, ill) > 0.95
    assert _accuracy(student, numbers, ill) > 0.93
    assert _accuracy(untaught, numbers, ill) < 0.8
    assert all(map(np.array_equal, before, teacher.get_weights()))


@pytest.mark.parametrize("shape", [(3,), (3, 1), (3, 4)])
def test_who_answers_as_the_teacher_does_has_nothing_to_learn(shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(1)
    taught = random.random(shape).astype(np.float32)
    if len(shape) > 1 and shape[1] > 1:
        taught /= taught.sum(axis=1, keepdims=True)
    same = np.asarray(divergence(taught, taught, temperature=2.0))
    assert same.shape == (3,)
    assert np.abs(same).max() < 1e-5
    assert np.asarray(divergence(taught, taught[::-1], temperature=2.0)).max() > 1e-3


@pytest.mark.parametrize("wrong", [{"temperature": 0.0}, {"teacher_share": 1.1}])
def test_a_share_or_a_temperature_that_means_nothing_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(RefusedError, match="temperature is above 0"):
        student_of(lambda inputs: inputs, _network(1), **wrong)
