"""The command: what it prints, where, and how it exits."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from model_export.cli import main


def _run(*arguments: object, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def test_publish_says_what_it_made(model: Path, root: Path) -> None:
    result = _run("publish", model, "--model", "heart", "--store", root)
    assert result.exit_code == 0
    assert result.stdout.startswith("Published heart version 1: ")
    assert result.stdout.endswith(f"in 3 files, {root.as_uri()}/heart/1\n")
    assert result.stderr == ""


def test_the_help_tells_each_command_in_a_whole_sentence() -> None:
    listed = _run("--help").stdout.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in listed] == main.list_commands(None)  # type: ignore[arg-type] # it asks for none
    assert all(line.endswith(".") and not line.endswith("..") for line in listed)


def test_without_a_store_both_ways_to_name_one_are_told(model: Path) -> None:
    result = _run("publish", model, "--model", "heart")
    assert result.exit_code == 2
    assert "Missing option '--store' / '--stack'" in result.stderr


def test_what_cannot_be_told_for_want_of_room_is_no_traceback(root: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "model_export", "list", "--store", root, "--json"],
            env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == (
        "model-export: What was done could not be told: No space left on device\n"
    )


def test_an_interrupt_is_told_in_a_word_and_by_the_exit_code(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("model_export.cli_list.open_store", interrupted)
    result = _run("list", "--store", root)
    assert (result.exit_code, result.stderr) == (130, "model-export: interrupted\n")


def test_publish_list_and_show_answer_in_json(model: Path, root: Path) -> None:
    options = ["--label", "team=a=b", "--metric", "accuracy=0.87", "--metric", "loss=1e-3"]
    published = _run(
        "publish", model, "--model", "heart", "--store", root, "--version", 12, *options, "--json"
    )
    summary = json.loads(published.stdout)
    assert summary.pop("url") == f"{root.as_uri()}/heart/12"
    assert summary["version"] == 12
    assert summary["labels"] == {"team": "a=b"}
    assert summary["metrics"] == {"accuracy": 0.87, "loss": 0.001}
    assert json.loads(_run("list", "--store", root, "--json").stdout) == [summary]
    shown = _run("show", "--model", "heart", "--store", root, "--json").stdout
    assert shown == (root / "heart/12/manifest.json").read_text()


def test_list_shows_each_version_on_a_line_and_can_be_narrowed_to_a_model(
    model: Path, root: Path
) -> None:
    for name in ("liver", "heart", "heart"):
        _run("publish", model, "--model", name, "--store", root, "--metric", "accuracy=0.5")
    lines = _run("list", "--store", root).stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["MODEL", "VERSION"],
        ["heart", "1"],
        ["heart", "2"],
        ["liver", "1"],
    ]
    assert lines[1].endswith("accuracy=0.5")
    narrowed = _run("list", "--store", root, "--model", "liver").stdout
    assert [line.split()[0] for line in narrowed.splitlines()] == ["MODEL", "liver"]


def test_list_of_an_empty_store_says_so_and_gives_an_empty_list_to_scripts(root: Path) -> None:
    result = _run("list", "--store", root)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"No versions of any model in {root.as_uri()}\n"
    assert json.loads(_run("list", "--store", root, "--json").stdout) == []


def test_list_shows_the_versions_that_it_can_read_and_names_the_one_that_it_cannot(
    model: Path, root: Path
) -> None:
    for _ in range(2):
        _run("publish", model, "--model", "heart", "--store", root)
    (root / "heart/1/manifest.json").chmod(0o644)
    (root / "heart/1/manifest.json").write_text("{")
    result = _run("list", "--store", root)
    assert result.exit_code == 1
    assert [line.split()[:2] for line in result.stdout.splitlines()[1:]] == [["heart", "2"]]
    assert "heart/1/manifest.json is not a manifest" in result.stderr


def test_show_tells_a_person_what_the_version_is(model: Path, root: Path) -> None:
    _run("publish", model, "--model", "heart", "--store", root)
    shown = _run("show", "--model", "heart", "--version", "1", "--store", root).stdout
    assert "tensorflow: 2.20.0" in shown
    assert "signature serving_default:\n  in  x: float32[?]\n  out y: float32 of any shape" in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["publish", "MODEL", "--model", "Heart", "--store", "ROOT"], "a name is 1 to 63"),
        (["publish", "MODEL", "--model", "h", "--store", "ROOT", "--version", "0"], "'0'"),
        (["publish", "MODEL", "--model", "h", "--store", "ROOT", "--version", "007"], "as in 12"),
        (["publish", "MODEL", "--model", "h", "--store", "ROOT", "--label", "x"], "KEY=VALUE"),
        (["publish", "MODEL", "--model", "h", "--store", "ROOT", "--metric", "a=b"], "KEY=NUMBER"),
        (["publish", "MODEL", "--model", "h", "--store", "ROOT", "--metric", "a=nan"], "finite"),
        (["publish", "MODEL", "--model", "h", "--store", "ftp://b"], "not a kind of store"),
        (["publish", "MODEL", "--model", "h", "--store", "ROOT/no"], "mkdir -p"),
        (["publish", "MODEL", "--model", "h"], "Missing option '--store'"),
        (["publish", "ROOT", "--model", "h", "--store", "ROOT"], "it has no saved_model.pb"),
        (["publish", "ROOT/no", "--model", "h", "--store", "ROOT"], "does not exist"),
        (["show", "--model", "h", "--store", "ROOT"], "has no version of model 'h'"),
        (["show", "--model", "h", "--version", "3", "--store", "ROOT"], "has no version 3"),
        (["predict", "--model", "h", "--endpoint", "nowhere"], "http://HOST:PORT"),
        (["predict", "--model", "h", "--endpoint", "http://h:x"], "Port could not"),
        (["predict", "[1", "--model", "h", "--endpoint", "h:1"], "not JSON"),
        (
            ["predict", "--model", "h", "--endpoint", "h:1", "--version", "1", "--label", "l"],
            "not both",
        ),
    ],
)
def test_a_mistake_in_the_request_exits_with_2_and_says_what_to_write(
    model: Path, root: Path, arguments: list[str], said: str
) -> None:
    places = {"MODEL": str(model), "ROOT": str(root), "ROOT/no": str(root / "no")}
    result = _run(*(places.get(argument, argument) for argument in arguments), stdin="[1]")
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


def test_a_stack_is_asked_for_its_bucket(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    servestack = tmp_path / "servestack"
    servestack.write_text(f'#!/bin/sh\ntest "$*" = "bucket --stack dev" && echo "{root}"\n')
    servestack.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    assert _run("list", "--stack", "dev").output == _run("list", "--store", root).output
    refused = _run("list", "--stack", "nope")
    assert refused.exit_code == 2
    assert "bucket of stack nope is not known" in refused.output


def test_a_stack_without_servestack_is_refused_with_both_ways_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    refused = _run("list", "--stack", "dev")
    assert refused.exit_code == 2
    assert "servestack[infra]" in refused.output
    assert "--store URL" in refused.output


def test_a_bucket_is_said_once(root: Path) -> None:
    both = _run("list", "--stack", "dev", "--store", root)
    neither = _run("list")
    assert (both.exit_code, neither.exit_code) == (2, 2)
    assert "give one" in both.output
    assert "--store" in neither.output


def test_a_failure_of_the_operation_exits_with_1() -> None:
    # Port 1 of this machine: nobody listens there.
    for endpoint in ("http://127.0.0.1:1", "127.0.0.1:1"):
        result = _run("predict", "[1]", "--model", "h", "--endpoint", endpoint)
        assert result.exit_code == 1
        assert result.stderr.startswith(f"model-export: No answer from {endpoint}: ")
        assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [[], ["publish"], ["list"], ["show"], ["predict"]])
def test_help_teaches(command: list[str]) -> None:
    assert "Usage:" in _run(*command, "--help").stdout


def test_the_command_loads_neither_tensorflow_nor_what_only_predict_needs() -> None:
    program = (
        "import sys; from model_export.cli import main; "
        "[main.get_command(None, name) for name in main.list_commands(None)]; "
        "print(*{'tensorflow', 'keras', 'numpy', 'grpc', 'tqdm', 'pulumi'} & set(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout == "\n"


def test_a_publish_takes_little_more_work_than_starting_the_command(
    make_model: Callable[..., Path], root: Path
) -> None:
    model = make_model(files={"variables/large": os.urandom(23_000_000)})
    publish = ("publish", model, "--model", "h", "--store", root)
    # In processor time, beside each other: a busy machine is as busy, a slow one as slow, for both.
    starting = min(_processor_seconds("publish", "--help") for _ in range(3))
    publishing = min(_processor_seconds(*publish) for _ in range(3))
    assert publishing < 2 * starting


def _processor_seconds(*arguments: object) -> float:
    """Run the command, and say what it cost."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "model_export.cli", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
