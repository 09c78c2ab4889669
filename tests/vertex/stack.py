"""A stack of one model on Vertex AI, worked on by the real engine, which a test may kill."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from tests.engine.harness import CHECKOUT, Project, create_project
from tools.engine.acquire import Engine

if TYPE_CHECKING:
    from tests.vertex.server.server import Stop, VertexServer

PROGRAM = "from tests.vertex.program import main\n\nmain()\n"
PATIENCE_SECONDS = 120


@dataclass(kw_only=True)
class VertexStack:
    """The project, and the server that its resources live on."""

    project: Project
    server: "VertexServer"
    wanted: dict[str, Any] = field(default_factory=dict)

    def want(self, **changes: Any) -> None:
        """Write what the model shall be."""
        self.wanted |= {"api_host": self.server.address, **changes}
        (self.project.directory / "model.json").write_text(json.dumps(self.wanted))

    def up(self, expect: int | None = 0, **changes: Any) -> str:
        """Bring the stack to what is wanted."""
        self.want(**changes)
        done = self.project.up(expect=expect)
        return done.stdout + done.stderr

    def killed_at(self, stop: "Stop | None", *command: str, held: tuple[str, ...] = ()) -> None:
        """Start the engine and kill it where it is stopped, or while operations are held.

        What it has started may notice that by itself; it is ended all the same.
        """
        process = self._started(*command)
        try:
            if stop is not None:
                assert stop.reached.wait(PATIENCE_SECONDS), f"{stop.method} was not asked for"
            else:
                for method in held:
                    self.server.wait_for_operation(method, PATIENCE_SECONDS)
        except AssertionError:
            process.kill()
            raise AssertionError(process.communicate()[0]) from None
        offspring = psutil.Process(process.pid).children(recursive=True)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        for child in offspring:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        psutil.wait_procs(offspring, timeout=PATIENCE_SECONDS)
        # The lock of a run that was killed is its user's to take away.
        self.project.pulumi("cancel", "--yes")

    def interrupted_in(self, method: str, *command: str) -> str:
        """Interrupt the engine while such an operation is under way, until it gives up.

        The first time it waits for what is under way, and says so. Give all that it said.
        """
        with self._started(*command) as process:
            self.server.wait_for_operation(method, PATIENCE_SECONDS)
            process.send_signal(signal.SIGINT)
            assert process.stdout is not None
            said = ""
            while "press ^C again" not in said:
                line = process.stdout.readline()
                assert line, said
                said += line
            process.send_signal(signal.SIGINT)
            said += process.stdout.read()
        assert process.returncode != 0, said
        return said

    def _started(self, *command: str) -> "subprocess.Popen[str]":
        self.project.up_ran = True
        return subprocess.Popen(
            [self.project.engine.pulumi, "--non-interactive", *command, "--yes", "--skip-preview"],
            cwd=self.project.directory,
            env=dict(self.project.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def deployed(self) -> Mapping[str, int]:
        """Tell which published versions run, with their share of the traffic."""
        with self.server.locked() as world:
            (endpoint,) = world.endpoints.values()
            return {
                world.models[entry.model]
                .versions[entry.model_version_id]
                .labels["servestack-version"]: endpoint.traffic_split.get(entry.id, 0)
                for entry in endpoint.deployed_models
            }

    def registered(self) -> Mapping[str, set[str]]:
        """Tell which published versions are registered, with the aliases that people use."""
        with self.server.locked() as world:
            (model,) = world.models.values()
            return {
                message.labels["servestack-version"]: {
                    alias for alias in message.version_aliases if alias.count("-") == 0
                }
                for message in model.versions.values()
            }

    def is_empty(self) -> bool:
        """Tell whether nothing is left."""
        with self.server.locked() as world:
            return not world.endpoints and not world.models


def make_stack(directory: Path, engine: Engine, server: "VertexServer") -> VertexStack:
    environ = {**os.environ, **server.credentials.environment, "PYTHONPATH": str(CHECKOUT)}
    project = create_project(directory, engine, environ, program=PROGRAM)
    return VertexStack(project=project, server=server)
