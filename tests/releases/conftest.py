"""One desk for all: a project of its own with the sample model served, and `servestack` on it."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import psutil
import pytest

from infra.releases.answering import AVAILABLE, version_states
from model_export.layout import manifest_path, version_path
from model_export.manifest import Manifest, Sample, dump_manifest, parse_manifest
from model_export.publish import publish
from model_export.store import open_store

CHECKOUT: Final = Path(__file__).parents[2]
# The first start of a server loads TensorFlow, on a machine that may be busy.
COMMAND_SECONDS: Final = 240


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A project directory with a home of its own."""

    directory: Path
    environment: Mapping[str, str]

    @property
    def home(self) -> Path:
        return Path(self.environment["SERVESTACK_HOME"])

    @property
    def bucket(self) -> Path:
        return self.home / "buckets" / "local"

    @property
    def stack_file(self) -> Path:
        return self.directory / "Pulumi.local.yaml"

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "infra.releases.cli", *arguments]

    def servestack(self, *arguments: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
        """Run the command; fail with all that it said unless it exits as expected."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.directory,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        told = f"{done.stdout}\n{done.stderr}"
        assert done.returncode == expect, f"{arguments} exited {done.returncode}\n{told}"
        assert "Traceback" not in told, told
        return done

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the command in a session of its own."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.directory,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def history(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.servestack("history", "--json").stdout)
        return found

    def status(self, *, expect: int = 0) -> dict[str, Any]:
        done = self.servestack("status", "--json", expect=expect)
        found: dict[str, Any] = {entry["model"]: entry for entry in json.loads(done.stdout)}
        return found

    def serving(self) -> set[int]:
        """Give the versions of the sample that answer."""
        try:
            record = self._server_record()
        except FileNotFoundError:
            return set()
        rest = f"http://127.0.0.1:{record['spec']['settings']['rest_port']}"
        states = version_states(rest, "heart")
        return {version for version, state in states.items() if state == AVAILABLE}

    def settle(self, version: int = 1) -> bytes:
        """Have a version served, whatever a test left; give the stack file's content."""
        plain = STACK_FILE.replace(
            "heart: {}   # patients", f"heart:   # patients\n      version: {version}"
        )
        if self.stack_file.read_text() != plain or self.serving() != {version}:
            self.stack_file.write_text(plain)
            self.servestack("up")
        return self.stack_file.read_bytes()

    def server(self) -> psutil.Process:
        return psutil.Process(self._server_record()["identity"]["pid"])

    def _server_record(self) -> dict[str, Any]:
        path = self.home / "run" / "local" / "heart" / "server.json"
        record: dict[str, Any] = json.loads(path.read_text())
        return record

    def manifest(self, version: int) -> Manifest:
        path = self.bucket / manifest_path("heart", version)
        return parse_manifest(path.read_bytes(), str(path))

    def publish_copy(self, scratch: Path, version: int, *, broken: bool = False) -> None:
        """Publish the first version's files under another number."""
        copy = scratch / str(version)
        shutil.copytree(self.bucket / version_path("heart", 1), copy)
        (copy / "manifest.json").unlink()
        if broken:
            shutil.rmtree(copy / "variables")
        publish(copy, model="heart", store=open_store(str(self.bucket)), version=version)

    def record_predictions(self, version: int, predictions: tuple[Any, ...]) -> None:
        """Let a version's manifest tell other predictions than the model gives."""
        manifest = self.manifest(version)
        assert manifest.sample is not None
        sample: Sample = replace(manifest.sample, predictions=predictions)
        path = self.bucket / manifest_path("heart", version)
        path.write_bytes(dump_manifest(replace(manifest, sample=sample)))


def make_desk(directory: Path) -> Desk:
    """Give a fresh clone, as far as the engine and the commands can tell."""
    for name in ("Pulumi.yaml", "__main__.py"):
        shutil.copy(CHECKOUT / name, directory / name)
    (directory / ".venv").symlink_to(CHECKOUT / ".venv")
    (directory / "Pulumi.local.yaml").write_text(STACK_FILE)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")},
        "SERVESTACK_HOME": str(directory / "home"),
    }
    return Desk(directory=directory, environment=environment)


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Serve the sample's version 1; versions 2 and 3 are published, 4 does not load, 5 is wrong."""
    directory = tmp_path_factory.mktemp("desk")
    desk = make_desk(directory)
    try:
        invitation = desk.servestack("up", "--sample", "heart").stdout
        (directory / "invitation.txt").write_text(invitation)
        for version in (2, 3, 5):
            desk.publish_copy(directory / "models", version)
        desk.publish_copy(directory / "models", 4, broken=True)
        desk.record_predictions(5, ("no such thing",))
        yield desk
    finally:
        with contextlib.suppress(FileNotFoundError, psutil.NoSuchProcess):
            desk.server().kill()


STACK_FILE: Final = """\
# What serves on this desk.
config:
  servestack:platform: local
  servestack:models:
    heart: {}   # patients
    # images
    digits: {}
encryptionsalt: v1:DShYeOFcJbM=:v1:GyRMKKjtyOKuy3US:OPKnDULiL/UPHk149JgAA1C7PEOZTg==
"""
