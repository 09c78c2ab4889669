"""Conversion, freezing and measuring on TensorFlow itself, within the test's own process."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import JsonValue

from model_export.arrays import from_rows
from model_export.errors import RefusedError
from model_export.layout import TFLITE_NAME
from model_export.optimise.lite import convert
from model_export.optimise.measurement import measure
from model_export.optimise.serving import freeze
from model_export.savedmodel import parse_saved_model
from tests.model_export.optimise_toy import ROWS, save_toy

# Each is quick; all of them together are not.
pytestmark = pytest.mark.slow

_DEFAULT = "serving_default"
Save = Callable[..., Path]


@pytest.fixture(scope="module")
def save(tmp_path_factory: pytest.TempPathFactory) -> Save:
    """Give a function that saves a function of one float input as a SavedModel."""
    import tensorflow as tf  # noqa: PLC0415 seconds, paid only by these tests

    def saved(function: Callable[[Any], Any]) -> Path:
        directory = tmp_path_factory.mktemp("saved")
        module = tf.Module()
        module.serve = tf.function(
            lambda x: {"y": function(x)}, [tf.TensorSpec([None, 4], tf.float32, "x")]
        )
        tf.saved_model.save(module, directory, {_DEFAULT: module.serve})
        return directory

    return saved


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy network in a directory of its own."""
    return save_toy(tmp_path_factory.mktemp("toy"))


def _converted(
    directory: Path, objective: str, representative: list[JsonValue] | None = None
) -> dict[str, Any]:
    return convert(
        directory=str(directory),
        signature_name=_DEFAULT,
        objective=objective,
        representative=representative,
        output=str(directory / TFLITE_NAME),
    )


def _scores(directory: Path, *, lite: bool) -> Any:
    measured: dict[str, Any] = measure(
        directory=str(directory), signature_name=_DEFAULT, lite=lite, instances=ROWS, max_runs=10
    )
    assert measured["runs"] == 10
    assert measured["load_seconds"] > 0
    assert 0 < measured["latency_p50_seconds"] <= measured["latency_p99_seconds"]
    return from_rows(measured["predictions"], ["scores"])["scores"]


@pytest.mark.parametrize(
    ("objective", "rows", "weights", "size_bytes", "tolerance"),
    [
        ("default", None, "int8", 12_000, 0.05),
        ("size", None, "int8", 12_000, 0.05),
        ("dynamic-range", None, "int8", 12_000, 0.05),
        ("default", ROWS, "int8", 12_000, 0.1),
        ("float16", None, "float16", 18_000, 0.002),
        ("int8", ROWS, "int8", 12_000, 0.1),
    ],
)
def test_each_objective_shrinks_the_weights_and_answers_nearly_the_same(
    toy: Path,
    objective: str,
    rows: list[JsonValue] | None,
    weights: str,
    size_bytes: int,
    tolerance: float,
) -> None:
    facts = _converted(toy, objective, rows)
    assert facts["select_operations"] == []
    assert facts["weight_bytes"][weights] >= 32 * 128
    assert facts["weight_bytes"].get("float32", 0) < 32 * 128
    assert (toy / TFLITE_NAME).stat().st_size < size_bytes
    apart = np.abs(_scores(toy, lite=True) - _scores(toy, lite=False))
    assert 0 < apart.max() < tolerance


def test_an_operation_that_tflite_lacks_becomes_a_select_one_and_is_named(save: Save) -> None:
    import tensorflow as tf  # noqa: PLC0415 loaded by now

    masked = save(lambda x: tf.bitwise.bitwise_and(tf.cast(x, tf.int32), 6))
    facts = _converted(masked, "default")
    assert facts["select_operations"] == ["BitwiseAnd"]


def test_rows_cannot_calibrate_a_model_with_select_operations(save: Save) -> None:
    import tensorflow as tf  # noqa: PLC0415 loaded by now

    masked = save(lambda x: tf.bitwise.bitwise_and(tf.cast(x, tf.int32), 6))
    with pytest.raises(RefusedError, match=r"lacks BitwiseAnd.*take float16 or dynamic-range"):
        _converted(masked, "int8", [[1.0, 2.0, 3.0, 4.0]])


def test_an_operation_that_cannot_be_converted_is_named(save: Save) -> None:
    import tensorflow as tf  # noqa: PLC0415 loaded by now

    with pytest.raises(RefusedError, match=r"cannot become a TFLite model.* have Betainc"):
        _converted(save(lambda x: tf.math.betainc(x, x, tf.ones_like(x) / 2)), "default")


def test_a_frozen_model_has_the_same_signatures_and_answers_the_same(
    toy: Path, tmp_path: Path
) -> None:
    facts: dict[str, Any] = freeze(directory=str(toy), output=str(tmp_path))
    assert facts["nodes_after"] < facts["nodes_before"]
    assert [file.name for file in tmp_path.iterdir()] == ["saved_model.pb"]
    old, new = (
        parse_saved_model((place / "saved_model.pb").read_bytes(), "").signatures
        for place in (toy, tmp_path)
    )
    assert new == old
    assert np.abs(_scores(tmp_path, lite=False) - _scores(toy, lite=False)).max() < 1e-6


def test_a_frozen_tensorflow_1_model_keeps_its_method_and_reads_its_asset(tmp_path: Path) -> None:
    import tensorflow as tf  # noqa: PLC0415 loaded by now

    v1 = tf.compat.v1
    words, old, new = tmp_path / "words.txt", tmp_path / "old", tmp_path / "new"
    words.write_text("red\ngreen\n")
    with v1.Session(graph=tf.Graph()) as session:
        inputs = v1.placeholder(tf.string, [None], "inputs")
        table = tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(
                str(words),
                tf.string,
                tf.lookup.TextFileIndex.WHOLE_LINE,
                tf.int64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
            ),
            -1,
        )
        factor = v1.get_variable("factor", initializer=10.0)
        scores = tf.cast(table.lookup(inputs), tf.float32)[:, None] * factor
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
        builder = v1.saved_model.Builder(str(old))
        info = v1.saved_model.build_tensor_info
        signature = v1.saved_model.build_signature_def(
            {"inputs": info(inputs)},
            {"scores": info(scores)},
            v1.saved_model.CLASSIFY_METHOD_NAME,
        )
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            {_DEFAULT: signature},
            assets_collection=v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS),
            main_op=v1.tables_initializer(),
        )
        builder.save()
    words.unlink()
    new.mkdir()
    freeze(directory=str(old), output=str(new))
    (old / "assets").rename(new / "assets")
    frozen = parse_saved_model((new / "saved_model.pb").read_bytes(), "").signatures[_DEFAULT]
    assert frozen.method_name == "tensorflow/serving/classify"
    measured = measure(
        directory=str(new),
        signature_name=_DEFAULT,
        lite=False,
        instances=["green", "red", "blue"],
        max_runs=1,
    )
    assert measured["predictions"] == [[10.0], [0.0], [-10.0]]
