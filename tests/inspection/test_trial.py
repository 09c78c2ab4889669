"""What a trial finds, run in this process; `test_trial_process` is about processes that die."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_export import arrays, wire
from model_export.inspection import WARMUP_PATH
from model_export.manifest import TensorSpec
from model_export.tensors import to_tensor
from model_export.trial import Job, Report, Rows, try_model

Edited = Callable[[Path, Callable[[Any], None]], Path]


def _tried(directory: Path, **options: Any) -> list[dict[str, Any]]:
    """Run a job here, and give what it reported."""
    job = Job(directory=directory, rows={}, original=None, tolerance=1e-4, warmup=None)
    reading, writing = os.pipe()
    with os.fdopen(reading) as lines:
        report = Report(writing)
        try_model(replace(job, **options), report)
        del report
        return [json.loads(line) for line in lines]


def _findings(reports: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [
        (found["level"], found["check"], found["message"])
        for report in reports
        if (found := report.get("finding"))
    ]


def _rows(*instances: Any, predictions: tuple[Any, ...] = ()) -> Mapping[str, Rows]:
    given = Rows(source="given", instances=instances, predictions=predictions)
    return {"serving_default": given}


def test_each_signature_is_run_on_made_up_rows(rich: Path) -> None:
    reports = _tried(rich)
    assert [report["step"] for report in reports if "step" in report] == [
        "loading the model",
        "running the signature find",
        "running the signature serving_default",
    ]
    runs = [report["run"] for report in reports if "run" in report]
    assert [(run["signature"], run["instances"], run["row_count"]) for run in runs] == [
        ("find", "generated", 2),
        ("serving_default", "generated", 2),
    ]
    assert all(run["seconds"] > 0 for run in runs)
    assert {level for level, _, _ in _findings(reports)} == {"ok"}


def test_a_tensorflow_1_model_runs_too(tensorflow1: Path) -> None:
    findings = _findings(_tried(tensorflow1, rows=_rows([1, 2, 3, 4])))
    assert {level for level, _, _ in findings} == {"ok"}
    assert findings[-1][2].startswith("1 given row in ")


def test_rows_that_the_model_fails_on_are_an_error_and_made_up_ones_a_warning(
    tf: Any, tmp_path: Path
) -> None:
    module = tf.Module()
    module.serve = tf.function(
        lambda word: {"y": tf.strings.to_number(word)},
        input_signature=[tf.TensorSpec([None], tf.string, name="word")],
    )
    tf.saved_model.save(module, str(tmp_path / "m"), signatures=module.serve)
    (_, made_up) = _findings(_tried(tmp_path / "m"))
    assert made_up[:2] == ("warning", "signature serving_default")
    (_, real) = _findings(_tried(tmp_path / "m", rows=_rows("1", "no number")))
    assert real[0] == "error"
    assert "StringToNumberOp could not correctly convert string: no number" in real[2]


def test_what_the_model_answered_when_it_was_exported_is_compared(double: Path) -> None:
    right = _findings(_tried(double, rows=_rows(1.0, 2.5, predictions=(2.0, 5.0))))
    assert right[-1][0] == "ok"
    assert right[-1][2] == "agrees with what it answered when it was exported, to 0"
    wrong = _findings(_tried(double, rows=_rows(1.0, 2.5, predictions=(2.0, 5.1))))
    assert wrong[-1][0] == "error"
    assert wrong[-1][2].startswith("output 'y' differs by up to 0.1 from what it answered")


def test_outputs_are_compared_with_the_original_savedmodel(
    tf: Any, double: Path, tmp_path: Path
) -> None:
    module = tf.Module()
    module.serve = tf.function(
        lambda x: {"y": x * 2.001}, input_signature=[tf.TensorSpec([None], tf.float32, name="x")]
    )
    tf.saved_model.save(module, str(tmp_path / "m"), signatures=module.serve)
    options: dict[str, Any] = {"rows": _rows(1.0, 10.0), "original": double}
    reports = _tried(tmp_path / "m", **options)
    assert _findings(reports)[-1][0] == "error"
    assert "differs by up to 0.01 from the original" in _findings(reports)[-1][2]
    (run,) = [report["run"] for report in reports if "run" in report]
    assert run["difference"] == pytest.approx(0.01, rel=1e-2)
    assert _findings(_tried(tmp_path / "m", **options, tolerance=0.01))[-1][0] == "ok"


def test_outputs_are_compared_with_the_keras_model_that_was_exported(
    tf: Any, tmp_path: Path
) -> None:
    import keras  # noqa: PLC0415 loads TensorFlow

    size = keras.Input((3,), name="size")
    colour = keras.Input((), name="colour", dtype="string")
    lookup = keras.layers.StringLookup(vocabulary=["red", "green"], output_mode="one_hot")
    words = lookup(keras.layers.Reshape((1,))(colour))
    score = keras.layers.Dense(2)(keras.layers.Concatenate()([size, words]))
    model = keras.Model({"size": size, "colour": colour}, {"score": score, "twice": score * 2})
    model.save(tmp_path / "model.keras")
    other = keras.models.clone_model(model)
    other.set_weights([weights + 1 for weights in model.get_weights()])
    other.save(tmp_path / "other.keras")
    # Keras's own export, which names the outputs as it likes.
    model.export(tmp_path / "m", verbose=False)
    same = _findings(_tried(tmp_path / "m", original=tmp_path / "model.keras"))
    assert ("ok", "signature serving_default", "agrees with the original, to 0") in same
    changed = _findings(_tried(tmp_path / "m", original=tmp_path / "other.keras"))
    assert any(level == "error" and "from the original" in message for level, _, message in changed)
    assert tf


def test_an_original_that_takes_other_inputs_is_told_not_compared(
    double: Path, tensorflow1: Path, edited: Edited
) -> None:
    def rename(saved_model: Any) -> None:
        definition = saved_model.meta_graphs[0].signatures["serving_default"]
        definition.inputs["z"].CopyFrom(definition.inputs["x"])
        del definition.inputs["x"]

    # The Python loader of TensorFlow 1 does not care for the names of inputs.
    other = edited(tensorflow1, rename)
    findings = _findings(_tried(other, original=double))
    assert findings[-1][:2] == ("warning", "original")
    assert "nothing was compared" in findings[-1][2]


def test_an_original_that_cannot_be_loaded_is_a_finding(double: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.keras").write_bytes(b"no zip")
    findings = _findings(_tried(double, original=tmp_path / "broken.keras"))
    assert ("error", "original") in [finding[:2] for finding in findings]
    assert findings[-1][2].startswith("2 generated rows")


def test_a_model_that_cannot_be_loaded_is_a_finding_and_the_end(
    double: Path, edited: Edited
) -> None:
    def rename(saved_model: Any) -> None:
        for node in saved_model.meta_graphs[0].graph.nodes:
            if node.op == "Placeholder":
                node.op = "TheirOwnOp"

    ((level, check, message),) = _findings(_tried(edited(double, rename)))
    assert (level, check) == ("error", "load")
    assert "TheirOwnOp" in message


def _warmup(tf: Any, model: Path, *inputs: Mapping[str, Any], log: bytes | None = None) -> Path:
    file = model / WARMUP_PATH
    file.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(file)) as writer:
        for tensors in inputs:
            record = wire.message("PredictionLog")()
            for name, value in tensors.items():
                record.predict_log.request.inputs[name].CopyFrom(to_tensor(np.asarray(value)))
            writer.write(record.SerializeToString())
        if log is not None:
            writer.write(log)
    return file


def test_warm_up_records_are_replayed(tf: Any, rich: Path, edited: Edited) -> None:
    model = edited(rich, lambda _: None)
    row = {"x": np.ones((1, 3), np.float32)}
    # The second leaves out the input that has a default; the third is a `session_run_log`.
    file = _warmup(tf, model, row | {"scale": np.float32(3)}, row, log=b"\x2a\x00")
    findings = _findings(_tried(model, warmup=file))
    assert findings[-1] == (
        "ok",
        "warm-up",
        "2 records ran, 1 are of a kind that was not tried",
    )


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"wrong": np.ones((1, 3), np.float32)}, "record 2: it takes scale, x, and was given"),
        ({"x": np.ones((1, 4), np.float32)}, "record 2: "),
        ({"x": np.ones((1, 3), np.int32)}, "record 2: "),
    ],
)
def test_a_warm_up_record_that_fails_is_an_error_since_it_fails_the_load(
    tf: Any, rich: Path, edited: Edited, inputs: dict[str, Any], said: str
) -> None:
    model = edited(rich, lambda _: None)
    file = _warmup(tf, model, {"x": np.ones((1, 3), np.float32)}, inputs)
    level, check, message = _findings(_tried(model, warmup=file))[-1]
    assert (level, check) == ("error", "warm-up")
    assert message.startswith(said)
    assert len(message) > len("record 2: ")


def test_a_warm_up_file_that_is_damaged_is_an_error(tf: Any, rich: Path, edited: Edited) -> None:
    model = edited(rich, lambda _: None)
    file = _warmup(tf, model, {"x": np.ones((1, 3), np.float32)})
    damaged = bytearray(file.read_bytes())
    damaged[20] ^= 1
    file.write_bytes(damaged)
    assert _findings(_tried(model, warmup=file))[-1][:2] == ("error", "warm-up")


def test_an_output_that_is_not_what_the_signature_promises_is_an_error(
    double: Path, edited: Edited
) -> None:
    def promise(saved_model: Any) -> None:
        outputs = saved_model.meta_graphs[0].signatures["serving_default"].outputs
        outputs["y"].shape.dims.add(size=3)

    findings = _findings(_tried(edited(double, promise)))
    assert findings[-1] == (
        "error",
        "signature serving_default",
        "output 'y' is float32[2] where the signature promises float32[?, 3]",
    )


def test_an_output_that_is_not_a_number_is_a_warning(double: Path) -> None:
    findings = _findings(_tried(double, rows=_rows(3e38)))
    assert findings[-1][0] == "warning"
    assert "infinity in the output y" in findings[-1][2]


def test_made_up_inputs_fit_their_specs_and_are_the_same_every_time() -> None:
    specs = {
        "floats": TensorSpec(dtype="float16", shape=(None, 3, None)),
        "integers": TensorSpec(dtype="uint8", shape=(4,)),
        "flags": TensorSpec(dtype="bool", shape=()),
        "words": TensorSpec(dtype="string", shape=None),
    }
    made = arrays.generated(specs)
    assert arrays.spec_faults(made, specs) == []
    assert {name: array.shape for name, array in made.items()} == {
        "floats": (2, 3, 8),
        "integers": (4,),
        "flags": (),
        "words": (2,),
    }
    again = arrays.generated(specs)
    assert all((made[name] == again[name]).all() for name in specs)
    with pytest.raises(ValueError, match="input 'x' is a resource"):
        arrays.generated({"x": TensorSpec(dtype="resource", shape=())})


@pytest.mark.parametrize(
    ("found", "wanted", "agrees"),
    [
        ([1.0, np.nan], [1.0, np.nan], True),
        ([1.0, np.nan], [1.0, 2.0], False),
        ([np.inf], [np.inf], True),
        ([1.0], [np.inf], False),
        ([1.00005], [1.0], True),
        ([1.001], [1.0], False),
        ([100_001.0], [100_000.0], True),
        ([0.0], [1e-5], True),
        ([1, 2], [1, 3], False),
        ([[1.0]], [1.0], False),
        (["a"], ["a"], True),
        (["a"], ["b"], False),
    ],
)
def test_numbers_agree_within_the_tolerance_and_all_else_when_equal(
    found: list[Any],
    wanted: list[Any],
    agrees: bool,  # noqa: FBT001 a table's column
) -> None:
    apart = arrays.difference({"y": np.array(found)}, {"y": np.array(wanted)}, 1e-4)
    assert (apart.faults == ()) == agrees


def test_outputs_that_keras_did_not_name_are_taken_in_their_order() -> None:
    expected = {"score": np.array([1]), "twice": np.array([2])}
    assert arrays.aligned(expected, ["output_1", "output_0"]) == {
        "output_0": expected["score"],
        "output_1": expected["twice"],
    }
    assert arrays.aligned({"y": np.array([1])}, ["other"]) == {"other": np.array([1])}
    assert arrays.aligned(expected, ["a", "b"]) is None
