"""From a Keras model to a published version, on TensorFlow itself."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import JsonValue

from model_export.directory_store import DirectoryStore
from model_export.errors import RefusedError
from model_export.export import WARMUP_PATH, export_model
from model_export.manifest import TensorSpec
from model_export.publish import publish
from model_export.savedmodel import parse_saved_model

_ROWS: list[dict[str, JsonValue]] = [
    {"size": 1.0, "colour": "red"},
    {"size": 2.0, "colour": "none of them"},
]


@pytest.fixture(scope="module")
def keras_model() -> Any:
    """Two named inputs, one of them words, and two named outputs that are not in order."""
    import keras  # noqa: PLC0415 seconds, paid only by these tests

    size = keras.Input((), name="size")
    colour = keras.Input((), name="colour", dtype="string")
    column = keras.layers.Reshape((1,))
    lookup = keras.layers.StringLookup(vocabulary=["red", "green"], output_mode="one_hot")
    features = keras.layers.Concatenate()([column(size), lookup(column(colour))])
    score = keras.layers.Dense(1, kernel_initializer="ones")(features)
    answer = {"score": score, "doubled": score * 2.0}
    return keras.Model({"size": size, "colour": colour}, answer, name="toy")


@pytest.fixture(scope="module")
def exported(keras_model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("export") / "toy"
    export_model(keras_model, directory, instances=_ROWS)
    return directory


def test_the_signature_has_the_models_own_names_and_an_open_batch_dimension(
    exported: Path,
) -> None:
    document = (exported / "saved_model.pb").read_bytes()
    signatures = parse_saved_model(document, "here").signatures
    assert set(signatures) == {"serving_default"}
    signature = signatures["serving_default"]
    assert signature.method_name == "tensorflow/serving/predict"
    assert signature.inputs == {
        "colour": TensorSpec(dtype="string", shape=(None,)),
        "size": TensorSpec(dtype="float32", shape=(None,)),
    }
    assert signature.outputs == {
        "doubled": TensorSpec(dtype="float32", shape=(None, 1)),
        "score": TensorSpec(dtype="float32", shape=(None, 1)),
    }


def test_our_reader_and_tensorflow_see_the_same_signature(exported: Path) -> None:
    import tensorflow as tf  # noqa: PLC0415 loaded by now

    document = (exported / "saved_model.pb").read_bytes()
    ours = parse_saved_model(document, "here").signatures["serving_default"]
    theirs = tf.saved_model.load(str(exported)).signatures["serving_default"]
    for specs, tensors in (
        (ours.inputs, theirs.structured_input_signature[1]),
        (ours.outputs, theirs.structured_outputs),
    ):
        assert {name: (spec.dtype, list(spec.shape or ())) for name, spec in specs.items()} == {
            name: (tensor.dtype.name, tensor.shape.as_list()) for name, tensor in tensors.items()
        }


def test_the_sample_is_what_the_written_model_answers(exported: Path, keras_model: Any) -> None:
    record = json.loads((exported / "assets.extra/export.json").read_bytes())
    assert record["sample"]["instances"] == _ROWS
    for row, prediction in zip(_ROWS, record["sample"]["predictions"], strict=True):
        live = keras_model({name: np.array([value]) for name, value in row.items()})
        assert prediction == {name: tensor.numpy()[0].tolist() for name, tensor in live.items()}
    assert record["sample"]["predictions"][0] == {"score": [2.0], "doubled": [4.0]}


def test_a_server_can_replay_the_warm_up_records(exported: Path) -> None:
    import tensorflow as tf  # noqa: PLC0415 loaded by now
    from tensorflow_serving.apis import prediction_log_pb2  # noqa: PLC0415

    records = list(tf.data.TFRecordDataset(str(exported / WARMUP_PATH)).as_numpy_iterator())
    signature = tf.saved_model.load(str(exported)).signatures["serving_default"]
    scores = []
    for record in records:
        log = prediction_log_pb2.PredictionLog.FromString(record)
        assert log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        assert request.model_spec.signature_name == "serving_default"
        inputs = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
        scores.append(signature(**{k: tf.constant(v) for k, v in inputs.items()})["score"].numpy())
    assert [score.tolist() for score in scores] == [[[2.0]], [[3.0]]]


def test_no_variable_is_written_twice(exported: Path, keras_model: Any) -> None:
    import tensorflow as tf  # noqa: PLC0415 loaded by now

    written = tf.train.list_variables(str(exported / "variables/variables"))
    shapes = [shape for _, shape in written if shape]
    assert sorted(shapes) == sorted(list(variable.shape) for variable in keras_model.weights)


def test_an_export_is_published_with_its_sample(exported: Path, store: DirectoryStore) -> None:
    import keras  # noqa: PLC0415 loaded by now

    publish(exported, model="toy", store=store)
    manifest = store.manifest("toy", 1)
    assert manifest.keras_version == keras.__version__
    assert manifest.sample is not None
    assert list(manifest.sample.instances) == _ROWS
    assert WARMUP_PATH in {entry.path for entry in manifest.files}


def test_a_model_without_a_dictionary_is_named_by_its_tensors_and_layers(tmp_path: Path) -> None:
    import keras  # noqa: PLC0415 loaded by now

    inputs = [keras.Input((2,), name=name) for name in ("b", "a")]
    difference = keras.layers.Subtract(name="difference")(inputs)
    signature = export_model(
        keras.Model(inputs, difference), tmp_path / "m", instances=[{"a": [1.0, 1.0], "b": [3, 4]}]
    )
    assert list(signature.outputs) == ["difference"]
    record = json.loads((tmp_path / "m/assets.extra/export.json").read_bytes())
    assert record["sample"]["predictions"] == [[2.0, 3.0]]


def test_of_several_inputs_each_needs_a_name(tmp_path: Path) -> None:
    import keras  # noqa: PLC0415 loaded by now

    given = [keras.Input((2,)), keras.Input((2,))]
    with pytest.raises(RefusedError, match=r"given no name.*keras\.Input\(\.\.\., name="):
        export_model(keras.Model(given, keras.layers.Add()(given)), tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_an_export_never_writes_over_what_is_there(keras_model: Any, exported: Path) -> None:
    with pytest.raises(RefusedError, match="exists already"):
        export_model(keras_model, exported)


def test_an_instance_that_does_not_fit_leaves_nothing_behind(
    keras_model: Any, tmp_path: Path
) -> None:
    with pytest.raises(RefusedError, match="Input 'size' cannot be read as float32"):
        export_model(keras_model, tmp_path / "m", instances=[{"size": "big", "colour": "red"}])
    assert not list(tmp_path.iterdir())
