"""A throw-away Pulumi project with a state of its own, worked on by the real engine.

`tests/conftest.py` makes these; a test takes the `make_project` fixture. It does not know what the
program does, so a test that starts something which outlives it must leave `destroy` to the fixture.
"""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.engine.acquire import Engine
from tools.engine.environment import engine_environment

CHECKOUT = Path(__file__).parents[2]
# A busy machine is no fault of what is tested.
TIMEOUT_SECONDS = 600

# One salt for all: made with the empty passphrase, as the one in Pulumi.local.yaml.
STACK_FILE_HEAD = (
    "encryptionsalt: v1:DShYeOFcJbM=:v1:GyRMKKjtyOKuy3US:OPKnDULiL/UPHk149JgAA1C7PEOZTg==\n"
)


@dataclass(kw_only=True)
class Project:
    """A project directory, the stack in it, and the environment that the engine runs in."""

    directory: Path
    environment: Mapping[str, str]
    engine: Engine
    # What starts real servers in real pods takes longer than most.
    timeout_seconds: float = TIMEOUT_SECONDS
    up_ran: bool = field(default=False, init=False)

    def pulumi(self, *arguments: str, expect: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run the engine; fail with all its output unless it exits as expected (None: any way)."""
        self.up_ran = self.up_ran or arguments[0] == "up"
        done = subprocess.run(
            [self.engine.pulumi, "--non-interactive", *arguments],
            cwd=self.directory,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            timeout=self.timeout_seconds,
            check=False,
        )
        if expect is not None and done.returncode != expect:
            raise AssertionError(
                f"pulumi {' '.join(arguments)} exited {done.returncode}, not {expect}\n"
                f"{done.stdout}\n{done.stderr}"
            )
        return done

    def up(self, *arguments: str, expect: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Update without asking."""
        return self.pulumi("up", "--yes", "--skip-preview", *arguments, expect=expect)

    def destroy(self) -> None:
        """Remove every resource."""
        self.pulumi("destroy", "--yes", "--skip-preview")
        self.up_ran = False

    def expect_no_changes(self) -> None:
        """Fail unless a preview finds nothing to do."""
        self.pulumi("preview", "--expect-no-changes")

    def outputs(self) -> dict[str, Any]:
        """Return the stack's outputs."""
        outputs: dict[str, Any] = json.loads(self.pulumi("stack", "output", "--json").stdout)
        return outputs

    def resources(self) -> list[dict[str, Any]]:
        """Return the resources in the stack's state."""
        deployment = json.loads(self.pulumi("stack", "export").stdout)["deployment"]
        resources: list[dict[str, Any]] = deployment.get("resources", [])
        return resources


def create_project(
    directory: Path,
    engine: Engine,
    environ: Mapping[str, str],
    *,
    program: str,
    config: str = "",
    stack: str = "local",
    virtualenv: Path | None = CHECKOUT / ".venv",
) -> Project:
    """Write a project around `program` and create its stack; `config` is YAML below `config:`."""
    directory.mkdir(parents=True, exist_ok=True)
    options = f"\n  options:\n    virtualenv: {virtualenv}" if virtualenv else ""
    (directory / "Pulumi.yaml").write_text(f"name: toy\nruntime:\n  name: python{options}\n")
    (directory / "__main__.py").write_text(program)
    lines = "".join(f"  {line}\n" for line in config.splitlines())
    (directory / f"Pulumi.{stack}.yaml").write_text(
        STACK_FILE_HEAD + (f"config:\n{lines}" if lines else "")
    )
    home = directory / ".servestack"
    (home / "state").mkdir(parents=True, exist_ok=True)
    environment = engine_environment(
        checkout=CHECKOUT,
        stack_is_local=True,
        engine=engine,
        environ={**environ, "SERVESTACK_HOME": str(home), "PULUMI_STACK": stack},
    )
    project = Project(directory=directory, environment=environment, engine=engine)
    project.pulumi("stack", "select", "--create", "--stack", stack)
    return project
