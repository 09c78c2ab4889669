"""What goes before and after a model, and signatures for tf.Examples, on the real server."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import pytest
import tensorflow as tf
from click.testing import CliRunner
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from model_export.cli import main
from model_export.errors import RefusedError
from model_export.export import WARMUP_PATH, Classify, export_model
from model_export.exporting import warmup
from model_export.manifest import TensorSpec
from model_export.publish import publish
from model_export.runnable import SavedModel
from model_export.savedmodel import parse_saved_model
from model_export.store import open_store
from tests.server.core.running import RunningServer, config, start

_WORD = {"word": TensorSpec(dtype="string", shape=(None,))}
_TABLE = tf.lookup.StaticHashTable(
    tf.lookup.KeyValueTensorInitializer(["low", "high"], [-1.0, 1.0]), 0.0
)


def _prepare(word: Any) -> Any:
    """Use a table of the module, which nobody passes."""
    return _TABLE.lookup(tf.strings.lower(word))[:, tf.newaxis]


def _grade(score: Any) -> Any:
    return {"risk": score[:, 0], "grade": tf.where(score[:, 0] > 0.5, "bad", "good")}


def _model() -> Any:
    x = keras.Input((1,), name="x")
    score = keras.layers.Dense(1, "sigmoid", kernel_initializer="ones", name="score")(x)
    return keras.Model(x, score)


def _answer(directory: Path, **inputs: Any) -> dict[str, Any]:
    function = tf.saved_model.load(str(directory)).signatures["serving_default"]
    outputs = function(**{name: tf.constant(value) for name, value in inputs.items()})
    return {name: tensor.numpy().tolist() for name, tensor in outputs.items()}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("attached") / "m"
    export_model(
        _model(),
        directory,
        inputs=_WORD,
        preprocess=_prepare,
        postprocess=_grade,
        classify=Classify(scores="risk", labels=("well", "ill")),
        regress="risk",
        instances=[{"word": "High"}, {"word": "low"}],
    )
    return directory


def _kinds(directory: Path) -> Counter[str]:
    records = tf.data.TFRecordDataset(str(directory / WARMUP_PATH)).as_numpy_iterator()
    return Counter(PredictionLog.FromString(record).WhichOneof("log_type") for record in records)


def test_each_method_is_warmed_up(exported: Path) -> None:
    assert _kinds(exported) == {"predict_log": 2, "classify_log": 2, "regress_log": 2}
    assert SavedModel(exported).replay(exported / WARMUP_PATH) == (6, 0)


def test_no_more_is_recorded_than_a_server_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warmup, "MAX_WARMUP_RECORDS", 6)
    export_model(
        lambda x, kind, flag: {"y": x + tf.cast(kind, tf.float32) + tf.cast(flag, tf.float32)},
        tmp_path / "m",
        inputs={
            "x": TensorSpec(dtype="float32", shape=(None,)),
            "kind": TensorSpec(dtype="int32", shape=(None,)),
            "flag": TensorSpec(dtype="bool", shape=(None,)),
        },
        classify=Classify(scores="y"),
        regress="y",
        instances=[{"x": 0.5, "kind": number, "flag": True} for number in range(3)],
    )
    assert _kinds(tmp_path / "m") == {"predict_log": 3, "classify_log": 1, "regress_log": 1}
    assert SavedModel(tmp_path / "m").replay(tmp_path / "m" / WARMUP_PATH) == (5, 0)


@pytest.fixture(scope="module")
def server(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    root = tmp_path_factory.mktemp("served")
    publish(exported, model="m", store=open_store(str(root)))
    (root / "models.config").write_text(config(m=root / "m"))
    running = start(root, f"--model_config_file={root / 'models.config'}")
    running.wait("m", {1: "AVAILABLE"})
    yield running
    running.kill()


@pytest.mark.slow
def test_clients_send_raw_records_and_get_words(server: RunningServer) -> None:
    status, answer = server.rest("m:predict", {"instances": [{"word": "HIGH"}, {"word": "low"}]})
    assert status == 200
    assert [row["grade"] for row in answer["predictions"]] == ["bad", "good"]
    assert answer["predictions"][0]["risk"] == pytest.approx(0.731, abs=1e-3)


@pytest.mark.slow
def test_classify_answers_labels_and_scores(server: RunningServer) -> None:
    body = {"signature_name": "classify", "examples": [{"word": "high"}]}
    status, answer = server.rest("m:classify", body)
    assert status == 200
    ((well, ill),) = answer["results"]
    assert (well[0], ill[0]) == ("well", "ill")
    assert (well[1], ill[1]) == (pytest.approx(0.269, abs=1e-3), pytest.approx(0.731, abs=1e-3))


@pytest.mark.slow
def test_regress_answers_a_number_for_each_example(server: RunningServer) -> None:
    body = {"signature_name": "regress", "examples": [{"word": "high"}, {"word": "other"}]}
    status, answer = server.rest("m:regress", body)
    assert status == 200
    assert answer["results"] == [pytest.approx(0.731, abs=1e-3), 0.5]


def test_signatures_of_examples_have_tensorflow_servings_method_names(exported: Path) -> None:
    document = (exported / "saved_model.pb").read_bytes()
    methods = {
        name: signature.method_name
        for name, signature in parse_saved_model(document, "").signatures.items()
    }
    assert methods == {
        "serving_default": "tensorflow/serving/predict",
        "classify": "tensorflow/serving/classify",
        "regress": "tensorflow/serving/regress",
    }
    # It is of the graph as it is now.
    fingerprint = tf.saved_model.experimental.read_fingerprint(str(exported))
    assert fingerprint.saved_model_checksum


def test_the_methods_of_a_saved_model_stay_what_they_were(exported: Path, tmp_path: Path) -> None:
    export_model(exported, tmp_path / "m", outputs={"level": "grade"})
    document = (tmp_path / "m/saved_model.pb").read_bytes()
    signatures = parse_saved_model(document, "").signatures
    assert signatures["classify"].method_name == "tensorflow/serving/classify"
    assert _answer(tmp_path / "m", word=["high"]) == {"level": [b"bad"]}


def test_keras_layers_go_before_and_after(tmp_path: Path) -> None:
    lookup = keras.layers.StringLookup(vocabulary=["a", "b"], output_mode="one_hot")
    x = keras.Input((3,), name="x")
    export_model(
        keras.Model(x, keras.layers.Dense(2, kernel_initializer="ones")(x)),
        tmp_path / "m",
        inputs={"word": TensorSpec(dtype="string", shape=(None, 1))},
        preprocess=lookup,
        postprocess=keras.layers.Softmax(),
    )
    assert _answer(tmp_path / "m", word=[["b"]]) == {"output_0": [[0.5, 0.5]]}


def test_a_saved_model_gets_something_before_it(exported: Path, tmp_path: Path) -> None:
    export_model(
        exported,
        tmp_path / "m",
        inputs={"number": TensorSpec(dtype="int32", shape=(None,))},
        preprocess=lambda number: tf.where(number > 0, "high", "low"),
    )
    assert _answer(tmp_path / "m", number=[3, -3])["grade"] == [b"bad", b"good"]


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"preprocess": lambda word: [word, word], "inputs": _WORD}, "answers 2 tensors, but"),
        ({"preprocess": lambda word: word}, "does not say what it takes"),
        ({"preprocess": 5, "inputs": _WORD}, "int cannot be exported"),
        ({"outputs": {"a": "b"}}, r"has no output 'b' \(it has: score\)"),
        ({"regress": "b"}, r"has no output 'b' \(it has: score\)"),
        ({"classify": Classify(scores="score", labels=("a",) * 3)}, "1 scores for each row, but 3"),
        ({"inputs": {"a": None, "b": None}}, r"takes 1 inputs \(x\), not 2 \(a, b\)"),
        ({"inputs": {"x": TensorSpec(dtype="f4", shape=(None, 1))}}, "'f4' is no dtype of"),
        (
            {"inputs": {"x": TensorSpec(dtype="string", shape=(None, 1))}},
            "takes float32 there, not string",
        ),
        (
            {"postprocess": lambda score: score @ tf.ones([3, 3])},
            "cannot be traced with x: float32",
        ),
        ({"signatures": {"a": "b"}}, "this model has one only"),
        ({"instances": [{"y": 1.0}]}, "y; the signature takes x|takes x"),
    ],
)
def test_what_does_not_fit_together_is_refused_and_leaves_nothing(
    tmp_path: Path, asked: dict[str, Any], reason: str
) -> None:
    with pytest.raises(RefusedError, match=reason) as caught:
        export_model(_model(), tmp_path / "m", **asked)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_the_command_attaches_what_lies_in_a_python_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _model().save("net.keras")
    Path("attached_parts.py").write_text(
        "import tensorflow as tf\n"
        "def before(text):\n    return tf.strings.to_number(text)[:, tf.newaxis]\n"
        "def after(score):\n    return {'percent': score * 100.0}\n"
    )
    Path("labels.txt").write_text("no\nyes\n")
    Path("rows.jsonl").write_text('{"text": "0"}\n')
    command = [
        *("export", "net.keras", "--output", "out", "--json"),
        *("--input", "text:string", "--name-output", "chance=percent"),
        *("--preprocess", "attached_parts.py:before", "--postprocess", "attached_parts.py:after"),
        *("--classify", "chance:labels.txt", "--regress", "chance", "--instances", "rows.jsonl"),
    ]
    run = CliRunner().invoke(main, command, catch_exceptions=False)
    assert run.exit_code == 0, run.stderr
    answer = json.loads(run.stdout)
    assert answer["inputs"] == {"text": {"dtype": "string", "shape": [None]}}
    assert list(answer["outputs"]) == ["chance"]
    assert _answer(Path("out"), text=["0"]) == {"chance": [[50.0]]}
    again = CliRunner().invoke(main, command)
    assert (again.exit_code, again.stderr.count("\n")) == (2, 1)
    assert "out exists already" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["m.py:f"], "There is no m.py"),
        (["no_such_module_here:f"], "Cannot import no_such_module_here: ModuleNotFoundError"),
        (["bad.py:x"], "Cannot import bad.py: ValueError: boom\n"),
        (["json:nothing"], "json has no 'nothing'"),
        (["json:loads", "--input", "x:float32[a]"], "write NAME, NAME:DTYPE"),
        (["json:loads", "--classify", "a:none.txt"], "Cannot read the labels none.txt"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_clear_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.py").write_text("raise ValueError('boom\\nand more')")
    run = CliRunner().invoke(main, ["export", *arguments, "--output", "out"])
    assert run.exit_code == 2
    assert reason in run.stderr
    assert not Path("out").exists()
