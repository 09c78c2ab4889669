"""A stack file and the program that the engine starts give the same configuration."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pulumi
import pytest

from infra.config import ConfigError, load_stack, parse_stack, read_stack_file

FILE_NAME = "Pulumi.test.yaml"
TEXT = """\
# A comment.
encryptionsalt: v1:abc
config:
  servestack:platform: local
  gcp:project: not-ours
  servestack:models:
    heart:
      version: 2
      canary: {version: 3, share: 10}
    digits: {}
"""
EXPECTED = parse_stack(
    {
        "platform": "local",
        "models": {"heart": {"version": 2, "canary": {"version": 3, "share": 10}}, "digits": {}},
    },
    source=FILE_NAME,
)


def complaint(directory: Path, text: str | bytes) -> str:
    path = directory / FILE_NAME
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        read_stack_file(path)
    return str(caught.value)


@pytest.fixture(autouse=True)
def running_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = pulumi.runtime.Settings(project="servestack", stack="test")
    monkeypatch.setattr(pulumi.runtime.settings, "SETTINGS", settings)


def run_program(
    monkeypatch: pytest.MonkeyPatch, config: Mapping[str, str], secret: tuple[str, ...] = ()
) -> None:
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(config))
    monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", json.dumps(secret))


def test_a_stack_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    path.write_text(TEXT, encoding="utf-8")
    assert read_stack_file(path) == EXPECTED


def test_the_program_reads_the_same_from_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    models = {"heart": {"version": 2, "canary": {"version": 3, "share": 10}}, "digits": {}}
    config = {
        "servestack:platform": "local",
        "servestack:models": json.dumps(models),
        "gcp:project": "not-ours",
    }
    run_program(monkeypatch, config)
    assert load_stack() == EXPECTED


def test_the_program_names_the_stack_file_and_unknown_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    run_program(monkeypatch, {"servestack:platform": "local", "servestack:modls": "{}"})
    with pytest.raises(ConfigError, match=r"^Pulumi\.test\.yaml: servestack:modls: there is no"):
        load_stack()


def test_the_program_refuses_a_secret_without_showing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    config = {"servestack:platform": "local", "servestack:models": '{"heart": {"x": "hunter2"}}'}
    run_program(monkeypatch, config, secret=("servestack:models",))
    with pytest.raises(ConfigError, match="encrypted") as caught:
        load_stack()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "config:\n  servestack:models: {heart: 1\n",
            (
                "line 3, column 1: this is not YAML: expected ',' or '}', but got '<stream end>'. "
                "Mend it there or just above"
            ),
        ),
        (
            "config:\n\tservestack:platform: local\n",
            (
                "line 2, column 1: this is not YAML: found character '\\t' that cannot start any "
                "token. Mend it there or just above"
            ),
        ),
        (
            "- 1\n",
            "a stack file is a mapping. Write for example: config: {servestack:platform: local}",
        ),
        (b"\xff\xfe\x00", "it is not UTF-8 text. Save it as UTF-8"),
        ("confg: {}\n", "confg: there is no such key. Did you mean: config"),
        (
            "config: local\n",
            (
                "config: local is not allowed; this is a mapping. "
                "Write below it, for example: servestack:platform: local"
            ),
        ),
        (
            "config:\n  servestack:platform: local\n  models: {}\n",
            "models: a key starts with its namespace. Write: servestack:models:",
        ),
        (
            "config:\n  servestack:platform: local\n  serve-stack:models: {}\n",
            "serve-stack:models: nothing reads this namespace. Did you mean: servestack:models",
        ),
        (
            'config:\n  servestack:platform: local\n  "serve\\n": 1\n',
            '"serve\\n": a key starts with its namespace. Write: servestack:"serve\\n":',
        ),
        (
            "",
            (
                "servestack:platform: is missing; a platform is local, gcp, aws or kubernetes. "
                "Write for example: platform: local"
            ),
        ),
    ],
)
def test_a_broken_file_is_one_line(tmp_path: Path, text: str | bytes, line: str) -> None:
    assert complaint(tmp_path, text) == f"{FILE_NAME}: {line}"


@pytest.mark.parametrize(
    "text", ["010", "0o7", "0x10", "1_0", "2024-02-30", "9" * 5_000, "!!int x"]
)
def test_a_number_that_readers_of_yaml_disagree_on_is_refused(tmp_path: Path, text: str) -> None:
    head = "config:\n  servestack:platform: local\n  servestack:models: {heart: {version: "
    line = complaint(tmp_path, f"{head}{text}}}}}\n")
    assert line.startswith(f"{FILE_NAME}: servestack:models.heart.version: ")
    assert "a version is a whole number from 1, or latest" in line


@pytest.mark.parametrize(
    "text",
    [
        "config: &x {servestack:platform: *x}\n",
        "config: " + "[" * 1_500,
        "config: " + "{a: " * 1_500,
    ],
    ids=["into itself", "deep list", "deep mapping"],
)
def test_a_document_without_end_is_one_line(tmp_path: Path, text: str) -> None:
    assert len(complaint(tmp_path, text).splitlines()) == 1


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    path.write_text(TEXT, encoding="utf-8-sig")
    assert read_stack_file(path) == EXPECTED


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    text = "config:\n  servestack:platform: local\n  servestack:platform: gcp\n"
    assert complaint(tmp_path, text).startswith(
        f"{FILE_NAME}: line 3, column 3: this is not YAML: found duplicate key"
    )


def test_mistakes_in_keys_and_in_values_are_told_together(tmp_path: Path) -> None:
    text = "config:\n  servestack:platform: locl\n  models: {}\n"
    assert len(complaint(tmp_path, text).splitlines()) == 2


def test_a_stack_that_is_not_there_is_answered_with_those_that_are(tmp_path: Path) -> None:
    for stack in ("local", "dev"):
        (tmp_path / f"Pulumi.{stack}.yaml").touch()
    with pytest.raises(ConfigError) as caught:
        read_stack_file(tmp_path / "Pulumi.prod.yaml")
    assert str(caught.value) == (
        "Pulumi.prod.yaml: there is no such stack file. The stacks here are: dev, local"
    )


def test_a_directory_in_the_place_of_the_file_is_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(ConfigError, match="it cannot be read: Is a directory"):
        read_stack_file(tmp_path / FILE_NAME)


def test_importing_the_configuration_loads_nothing_heavy() -> None:
    program = "import sys, infra.config; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    # Namespace packages alone may be there from the start of the interpreter.
    heavy = {"pulumi", "tensorflow", "grpc", "ruamel.yaml", "google.protobuf"}
    assert not heavy & set(done.stdout.split())


def test_a_day_without_quotes_means_the_same_in_the_file_and_in_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `pulumi` 3.250 hands it on, which reads a time in it."""
    path = tmp_path / FILE_NAME
    exemption = "{reason: It is known to all, until: 2027-01-31}"
    path.write_text(
        "config:\n  servestack:platform: local\n  servestack:models: {heart: {}}\n"
        f"  servestack:policy: {{exemptions: {{pod-limits: {exemption}}}}}\n"
    )
    handed_on = {"reason": "It is known to all", "until": "2027-01-31 00:00:00 +0000 UTC"}
    run_program(
        monkeypatch,
        {
            "servestack:platform": "local",
            "servestack:models": '{"heart": {}}',
            "servestack:policy": json.dumps({"exemptions": {"pod-limits": handed_on}}),
        },
    )
    assert load_stack() == read_stack_file(path)
