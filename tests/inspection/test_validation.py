"""The course of a validation, its rules, and the process that a model is tried in."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner, Result

from model_export.cli import main
from model_export.graph import Graph
from model_export.inspection import Inspection, inspect_model
from model_export.model_files import local_files
from model_export.serving_rules import Plan, check_model, check_plan, check_targets
from model_export.trial import Job
from model_export.trial_process import run_trial
from model_export.verdict import Finding, Run

Edited = Callable[[Path, Callable[[Any], None]], Path]


def _run(*arguments: object, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def _job(directory: Path) -> Job:
    return Job(directory=directory, rows={}, original=None, tolerance=1e-4, warmup=None)


def _checked(directory: Path) -> tuple[Inspection, list[Finding]]:
    files = local_files(directory)
    inspection = inspect_model(files)
    return inspection, list(check_model(inspection, files.sizes))


def _errors(findings: list[Finding]) -> list[tuple[str, str]]:
    assert all(finding.remedy for finding in findings if finding.level != "ok")
    return [(finding.check, finding.message) for finding in findings if finding.level == "error"]


@pytest.mark.slow
def test_a_good_model_passes_with_exit_code_0(rich: Path, tmp_path: Path) -> None:
    instances = tmp_path / "rows.jsonl"
    instances.write_text('"red"\n"blue"\n')
    result = _run("validate", rich, "--instances", instances, "--target", "local", "--json")
    assert result.exit_code == 0, result.stdout
    verdict = json.loads(result.stdout)
    assert verdict["passed"] is True
    assert {finding["level"] for finding in verdict["findings"]} == {"ok"}
    assert [finding["check"] for finding in verdict["findings"]] == [
        "version",
        "files",
        "memory",
        "load",
        "signature find",
        "signature serving_default",
        "local",
    ]
    assert {run["signature"]: run["instances"] for run in verdict["runs"]} == {
        "find": "given",
        "serving_default": "generated",
    }


@pytest.mark.slow
def test_a_model_that_crashes_its_process_is_an_error_and_no_crash_of_ours(aborting: Path) -> None:
    findings, runs = run_trial(_job(aborting), 60)
    assert runs == ()
    ((check, message),) = _errors(findings)
    assert check == "process"
    assert message.startswith("running the signature serving_default: the process died of SIGABRT")
    assert "the model's own fault" in message


@pytest.mark.slow
def test_a_model_that_never_answers_is_ended_and_told(endless: Path) -> None:
    before = psutil.Process().children(recursive=True)
    findings, _ = run_trial(_job(endless), 5)
    assert _errors(findings) == [
        ("process", "running the signature serving_default: not done after 5 s, so it was ended")
    ]
    assert set(psutil.Process().children(recursive=True)) <= set(before)  # nothing of it is left


@contextmanager
def _validating(model: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Start a validation of its own, and give the place of its trial's process."""
    program = (
        "import sys; from pathlib import Path; from model_export.validation import *;"
        "print(validate(Path(sys.argv[1])).as_json())"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, model], stdout=subprocess.PIPE, text=True
    ) as ours:
        children = Path(f"/proc/{ours.pid}/task/{ours.pid}/children")
        while not (started := children.read_text().split()):
            assert ours.poll() is None
        try:
            yield ours, Path("/proc") / started[0]
        finally:
            ours.kill()


def test_a_process_that_is_killed_is_told_with_the_likely_reason(endless: Path) -> None:
    with _validating(endless) as (ours, trial):
        os.kill(int(trial.name), signal.SIGKILL)
        told, _ = ours.communicate(timeout=60)
    assert "the process died of SIGKILL" in told
    assert "want of memory" in told


@pytest.mark.slow
def test_nothing_goes_on_when_the_command_itself_is_killed(endless: Path) -> None:
    with _validating(endless) as (ours, trial):
        deadline = time.monotonic() + 120
        # TensorFlow has started its threads.
        while len(list((trial / "task").iterdir())) < 4:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        ours.kill()
        ours.wait()
        deadline = time.monotonic() + 60
        # What nobody has waited for yet is a zombie: its command line is gone.
        while trial.exists() and (trial / "cmdline").read_bytes():
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_file_that_was_cut_on_its_way_is_found_without_loading_the_model(
    rich: Path, tmp_path: Path
) -> None:
    shutil.copytree(rich, tmp_path / "m")
    data = tmp_path / "m/variables/variables.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-1])
    (tmp_path / "m/assets/words.txt").unlink()
    ((check, message),) = _errors(_checked(tmp_path / "m")[1])
    assert check == "files"
    assert message == (
        f"assets/words.txt is missing; variables/variables.data-00000-of-00001 has "
        f"{data.stat().st_size} bytes of at least {data.stat().st_size + 1}"
    )


def test_a_damaged_graph_is_a_finding(double: Path, tmp_path: Path) -> None:
    shutil.copytree(double, tmp_path / "m")
    (tmp_path / "m/saved_model.pb").write_bytes(b"\xff\xff")
    result = _run("validate", tmp_path / "m")
    assert result.exit_code == 1
    assert "is corrupt or cut short" in result.stdout
    assert result.stdout.endswith("failed with 1 error\n")


def test_a_graph_that_no_server_loads_or_no_client_can_call_is_an_error(
    double: Path, tensorflow1: Path, edited: Edited
) -> None:
    def untag(saved_model: Any) -> None:
        saved_model.meta_graphs[0].meta_info.tags[:] = ["serve", "gpu"]

    ((check, message),) = _errors(_checked(edited(double, untag))[1])
    assert check == "graph"
    assert "(tags: gpu, serve)" in message
    inspection, _ = _checked(tensorflow1)
    graph = replace(inspection.graphs[0], signatures={})
    (found,) = _errors(list(check_model(replace(inspection, graphs=(graph,)), _sizes(tensorflow1))))
    assert found[0] == "signatures"


def _sizes(directory: Path) -> Any:
    return local_files(directory).sizes


def test_a_model_without_a_default_signature_is_a_warning(double: Path, edited: Edited) -> None:
    def rename(saved_model: Any) -> None:
        signatures = saved_model.meta_graphs[0].signatures
        signatures["other"].CopyFrom(signatures["serving_default"])
        del signatures["serving_default"]

    _, findings = _checked(edited(double, rename))
    assert [(each.level, each.check) for each in findings if each.level != "ok"] == [
        ("warning", "signatures")
    ]


def test_operations_that_no_stock_server_has_are_errors(
    double: Path, python_calling: Path, edited: Edited
) -> None:
    def add(saved_model: Any) -> None:
        saved_model.meta_graphs[0].graph.nodes.add(op="TheirOwnOp")

    ((_, custom),) = _errors(_checked(edited(double, add))[1])
    assert custom.startswith("not TensorFlow's own: TheirOwnOp")
    ((_, python),) = _errors(_checked(python_calling)[1])
    assert python.startswith("PyFunc calls back into the Python program")


def test_more_warm_up_records_than_a_server_takes_are_an_error(double: Path) -> None:
    inspection, _ = _checked(double)
    for count, expected in ((1000, []), (1001, ["warm-up"])):
        checked = check_model(replace(inspection, warmup_record_count=count), _sizes(double))
        assert [check for check, _ in _errors(list(checked))] == expected


@pytest.mark.parametrize("version", ["0", "007", "1.2", "v3", "-1", "9223372036854775808", ""])
def test_a_number_that_servers_do_not_read_as_a_version_is_an_error(version: str) -> None:
    assert [check for check, _ in _errors(list(check_plan(Plan(version=version))))] == ["version"]


@pytest.mark.parametrize("version", ["1", "1234567890", "9223372036854775807"])
def test_any_other_number_is_fine(version: str) -> None:
    assert _errors(list(check_plan(Plan(version=version)))) == []


def test_labels_follow_the_narrowest_rule() -> None:
    labels = ("stable", "a/b", "Canary", "x")
    assert len(_errors(list(check_plan(Plan(labels=labels))))) == 2
    errors = _errors(list(check_plan(Plan(labels=labels, targets=("vertex",)))))
    assert errors[-1] == ("label", "'x' is too short for an alias of Vertex")


def test_the_number_comes_from_the_directorys_name_where_none_is_given(
    double: Path, tmp_path: Path
) -> None:
    shutil.copytree(double, tmp_path / "007")
    (tmp_path / "007/saved_model.pb").write_bytes(b"\xff")
    assert "'007' is no version" in _run("validate", tmp_path / "007").stdout
    assert "no version" not in _run("validate", tmp_path / "007", "--version", "7").stdout


@pytest.fixture
def graph(double: Path) -> Graph:
    return inspect_model(local_files(double)).graphs[0]


def _target(graph: Graph, target: Any, seconds: float = 1.0, row_bytes: int = 100) -> list[str]:
    run = Run(signature="s", instances="given", row_count=3, seconds=seconds)
    findings = check_targets(Plan(targets=(target,)), graph, [run], row_bytes)
    return [finding.level for finding in findings]


def test_each_target_is_held_to_its_own_limits(graph: Graph) -> None:
    old = replace(graph, tensorflow_version="2.15.1")
    for target in ("kubernetes", "vertex", "sagemaker", "local"):
        assert _target(old, target) == ["ok"]
    newer = replace(graph, tensorflow_version="2.16.0")
    assert _target(newer, "vertex") == ["warning"]
    assert _target(newer, "sagemaker") == ["ok"]
    assert _target(replace(graph, tensorflow_version="2.20.0"), "sagemaker") == ["warning"]
    assert _target(replace(graph, tensorflow_version="unknown"), "vertex") == ["ok"]
    assert _target(old, "sagemaker", seconds=61) == ["error"]
    assert _target(old, "vertex", row_bytes=1_500_001) == ["warning"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["validate", "ROOT"], "is not a SavedModel: it has no saved_model.pb"),
        (["validate", "MODEL", "--target", "mars"], "'mars' is not one of"),
        (["validate", "MODEL", "--instances", "ROWS"], "No signature takes these instances."),
        (["validate", "MODEL", "--original", "ROOT"], "is not a SavedModel"),
        (["validate", "MODEL", "--tolerance", "-1"], "'--tolerance'"),
        (["validate", "MODEL/none"], "does not exist"),
        (["inspect", "ROOT"], "is not a SavedModel"),
        (["inspect", "MODEL/none"], "is not a directory"),
        (["diff", "MODEL", "gs://bucket/x"], "names no version"),
    ],
)
def test_a_mistake_in_the_request_exits_with_2_and_says_what_to_write(
    double: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    (tmp_path / "rows.json").write_text('[{"z": 1}]')
    places = {
        "MODEL": str(double),
        "MODEL/none": str(double / "none"),
        "ROOT": str(tmp_path),
        "ROWS": str(tmp_path / "rows.json"),
    }
    result = _run(*(places.get(argument, argument) for argument in arguments))
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert result.stdout == ""


def test_inspect_tells_a_person_and_a_script_the_same(rich: Path) -> None:
    told = _run("inspect", rich).stdout
    lines = told.partition("\noperations\n")[2].splitlines()
    assert len(lines) > 1
    assert all(re.search(r"\w \d+,?$", line) for line in lines), lines
    plain = json.loads(_run("inspect", rich, "--json").stdout)
    assert "variables:  3, 8 parameters" in told
    assert plain["variables"]["count"] == 3
    assert "in   scale  float32  []      optional" in told
    assert plain["graphs"][0]["optional_inputs"] == {"serving_default": ["scale"]}
    assert "LookupTableFindV2 1" in told
    assert plain["graphs"][0]["operations"]["LookupTableFindV2"] == 1


def test_inspect_puts_what_needs_care_before_the_other_operations(python_calling: Path) -> None:
    told = _run("inspect", python_calling).stdout
    assert "operations\n  PyFunc  1  PYTHON: runs in no server\n" in told


def test_diff_exits_with_1_only_when_asked_to_fail_on_what_breaks(rich: Path, double: Path) -> None:
    told = _run("diff", rich, double)
    assert told.exit_code == 0
    assert "BREAKS  find " in told.stdout
    assert told.stdout.endswith(" changes may break a client.\n")
    assert _run("diff", rich, double, "--fail-on-breaking").exit_code == 1
    same = _run("diff", rich, rich, "--fail-on-breaking")
    assert (same.exit_code, same.stdout) == (0, "Nothing changes for a client.\n")
    plain = json.loads(_run("diff", rich, double, "--json").stdout)
    assert plain["breaking"] is True
    assert any(change["breaks"] == ["REST", "gRPC"] for change in plain["changes"])


def test_neither_inspect_nor_diff_loads_tensorflow(rich: Path) -> None:
    program = (
        "import sys; from model_export.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: print(*{'tensorflow', 'keras', 'numpy'} & set(sys.modules), '.')"
    )
    for arguments in (["inspect", str(rich)], ["diff", str(rich), str(rich)]):
        answer = subprocess.run(
            [sys.executable, "-c", program, *arguments], check=True, capture_output=True, text=True
        )
        assert answer.stdout.splitlines()[-1].strip() == "."
