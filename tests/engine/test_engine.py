"""The real engine runs programs, dynamic providers and policy packs, and says what went wrong."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.harness import Project

pytestmark = pytest.mark.engine
MakeProject = Callable[..., Project]

# A resource whose reality is a file, so that a test can change it behind the engine's back.
FILE_PROGRAM = """
import pathlib
import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, UpdateResult
from pulumi.dynamic import Resource, ResourceProvider

class FileProvider(ResourceProvider):
    def create(self, props):
        pathlib.Path(props["path"]).write_text(props["text"])
        return CreateResult(props["path"], dict(props))
    def read(self, id_, props):
        file = pathlib.Path(id_)
        if not file.exists():
            return ReadResult(None, {})
        return ReadResult(id_, {**props, "text": file.read_text()})
    def diff(self, id_, olds, news):
        return DiffResult(changes=olds["text"] != news["text"])
    def update(self, id_, olds, news):
        pathlib.Path(id_).write_text(news["text"])
        return UpdateResult(dict(news))
    def delete(self, id_, props):
        pathlib.Path(id_).unlink(missing_ok=True)

class File(Resource):
    text: pulumi.Output[str]
    def __init__(self, name, path, text):
        super().__init__(FileProvider(), name, {"path": path, "text": text})

config = pulumi.Config()
file = File("file", config.require("path"), config.require("text"))
pulumi.export("text", file.text)
pulumi.export("organization", pulumi.get_organization())
"""


@pytest.mark.slow
def test_a_dynamic_resource_goes_through_its_whole_life(
    make_project: MakeProject, tmp_path: Path
) -> None:
    file = tmp_path / "made"
    project = make_project(program=FILE_PROGRAM, config=f"toy:path: {file}\ntoy:text: one")

    project.up()
    assert file.read_text() == "one"
    assert project.outputs() == {"text": "one", "organization": "organization"}
    project.expect_no_changes()

    file.unlink()
    assert "1 deleted" in project.pulumi("refresh", "--yes", "--skip-preview").stdout
    project.up()
    assert file.read_text() == "one"

    project.pulumi("config", "set", "text", "two")
    assert "1 updated" in project.up().stdout
    assert file.read_text() == "two"

    project.destroy()
    assert not file.exists()
    assert project.resources() == []


def test_a_secret_of_the_configuration_arrives_as_a_secret(make_project: MakeProject) -> None:
    project = make_project(
        program="import pulumi\npulumi.export('token', pulumi.Config().require_secret('token'))"
    )
    project.pulumi("config", "set", "--secret", "token", "hunter2")
    assert "hunter2" not in project.up().stdout
    assert "hunter2" not in project.pulumi("stack", "export").stdout
    shown = project.pulumi("stack", "output", "--show-secrets", "token").stdout
    assert shown.strip() == "hunter2"


POLICY_PACK = """
from pulumi_policy import EnforcementLevel, PolicyPack, ResourceValidationPolicy

def validate(args, report):
    if args.props.get("text") == "bad":
        report("bad text is forbidden here")

PolicyPack("toy", policies=[ResourceValidationPolicy(
    name="no-bad-text", description="No bad text.", validate=validate,
    enforcement_level=EnforcementLevel.MANDATORY)])
"""


def test_a_mandatory_policy_violation_fails_the_preview(
    make_project: MakeProject, tmp_path: Path
) -> None:
    pack = tmp_path / "pack"
    pack.mkdir()
    (pack / "PulumiPolicy.yaml").write_text("runtime: python\n")
    (pack / "__main__.py").write_text(POLICY_PACK)
    project = make_project(
        program=FILE_PROGRAM, config=f"toy:path: {tmp_path / 'made'}\ntoy:text: good"
    )

    passed = project.pulumi("preview", "--policy-pack", str(pack))
    assert "toy" in passed.stdout

    project.pulumi("config", "set", "text", "bad")
    refused = project.pulumi("preview", "--policy-pack", str(pack), expect=None)
    assert refused.returncode != 0
    assert "bad text is forbidden here" in refused.stdout + refused.stderr


def test_a_run_error_shows_its_one_line_and_no_traceback(make_project: MakeProject) -> None:
    project = make_project(
        program="import pulumi\nraise pulumi.RunError('Pulumi.local.yaml: modls: unknown key')"
    )
    failed = project.pulumi("preview", expect=None)
    output = failed.stdout + failed.stderr
    assert failed.returncode != 0
    assert "error: Pulumi.local.yaml: modls: unknown key" in output
    assert "Traceback" not in output


def test_an_exception_of_the_program_is_shown(make_project: MakeProject) -> None:
    project = make_project(program="import pulumi\nraise ValueError('the real error')")
    failed = project.pulumi("preview", expect=None)
    output = failed.stdout + failed.stderr
    assert failed.returncode != 0
    assert "ValueError: the real error" in output


FAILING_RESOURCE = """
import pulumi
from pulumi.dynamic import Resource, ResourceProvider

class Failing(ResourceProvider):
    def create(self, props):
        raise Exception("the port is in use")

class Thing(Resource):
    def __init__(self, name):
        super().__init__(Failing(), name, {})

Thing("thing")
"""


def test_a_failing_resource_is_shown(make_project: MakeProject) -> None:
    project = make_project(program=FAILING_RESOURCE)
    failed = project.up(expect=None)
    output = failed.stdout + failed.stderr
    assert failed.returncode != 0
    assert "the port is in use" in output


def test_a_missing_virtual_environment_is_named_with_its_remedy(
    make_project: MakeProject, tmp_path: Path
) -> None:
    project = make_project(program="", virtualenv=tmp_path / "nowhere")
    failed = project.pulumi("preview", expect=None)
    assert failed.returncode != 0
    assert "nowhere is no virtual environment" in failed.stdout + failed.stderr


WAITING_PROGRAM = """
import os, pathlib, time
pathlib.Path(os.environ["PID_FILE"]).write_text(str(os.getpid()))
time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_ended_engine_takes_its_program_with_it_and_prints_no_traceback(
    make_project: MakeProject, tmp_path: Path, number: signal.Signals
) -> None:
    project = make_project(program=WAITING_PROGRAM)
    pid_file = tmp_path / "pid"
    with subprocess.Popen(
        [project.engine.pulumi, "preview", "--non-interactive"],
        cwd=project.directory,
        env={**project.environment, "PID_FILE": str(pid_file)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        wait_until(lambda: pid_file.exists() and pid_file.read_text() != "")
        program = int(pid_file.read_text())
        running.send_signal(number)
        output = running.communicate(timeout=20)[0]
    wait_until(lambda: not is_running(program))
    assert "Traceback" not in output


def test_what_the_program_asks_for_is_told_without_loading_it(make_project: MakeProject) -> None:
    project = make_project(program="import pulumi")
    about = json.loads(project.pulumi("about", "--json").stdout)
    assert about["cliAbout"]["version"] == project.engine.version
    assert about["runtime"]["language"] == "python"


def wait_until(condition: Callable[[], bool], timeout_seconds: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
