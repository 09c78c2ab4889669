"""What is refused before anything runs, and what the figures are made of."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import JsonValue

from model_export import wire
from model_export.cli import main
from model_export.errors import RefusedError
from model_export.manifest import Signature, TensorSpec
from model_export.optimise.comparison import differences, label_output, read_rows, score
from tests.model_export.conftest import MakeModel

_SIGNATURE = Signature(
    method_name="tensorflow/serving/predict",
    inputs={"x": TensorSpec(dtype="float32", shape=(None,))},
    outputs={
        "y": TensorSpec(dtype="float32", shape=(None,)),
        "z": TensorSpec(dtype="float32", shape=(None, 3)),
    },
)


@pytest.fixture
def model(make_model: MakeModel) -> Path:
    """Give a model that has a graph and no variables."""
    made = make_model(signatures=("serving_default", "other"))
    for file in (made / "variables").iterdir():
        file.unlink()
    return made


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--objective", "tensorrt"), "TF-TRT left TensorFlow after 2.17"),
        (("--objective", "prune"), "Prune while you train, with model_export.pruning"),
        (("--objective", "clustering"), "does not know Keras 3"),
        (("--objective", "tiny"), "no objective 'tiny'; it is one of default, size, latency"),
        (("--objective", "int8"), "give --representative FILE.jsonl"),
        (("--objective", "float16", "--representative", "rows"), "takes no representative rows"),
        (("--objective", "freeze", "--bundle", "b"), "'freeze' makes none"),
        (("--class-names", "rows"), "give --bundle too"),
        (("--bundle", "new"), "--output and --bundle are the same directory"),
        (("--signature", "third"), "no signature 'third'; choose with --signature one of other"),
        (("--compare", "rows"), "rows: 1 of 2 rows have a label; give one to all or none"),
        (("--compare", "words"), "words: Input 'x' cannot be read as float32"),
        (("--output", "rows"), "rows exists already"),
    ],
)
def test_a_mistake_is_refused_with_what_to_write_and_leaves_nothing(
    model: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(model.parent)
    Path("rows").write_text('{"instance": 1, "label": 1}\n2\n')
    Path("words").write_text('"one"\n')
    before = sorted(model.parent.iterdir())
    result = CliRunner().invoke(main, ["optimise", str(model), "--output", "new", *arguments])
    assert (result.exit_code, said in result.output) == (2, True), result.output
    assert result.output.count("\n") == 1
    assert sorted(model.parent.iterdir()) == before


def test_where_nothing_can_be_written_the_place_is_named(model: Path) -> None:
    output = model / "saved_model.pb" / "new"
    result = CliRunner().invoke(main, ["optimise", str(model), "--output", str(output)])
    assert result.exit_code == 1
    assert "saved_model.pb: File exists; nothing was kept" in result.output


@pytest.mark.parametrize(
    ("operation", "said"),
    [("EagerPyFunc", "calls back into Python (EagerPyFunc)"), ("OwnOp", "not know: OwnOp")],
)
def test_what_no_converter_can_take_is_refused_by_name(
    model: Path, operation: str, said: str
) -> None:
    document = wire.message("SavedModel")()
    document.ParseFromString((model / "saved_model.pb").read_bytes())
    document.meta_graphs[0].graph.nodes.add(op=operation)
    (model / "saved_model.pb").write_bytes(document.SerializeToString())
    result = CliRunner().invoke(main, ["optimise", str(model), "--output", str(model / "new")])
    assert result.exit_code == 2
    assert said in result.output


def test_labels_and_instances_are_told_apart(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"instance": {"x": 1}, "label": 0}\n{"instance": 2.5, "label": 1}\n')
    rows = read_rows(file, _SIGNATURE)
    assert rows.instances == ({"x": 1}, 2.5)
    assert rows.labels == (0, 1)


@pytest.mark.parametrize(
    ("predictions", "labels", "output", "expected"),
    [
        ([0.9, 0.2, 0.6], [1, 0, 0], "y", ("accuracy", 2 / 3)),
        ([[0.9], [0.2]], [1, 0], "y", ("accuracy", 1.0)),
        ([{"z": [0.1, 0.2, 0.7]}, {"z": [0.5, 0.2, 0.3]}], [2, 1], "z", ("accuracy", 0.5)),
        ([{"z": "a"}, {"z": "b"}], ["a", "b"], "z", ("accuracy", 1.0)),
        ([1.5, 2.0], [1.0, 2.5], "y", ("mean absolute error", 0.5)),
    ],
)
def test_the_score_is_what_the_labels_ask_for(
    predictions: list[JsonValue],
    labels: list[JsonValue],
    output: str,
    expected: tuple[str, float],
) -> None:
    name, value = score(predictions, labels, output)
    assert name == expected[0]
    assert value == pytest.approx(expected[1])


def test_labels_of_another_shape_are_refused() -> None:
    with pytest.raises(RefusedError, match="--label-output"):
        score([[[1.0, 2.0], [3.0, 4.0]]], [1], "y")


def test_of_several_outputs_the_labels_name_theirs() -> None:
    assert label_output(_SIGNATURE, "z") == "z"
    with pytest.raises(RefusedError, match="several outputs \\(y, z\\); say with --label-output"):
        label_output(_SIGNATURE, None)
    with pytest.raises(RefusedError, match="no output 'w'; the model has y, z"):
        label_output(_SIGNATURE, "w")


def test_differences_are_told_output_by_output() -> None:
    before = json.loads('[{"y": 1.0, "z": [1, 2]}, {"y": NaN, "z": [3, 4]}]')
    after = json.loads('[{"y": 1.5, "z": [1, 2]}, {"y": NaN, "z": [3, 5]}]')
    y, z = differences(before, after, ["z", "y"])
    assert (y.output, y.largest, y.mean, y.unequal_count, y.count) == ("y", 0.5, 0.25, 1, 2)
    assert (z.output, z.largest, z.mean, z.unequal_count, z.count) == ("z", None, None, 1, 4)
