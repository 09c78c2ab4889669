"""Two stacks whose state lives in two places, asked on the real engine from one process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.harness import CHECKOUT, STACK_FILE_HEAD, create_project
from tools.engine.acquire import ensure_engine

pytestmark = pytest.mark.engine

# In a process of its own: the engine's environment becomes the process's.
ASK = """
import sys
from pathlib import Path
from infra.releases.session import session_for

for stack, backend in (("dev", sys.argv[1]), ("kind", None), ("dev", None)):
    session = session_for(Path.cwd(), stack, say=print, backend=backend)
    print(stack, session.engine.is_created)
"""


def test_each_stack_is_asked_for_where_its_own_state_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = ensure_engine(environ=os.environ, progress=print)
    project = create_project(tmp_path / "project", engine, os.environ, program="")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "")
    monkeypatch.delenv("PULUMI_ACCESS_TOKEN", raising=False)
    backends = {stack: tmp_path / f"state-{stack}" for stack in ("dev", "kind")}
    for stack, backend in backends.items():
        backend.mkdir()
        file = project.directory / f"Pulumi.{stack}.yaml"
        file.write_text(STACK_FILE_HEAD + (CHECKOUT / file.name).read_text())
        project.environment = {**project.environment, "PULUMI_BACKEND_URL": backend.as_uri()}
        project.pulumi("stack", "init", stack)
    monkeypatch.setenv("PULUMI_BACKEND_URL", backends["kind"].as_uri())
    told = subprocess.check_output(
        [sys.executable, "-c", ASK, backends["dev"].as_uri()], cwd=project.directory, text=True
    )
    assert told.splitlines() == ["dev True", "kind True", "dev False"]


def test_the_cost_of_a_stack_that_was_never_made_is_refused_with_how_to_make_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = ensure_engine(environ=os.environ, progress=print)
    project = create_project(tmp_path / "project", engine, os.environ, program="")
    file = project.directory / "Pulumi.dev.yaml"
    file.write_text(STACK_FILE_HEAD + (CHECKOUT / file.name).read_text())
    backend = tmp_path / "state"
    backend.mkdir()
    monkeypatch.setenv("PULUMI_BACKEND_URL", backend.as_uri())
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "")
    for asked in ([], ["--deployed"]):
        done = subprocess.run(
            [sys.executable, "-m", "infra.releases.cli", "cost", "-s", "dev", *asked],
            cwd=project.directory,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2, done.stderr
        assert "./scripts/pulumi stack init dev" in done.stderr
