"""A network that is pruned while it trains, and what its zeros are good for."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from model_export.arrays import from_rows
from model_export.errors import RefusedError
from model_export.layout import TFLITE_NAME
from model_export.optimise.lite import convert
from model_export.optimise.measurement import measure
from model_export.pruning import pruning

# Each is quick; all of them together are not.
pytestmark = pytest.mark.slow

Data = tuple[NDArray[np.float32], NDArray[np.float32]]


@pytest.fixture(scope="module")
def data() -> Data:
    """Points, and whether they lie within a ring: no line tells."""
    points = np.random.default_rng(1).normal(size=(4000, 8)).astype(np.float32)
    distances = np.hypot(points[:, 0], points[:, 1])
    return points, ((distances > 0.7) & (distances < 1.7)).astype(np.float32)


@pytest.fixture(scope="module")
def trained(data: Data) -> Any:
    """A network that knows them."""
    import keras  # noqa: PLC0415 seconds, paid only by these tests

    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(64, activation="relu", name="first"),
            keras.layers.Dense(64, activation="relu", name="second"),
            keras.layers.Dense(1, activation="sigmoid", name="last"),
        ]
    )
    _fit(model, data, epochs=12, rate=1e-2)
    return model


def _fit(model: Any, data: Data, *, epochs: int, rate: float = 3e-3, **options: Any) -> None:
    import keras  # noqa: PLC0415 loaded by now

    model.compile(keras.optimizers.Adam(rate), "binary_crossentropy", jit_compile=False)
    model.fit(*data, batch_size=100, epochs=epochs, verbose=0, **options)


def _copy(model: Any) -> Any:
    import keras  # noqa: PLC0415 loaded by now

    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def _zeros(model: Any) -> dict[str, float]:
    return {layer.name: float((layer.get_weights()[0] == 0).mean()) for layer in model.layers}


def _watch(seen: list[float]) -> Any:
    """Give a callback that notes the share of zeros after each epoch."""
    import keras  # noqa: PLC0415 loaded by now

    class Watch(keras.callbacks.Callback):  # type: ignore[misc] # Keras ships no types
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            assert isinstance(epoch, int), logs
            seen.append(_zeros(self.model)["second"])

    return Watch()


def _accuracy(model: Any, data: Data) -> float:
    return float(((np.asarray(model(data[0]))[:, 0] > 0.5) == data[1]).mean())


@pytest.fixture(scope="module")
def pruned(trained: Any, data: Data) -> Any:
    """The same network with a fifth of its weights, trained on."""
    model = _copy(trained)
    _fit(model, data, epochs=8, callbacks=[pruning(0.8)])
    return model


def test_the_share_that_was_asked_for_is_zero_in_each_layer(pruned: Any) -> None:
    # 0.8 of 64 weights are 51.
    assert _zeros(pruned) == pytest.approx({"first": 0.8, "second": 0.8, "last": 51 / 64}, abs=1e-3)
    assert all(layer.get_weights()[1].any() for layer in pruned.layers)


def test_what_is_pruned_while_it_trains_knows_more_than_what_is_cut_afterwards(
    trained: Any, pruned: Any, data: Data
) -> None:
    cut = _copy(trained)
    for layer in cut.layers:
        kernel, bias = layer.get_weights()
        least = np.quantile(np.abs(kernel), 0.8)
        layer.set_weights([np.where(np.abs(kernel) > least, kernel, 0), bias])
    assert _accuracy(trained, data) > 0.9
    assert _accuracy(pruned, data) > _accuracy(trained, data) - 0.03
    assert _accuracy(cut, data) < _accuracy(pruned, data) - 0.03


def test_zeros_grow_during_the_training_and_never_fewer(trained: Any, data: Data) -> None:
    seen: list[float] = []
    _fit(_copy(trained), data, epochs=5, callbacks=[pruning(0.8, ramp=0.6), _watch(seen)])
    assert seen == sorted(seen)
    assert 0.2 < seen[0] < 0.7
    assert seen[-2:] == pytest.approx([0.8, 0.8], abs=1e-3)


def test_batches_that_are_done_several_at_once_are_pruned_during_the_training(
    trained: Any, data: Data
) -> None:
    seen: list[float] = []
    model = _copy(trained)
    model.compile("adam", "binary_crossentropy", jit_compile=False, steps_per_execution=4)
    model.fit(*data, batch_size=100, epochs=3, verbose=0, callbacks=[pruning(0.8), _watch(seen)])
    assert seen[0] > 0.1
    assert seen[2] == pytest.approx(0.8, abs=1e-3)


def test_a_data_set_of_unknown_length_is_pruned_epoch_by_epoch(trained: Any, data: Data) -> None:
    import tensorflow as tf  # noqa: PLC0415 loaded by now

    unknown = tf.data.Dataset.from_tensor_slices(data).filter(lambda *_: True).batch(100)
    model = _copy(trained)
    model.compile("adam", "binary_crossentropy", jit_compile=False)
    model.fit(unknown, epochs=3, verbose=0, callbacks=[pruning(0.5)])
    assert _zeros(model)["second"] == pytest.approx(0.5, abs=1e-3)


def test_only_the_named_layers_are_pruned(trained: Any, data: Data) -> None:
    model = _copy(trained)
    _fit(model, data, epochs=1, callbacks=[pruning(0.5, layers=["second"])])
    assert _zeros(model) == pytest.approx({"first": 0.0, "second": 0.5, "last": 0.0}, abs=1e-3)


def test_a_layer_that_is_not_there_is_refused_with_those_that_are(trained: Any, data: Data) -> None:
    with pytest.raises(RefusedError, match=r"is called third; there are .*first, last, second"):
        _fit(_copy(trained), data, epochs=1, callbacks=[pruning(layers=["third", "first"])])


@pytest.mark.parametrize(("sparsity", "ramp"), [(1.0, 0.6), (0.0, 0.6), (0.8, 0.0)])
def test_a_share_that_means_nothing_is_refused(sparsity: float, ramp: float) -> None:
    with pytest.raises(RefusedError, match="sparsity is between 0 and 1"):
        pruning(sparsity, ramp=ramp)


def _converted(model: Any, place: Path, objective: str) -> int:
    model.export(place, verbose=False)
    output = place / TFLITE_NAME
    convert(
        directory=str(place),
        signature_name="serving_default",
        objective=objective,
        representative=None,
        output=str(output),
    )
    return output.stat().st_size


def _answers(place: Path, rows: NDArray[np.float32], *, lite: bool) -> Any:
    measured: dict[str, Any] = measure(
        directory=str(place),
        signature_name="serving_default",
        lite=lite,
        instances=rows.tolist(),
        max_runs=5,
    )
    return from_rows(measured["predictions"], ["output_0"])["output_0"]


def test_a_pruned_model_becomes_smaller_and_answers_the_same(
    pruned: Any, data: Data, tmp_path: Path
) -> None:
    plain = _converted(pruned, tmp_path / "plain", "float16")
    sparse = _converted(pruned, tmp_path / "sparse", "sparse")
    assert sparse < 0.9 * plain
    rows = data[0][:20]
    same = _answers(tmp_path / "sparse", rows, lite=False)
    assert _answers(tmp_path / "sparse", rows, lite=True) == pytest.approx(same, abs=1e-5)


def test_a_model_without_zeros_is_refused_with_the_way_to_them(
    trained: Any, tmp_path: Path
) -> None:
    with pytest.raises(
        RefusedError, match=r"no weights with enough zeros .*\(model_export\.pruning"
    ):
        _converted(trained, tmp_path / "dense", "sparse")
    assert not (tmp_path / "dense" / TFLITE_NAME).exists()
