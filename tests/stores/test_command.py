"""The same commands with every kind of store."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from model_export import cli_options
from model_export.cli import main


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_a_model_is_published_listed_shown_and_fetched(
    store_url: str, model: Path, tmp_path: Path
) -> None:
    place = ("--model", "heart", "--store", store_url)
    published = _run("publish", model, *place)
    assert published.exit_code == 0, published.stderr
    assert "Published heart version 1: " in published.stdout
    assert published.stderr == ""
    assert json.loads(_run("list", "--store", store_url, "--json").stdout)[0]["version"] == 1
    assert "version:    1" in _run("show", *place).stdout
    fetched = _run("fetch", tmp_path / "fetched", *place)
    assert fetched.exit_code == 0, fetched.stderr
    assert f"in 4 files, {tmp_path / 'fetched'}" in fetched.stdout
    assert (tmp_path / "fetched/assets/naïve words.txt").read_bytes() == b"words"


def test_a_version_that_is_not_there_is_not_fetched(store_url: str, tmp_path: Path) -> None:
    result = _run("fetch", tmp_path / "new", "--model", "heart", "--store", store_url)
    assert result.exit_code == 2
    assert "has no version of model 'heart'" in result.stderr
    assert result.stderr.count("\n") == 1


def test_without_a_terminal_progress_is_plain_lines_with_rate_and_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_options, "LINE_SECONDS", 0.0)
    with cli_options.progress(1_000_000) as advance:
        advance(250_000)
    said = capsys.readouterr().err
    assert "25%" in said
    assert "250k/1.00M" in said
    assert said.count("\n") == 1
    assert "\r" not in said
