"""./scripts/pulumi in a checkout: the right stack, its own state, nothing of the user's touched."""

import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.engine.harness import CHECKOUT, TIMEOUT_SECONDS
from tools.engine.acquire import Engine
from tools.engine.cache import cache_directory
from tools.engine.environment import NO_PLACE_FOR_STATE

pytestmark = pytest.mark.engine

PROGRAM = """
import pulumi
pulumi.export("stack", pulumi.get_stack())
"""


class Clone:
    """A checkout whose environment is already set up, and the user who works in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "clone of mine"
        self.home = directory / "home"
        self.bin = directory / "bin"
        for folder in ("scripts", "tools"):
            shutil.copytree(
                CHECKOUT / folder,
                self.directory / folder,
                ignore=shutil.ignore_patterns("__pycache__"),
            )
        venv = self.directory / ".venv" / "bin"
        for path in (self.home, self.bin, venv):
            path.mkdir(parents=True)
        for name in ("python", "python3"):
            self._program(venv / name, f'exec {CHECKOUT}/.venv/bin/{name} "$@"')
        self._program(self.bin / "uv", "exit 0")
        self.write("Pulumi.yaml", (CHECKOUT / "Pulumi.yaml").read_text())
        self.write("Pulumi.local.yaml", "config:\n  servestack:platform: local\n")
        self.write("__main__.py", PROGRAM)

    def _program(self, file: Path, line: str) -> None:
        file.write_text(f"#!/bin/sh\n{line}\n")
        file.chmod(0o755)

    def write(self, name: str, content: str) -> None:
        (self.directory / name).write_text(content)

    def pulumi(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.directory / "scripts" / "pulumi", *arguments],
            cwd="/",
            env={
                "PATH": f"{self.bin}:{os.environ['PATH']}",
                "HOME": str(self.home),
                "SERVESTACK_CACHE": str(cache_directory(os.environ)),
                "PULUMI_BACKEND_URL": "s3://a-bucket-of-mine",
                "PULUMI_ACCESS_TOKEN": "mine",
                **environ,
            },
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )


@pytest.fixture
def clone(tmp_path: Path, engine: Engine) -> Clone:
    assert engine.pulumi.exists()
    return Clone(tmp_path)


def test_a_fresh_clone_comes_up_on_the_default_stack_and_stays_inside_itself(clone: Clone) -> None:
    first = clone.pulumi("up", "--yes", "--skip-preview", "--non-interactive")
    assert first.returncode == 0, first.stderr
    again = clone.pulumi("preview", "--expect-no-changes", "--non-interactive")
    assert again.returncode == 0, again.stderr
    assert clone.pulumi("stack", "output", "stack").stdout == "local\n"
    assert {entry.name for entry in (clone.directory / ".servestack").iterdir()} == {
        "pulumi-home",
        "state",
    }
    assert list(clone.home.iterdir()) == []


def test_two_first_commands_at_once_make_one_stack(clone: Clone) -> None:
    with ThreadPoolExecutor() as threads:
        both = list(threads.map(clone.pulumi, ["whoami", "whoami"]))
    assert [done.returncode for done in both] == [0, 0], [done.stderr for done in both]
    assert list(clone.directory.glob(".servestack/state/.pulumi/stacks/servestack/local.json"))


def test_the_exit_code_and_the_message_are_pulumis_own(clone: Clone) -> None:
    clone.write("__main__.py", "import pulumi\nraise pulumi.RunError('one line')")
    failed = clone.pulumi("preview", "--non-interactive")
    assert failed.returncode not in {0, 2}
    assert "error: one line" in failed.stdout + failed.stderr


def test_a_stack_of_another_platform_uses_the_users_backend(clone: Clone, tmp_path: Path) -> None:
    clone.write("Pulumi.dev.yaml", "config:\n  servestack:platform: gcp\n")
    mine = tmp_path / "mine"
    mine.mkdir()
    own = {"PULUMI_BACKEND_URL": mine.as_uri(), "PULUMI_CONFIG_PASSPHRASE": "mine"}
    created = clone.pulumi("stack", "init", "--stack", "dev", "--non-interactive", **own)
    assert created.returncode == 0, created.stderr
    assert list(mine.glob(".pulumi/stacks/servestack/dev.json"))
    assert not (clone.directory / ".servestack").exists()


def test_a_state_without_a_place_is_one_line_and_a_login_is_a_place(
    clone: Clone, tmp_path: Path
) -> None:
    clone.write("Pulumi.dev.yaml", "config:\n  servestack:platform: gcp\n")
    nobody = {
        "PULUMI_BACKEND_URL": "",
        "PULUMI_ACCESS_TOKEN": "",
        "PULUMI_HOME": str(tmp_path / "pulumi-home"),
    }
    failed = clone.pulumi("preview", "-s", "dev", **nobody)
    assert (failed.returncode, failed.stderr) == (2, f"{NO_PLACE_FOR_STATE}\n")
    mine = tmp_path / "mine"
    mine.mkdir()
    assert clone.pulumi("login", mine.as_uri(), **nobody).returncode == 0
    failed = clone.pulumi("preview", "-s", "dev", **nobody)
    assert "no stack named 'dev' found" in failed.stderr


def test_a_mistyped_stack_is_one_line(clone: Clone) -> None:
    failed = clone.pulumi("up", "-s", "lcoal")
    assert failed.returncode == 2
    assert failed.stderr == (
        "Unknown stack 'lcoal': there is no Pulumi.lcoal.yaml. Stacks here: local.\n"
    )


def test_a_state_directory_that_cannot_be_written_is_one_line(clone: Clone) -> None:
    (clone.directory / ".servestack").touch()
    failed = clone.pulumi("preview")
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1
    assert "Choose another directory with SERVESTACK_HOME." in failed.stderr
