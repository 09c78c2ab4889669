"""`model-export optimise` from the command to the server and the device."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from model_export.arrays import from_rows
from model_export.cli import main
from model_export.directory_store import DirectoryStore
from model_export.errors import ModelExportError
from model_export.export_record import EXPORT_RECORD_PATH
from model_export.manifest import TensorSpec
from model_export.optimise import optimisation, worker
from model_export.optimise.worker import in_clean_process
from model_export.publish import publish
from model_export.tensors import columns, to_array
from tests.model_export.optimise_toy import CLASS_COUNT, ROWS, save_toy
from tests.server.core.running import start


def _optimise(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["optimise", *map(str, arguments)])


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_toy(tmp_path_factory.mktemp("optimise") / "toy")


@pytest.fixture(scope="module")
def optimised(toy: Path) -> dict[str, Any]:
    """Optimise the toy with all that can be asked for, and give the JSON answer."""
    calibrate, compare, classes = (
        toy.parent / name for name in ("rows.jsonl", "labelled.jsonl", "classes.txt")
    )
    calibrate.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    labelled = [{"instance": row, "label": 3} for row in ROWS[:40]]
    compare.write_text("".join(json.dumps(row) + "\n" for row in labelled))
    classes.write_text("".join(f"class {number}\n" for number in range(CLASS_COUNT)))
    result = _optimise(
        *(toy, "--output", toy.parent / "small", "--objective", "int8", "--json"),
        *("--representative", calibrate, "--compare", compare, "--label-output", "scores"),
        *("--bundle", toy.parent / "device", "--class-names", classes, "--runs", 50),
    )
    assert result.exit_code == 0, result.output
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


@pytest.mark.slow
def test_the_figures_of_before_and_after_stand_side_by_side(
    optimised: dict[str, Any], toy: Path
) -> None:
    before, after = optimised["before"], optimised["after"]
    assert after["size_bytes"] == (toy.parent / "small/model.tflite").stat().st_size
    assert after["size_bytes"] < before["size_bytes"] / 2
    for figures in (before, after):
        assert figures["runs"] == 50
        assert 0 < figures["latency_p50_seconds"] <= figures["latency_p99_seconds"]
        assert 0 <= figures["score"] < 0.7
    assert optimised["score_name"] == "accuracy"
    moved = {entry["output"]: entry for entry in optimised["differences"]}
    assert 0 < moved["scores"]["mean"] < moved["scores"]["largest"] < 0.1
    assert moved["best"]["unequal_count"] <= 4
    notes = " / ".join(optimised["notes"])
    assert "no longer answers double" in notes
    assert "ONE_HOT stays in float" in notes


@pytest.mark.slow
def test_the_result_is_published_as_what_it_is_and_served(
    optimised: dict[str, Any], tmp_path: Path
) -> None:
    import tensorflow as tf  # noqa: PLC0415 loaded by now

    published = publish(
        Path(optimised["directory"]), model="toy", store=DirectoryStore(tmp_path), labels={"a": "b"}
    )
    assert published.manifest.labels == {"optimised": "int8", "a": "b"}
    assert "model.tflite" in {entry.path for entry in published.manifest.files}
    (tmp_path / "server").mkdir()
    server = start(
        tmp_path / "server",
        "--model_name=toy",
        f"--model_base_path={tmp_path / 'toy'}",
        "--prefer_tflite_model",
    )
    try:
        server.wait("toy", {1: "AVAILABLE"})
        metadata = json.loads((Path(optimised["bundle"]) / "metadata.json").read_text())
        x, word = TensorSpec(dtype="float32", shape=None), TensorSpec(dtype="string", shape=None)
        rows = columns(metadata["sample"]["instances"], {"x": x, "word": word})
        answer = server.predict(
            "toy", {"x": to_array("x", rows["x"], x), "word": to_array("word", rows["word"], word)}
        )
    finally:
        server.kill()
    expected = from_rows(metadata["sample"]["predictions"], ["scores", "best"])
    assert tf.make_ndarray(answer.outputs["best"]).tolist() == expected["best"].tolist()
    assert np.abs(tf.make_ndarray(answer.outputs["scores"]) - expected["scores"]).max() < 1e-6


@pytest.mark.slow
def test_a_device_needs_nothing_but_the_bundle_and_litert(optimised: dict[str, Any]) -> None:
    pytest.importorskip("ai_edge_litert")
    program = (
        "import runpy, sys; sys.argv = ['predict.py']\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "finally: assert not {'tensorflow', 'model_export'} & sys.modules.keys()\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=optimised["bundle"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    first = json.loads(ran.stdout.splitlines()[0])
    assert first["as_before"] is True
    assert first["prediction"]["scores_label"] == f"class {first['prediction']['best']}"


@pytest.fixture
def within_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the steps here, where TensorFlow is loaded already: each process costs seconds."""

    def run(step: str, **arguments: Any) -> Any:
        module, function = worker.STEPS[step]
        try:
            return getattr(importlib.import_module(module), function)(**arguments)
        except RuntimeError as error:
            raise ModelExportError(str(error)) from error

    monkeypatch.setattr(optimisation, "in_clean_process", run)


@pytest.mark.usefixtures("within_this_process")
def test_a_result_that_runs_nowhere_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    import tensorflow as tf  # noqa: PLC0415 loaded by now

    module = tf.Module()
    module.serve = tf.function(
        lambda x: {"y": tf.bitwise.bitwise_and(x, 6)}, [tf.TensorSpec([None], tf.int32, "x")]
    )
    tf.saved_model.save(module, tmp_path / "model", {"serving_default": module.serve})
    arguments = (tmp_path / "model", "--output", tmp_path / "small", "--runs", 10)
    refused = _optimise(*arguments)
    assert refused.exit_code == 1
    assert "TFLite lacks BitwiseAnd" in refused.output
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    kept = _optimise(*arguments, "--keep-unrun")
    assert kept.exit_code == 0, kept.output
    assert "Note: needs Select TensorFlow operations: BitwiseAnd" in kept.output
    assert (tmp_path / "small/model.tflite").exists()


@pytest.mark.usefixtures("within_this_process")
def test_a_frozen_model_is_tried_and_shown_in_a_table(toy: Path, tmp_path: Path) -> None:
    result = _optimise(toy, "--output", tmp_path / "frozen", "--objective", "freeze", "--runs", 20)
    assert result.exit_code == 0, result.output
    table = [line.split() for line in result.output.splitlines()]
    assert ["BEFORE", "AFTER"] in table
    assert ["output", "best", "0", "differ", "of", "2", "values"] in table
    assert "2 rows of made-up values, signature serving_default" in result.output
    record = json.loads((tmp_path / "frozen" / EXPORT_RECORD_PATH).read_bytes())
    assert record["labels"] == {"optimised": "freeze"}
    assert not (tmp_path / "frozen/variables").exists()


def test_a_crash_of_the_step_is_told_as_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashing = tmp_path / "python"
    crashing.write_text("#!/bin/sh\necho 'tensor of doom' >&2\nkill -SEGV $$\n")
    crashing.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(crashing))
    with pytest.raises(ModelExportError, match=r"crashed with SIGSEGV in step 'freeze'.*of doom"):
        in_clean_process("freeze", directory="x", output="y")
