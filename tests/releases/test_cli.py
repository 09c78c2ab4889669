"""The `servestack` command's own words: every command is there, and says what it does."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from infra.releases.cli import main

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
