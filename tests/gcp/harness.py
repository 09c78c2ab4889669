"""A stack of Google Cloud on the real engine, in front of a stand-in for the cloud.

The committed program and stack files in a directory of their own; what would be Google's is a
directory as well (`tests.standins.gcp_cloud`).
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from ruamel.yaml import YAML

from tests.engine.harness import CHECKOUT, STACK_FILE_HEAD, TIMEOUT_SECONDS, Project
from tests.standins.gcp_cloud import CLOUD_VARIABLE, Cloud
from tests.standins.launchers import with_stand_ins
from tests.standins.sdk_types import TYPES_VARIABLE
from tools.engine.acquire import Engine
from tools.engine.environment import engine_environment

PLUGINS = {"gcp": "gcp", "kubernetes": "kubernetes_echo"}


@dataclass(kw_only=True)
class GcpStack(Project):
    """The checkout's program on one of its stack files, or on a configuration of a test's own."""

    stack: str
    cloud: Cloud

    @property
    def file(self) -> Path:
        return self.directory / f"Pulumi.{self.stack}.yaml"

    @property
    def config(self) -> dict[str, Any]:
        """The stack's own settings, as they are in its file."""
        document = YAML(typ="safe", pure=True).load(self.file)["config"]
        return {key.removeprefix("servestack:"): value for key, value in document.items()}

    def configure(self, config: Mapping[str, Any]) -> None:
        """Write the stack file anew, with these settings."""
        document = {"config": {f"servestack:{key}": value for key, value in config.items()}}
        with self.file.open("w") as file:
            file.write(STACK_FILE_HEAD)
            YAML(typ="safe", pure=True).dump(document, file)

    def change(self, **sections: Mapping[str, Any] | str | bool) -> None:
        """Write settings over those in the file, section by section."""
        config = self.config
        for name, values in sections.items():
            if isinstance(values, Mapping):
                values = {**config.get(name, {}), **values}  # noqa: PLW2901 - the section, whole
            config[name] = values
        self.configure(config)

    def told(self, *arguments: str) -> str:
        """Run the engine, which must fail, and give all that it said."""
        failed = self.pulumi(*arguments, expect=None)
        told = failed.stdout + failed.stderr
        assert failed.returncode != 0, told
        assert "Traceback" not in told, told
        return told

    def servestack(self, *arguments: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
        """Run the project's own command on the stack; fail with all it said unless it exits so."""
        command, *options = arguments
        done = subprocess.run(
            [sys.executable, "-m", "infra.releases.cli", command, "-s", self.stack, *options],
            cwd=self.directory,
            env={**self.environment, "PYTHONPATH": str(CHECKOUT)},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        told = done.stdout + done.stderr
        assert done.returncode == expect, told
        assert "Traceback" not in told, told
        return done

    def kill_up_at(self, type_: str, *, before: bool) -> None:
        """Kill an update while it makes such a resource, before or after the cloud has made it."""
        held = self.cloud.hold(type_, before=before)
        self.up_ran = True
        with psutil.Popen(
            [self.engine.pulumi, "--non-interactive", "up", "--yes", "--skip-preview"],
            cwd=self.directory,
            env=dict(self.environment),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as engine:
            while held.read_text() != "waiting":
                assert engine.poll() is None, "the update ended before it came so far"
                time.sleep(0.05)
            started = engine.children(recursive=True)
            engine.kill()
        for process in started:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        held.unlink()

    def end(self) -> None:
        """Remove what there still is; nothing fails and nothing is protected any more."""
        if not self.up_ran:
            return
        self.cloud.forgive()
        for thing in self.cloud.things():
            if thing.inputs.get("deletionProtection"):
                self.cloud.change(thing, deletionProtection=False)
        self.destroy()

    def calls(self) -> list[tuple[str, str, str]]:
        """Give what was really done since the last time: the call, the type, the name."""
        journal = self.directory / "journal"
        lines = journal.read_text().splitlines() if journal.exists() else []
        journal.unlink(missing_ok=True)
        done = [json.loads(line) for line in lines]
        return [(call["call"], call["type"].rpartition(":")[2], call["name"]) for call in done]

    def urns(self) -> set[str]:
        """Give what is in the state, by type and name."""
        return {resource["urn"].split("::", 2)[2] for resource in self.resources()}


def make_gcp_stack(
    directory: Path,
    engine: Engine,
    stack: str,
    types: Path,
    environ: Mapping[str, str],
    plugins: Mapping[str, str] = PLUGINS,
) -> GcpStack:
    directory.mkdir(parents=True)
    for name in ("Pulumi.yaml", f"Pulumi.{stack}.yaml", "__main__.py"):
        shutil.copy(CHECKOUT / name, directory / name)
    (directory / ".venv").symlink_to(CHECKOUT / ".venv")
    file = directory / f"Pulumi.{stack}.yaml"
    file.write_text(STACK_FILE_HEAD + file.read_text())
    home = directory / ".servestack"
    (home / "state").mkdir(parents=True)
    cloud = Cloud(directory / "cloud")
    cloud.directory.mkdir()
    (cloud.directory / "credentials").touch()
    environment = with_stand_ins(
        plugins,
        directory=directory / "plugins",
        environ=engine_environment(
            checkout=CHECKOUT,
            stack_is_local=True,
            engine=engine,
            environ={**os.environ, "SERVESTACK_HOME": str(home), "PULUMI_STACK": stack},
        ),
        journal=directory / "journal",
    )
    environment |= {
        CLOUD_VARIABLE: str(cloud.directory),
        TYPES_VARIABLE: str(types),
        # Nobody's real credentials are looked for, and no server asks a machine's metadata.
        "NO_GCE_CHECK": "true",
        "GOOGLE_APPLICATION_CREDENTIALS": str(directory / "nothing"),
        **environ,
    }
    made = GcpStack(
        directory=directory, environment=environment, engine=engine, stack=stack, cloud=cloud
    )
    made.pulumi("stack", "select", "--create", "--stack", stack)
    return made


MakeGcpStack = Callable[..., GcpStack]
