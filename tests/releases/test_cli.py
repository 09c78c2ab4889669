"""The `servestack` command's own words: every command is there, and says what it does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from infra.releases.cli import main
from infra.releases.commands.options import POLICY_PACK

NAMES = main.list_commands(main.make_context("servestack", ["--help"], resilient_parsing=True))


@pytest.mark.parametrize("name", NAMES)
def test_every_command_explains_itself(name: str) -> None:
    told = CliRunner().invoke(main, [name, "--help"])
    assert told.exit_code == 0, told.output
    assert told.output.startswith(f"Usage: main {name} ")
    assert "--stack" in told.output or name in {"affected", "promote-env"}


def test_the_help_names_every_command() -> None:
    told = CliRunner().invoke(main, ["--help"]).output
    listed = [line.split()[0] for line in told.partition("Commands:\n")[2].splitlines()]
    assert [word for word in listed if word in NAMES] == NAMES


def test_help_loads_neither_the_engine_nor_the_configuration() -> None:
    program = (
        "import sys; from click.testing import CliRunner; from infra.releases.cli import main\n"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0\n"
        "print([name for name in ('pulumi', 'pydantic', 'grpc') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_an_unknown_command_is_told() -> None:
    told = CliRunner().invoke(main, ["rolback"])
    assert told.exit_code == 2
    assert "rolback" in told.output


def test_a_mistake_in_the_options_is_told_in_one_line() -> None:
    told = CliRunner().invoke(main, ["history", "--last", "0"], prog_name="servestack")
    assert told.exit_code == 2
    assert told.output == (
        "servestack history: Invalid value for '-n' / '--last': 0 is not in the range x>=1. "
        "(servestack history --help tells more.)\n"
    )


INTERRUPTED_WHILE_IMPORTING = """
import os, signal, sys, time
from infra.releases.cli import main

class Swallowing:
    def find_spec(self, name, path=None, target=None):
        if name == "infra.config.model":
            try:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(5)
            except KeyboardInterrupt:
                pass

sys.meta_path.insert(0, Swallowing())
signal.signal(signal.SIGINT, signal.default_int_handler)
main(["status"])
"""


def test_an_interrupt_that_an_import_would_swallow_ends_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_WHILE_IMPORTING],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "servestack: interrupted\n")


def test_the_engine_is_told_everything_in_utf8_in_any_locale() -> None:
    program = (
        "import subprocess; from infra.releases.automation import _as_utf8\n"
        "subprocess.run(['printf', '%s', _as_utf8('heart: 1 \\u2192 2, \\u00e9')], check=True)"
    )
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **plain},
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode() == "heart: 1 → 2, é"


def test_what_cannot_be_told_for_want_of_room_is_no_traceback() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "infra.releases.cli", "affected", "--all"],
            env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == ("servestack: What was done could not be told: No space left on device\n")


def test_a_report_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    place = tmp_path / "none" / "report.md"
    told = CliRunner().invoke(
        main, ["report", "-s", "kind", "--no-preview", "none", "--output", str(place)]
    )
    assert told.exit_code == 1
    assert f"--output {place}: the report cannot be written: No such file" in told.output


def test_a_policy_pack_is_looked_for_where_the_user_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pack").mkdir()
    asked = POLICY_PACK.convert("pack", None, None)
    assert asked == (tmp_path / "pack").resolve()
    told = CliRunner().invoke(main, ["up", "--policy-pack", "packk"])
    assert told.exit_code == 2
    assert "Directory 'packk' does not exist" in told.output


def test_following_a_model_that_is_not_declared_is_refused_by_its_name() -> None:
    told = CliRunner().invoke(main, ["watch", "-s", "kind", "--once", "--model", "hart"])
    assert told.exit_code == 2
    assert "hart: the stack declares no such model; it declares: heart" in told.output
