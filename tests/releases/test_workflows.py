"""The workflows: what they may, what they run, and whom they log in as."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

CHECKOUT = Path(__file__).parents[2]
WORKFLOWS = sorted((CHECKOUT / ".github" / "workflows").glob("*.yml"))
LOGIN = CHECKOUT / ".github" / "actions" / "stack" / "login.py"
ACTION = LOGIN.with_name("action.yml")
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def load(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = YAML(typ="safe", pure=True).load(path.read_text())
    return document


def steps(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for job in document.get("jobs", {"": document.get("runs", {})}).values():
        yield from job["steps"]


def test_there_are_workflows() -> None:
    names = {path.stem for path in WORKFLOWS}
    assert {"preview", "deploy", "drift", "rollback", "ci"} <= names


@pytest.mark.parametrize("path", [*WORKFLOWS, ACTION], ids=lambda path: path.name)
def test_every_action_is_pinned_by_a_commit_and_says_its_release(path: Path) -> None:
    for line in path.read_text().splitlines():
        if "uses:" in line and "uses: ./" not in line:
            assert PINNED.search(line), line


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_nothing_that_a_job_does_not_need(path: Path) -> None:
    document = load(path)
    assert document["permissions"] in ({}, {"contents": "read"})
    assert "secrets." not in path.read_text()
    assert "pull_request_target" not in path.read_text()
    for name, job in document["jobs"].items():
        assert job["timeout-minutes"] <= 120, name
        writes = {key for key, may in job.get("permissions", {}).items() if may == "write"}
        assert writes <= {"id-token", "pull-requests", "contents"}
        if "contents" in writes:
            assert path.stem == "rollback"


@pytest.mark.parametrize("path", [*WORKFLOWS, ACTION], ids=lambda path: path.name)
def test_no_script_is_made_of_what_others_write(path: Path) -> None:
    for step in steps(load(path)):
        assert "${{" not in step.get("run", ""), step
        assert "${{" not in step.get("with", {}).get("script", ""), step


@pytest.mark.parametrize("name", ["preview", "deploy", "drift", "rollback"])
def test_two_runs_do_not_meet_on_one_stack(name: str) -> None:
    document = load(CHECKOUT / ".github" / "workflows" / f"{name}.yml")
    jobs = document["jobs"].values()
    groups = [one["concurrency"] for one in (document, *jobs) if "concurrency" in one]
    assert groups
    if name in {"deploy", "rollback"}:
        assert not any(group["cancel-in-progress"] for group in groups)


def login(
    directory: Path, stack: str, access: str, logins: str, platform: str = "gcp"
) -> subprocess.CompletedProcess[str]:
    (directory / "Pulumi.dev.yaml").write_text(f"config:\n  servestack:platform: {platform}\n")
    return subprocess.run(
        [sys.executable, str(LOGIN)],
        cwd=directory,
        env={**os.environ, "STACK": stack, "ACCESS": access, "LOGINS": logins},
        capture_output=True,
        text=True,
        check=False,
    )


def outputs(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    assert done.returncode == 0, done.stderr
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


def test_a_job_logs_in_as_who_it_is_to_be(tmp_path: Path) -> None:
    logins = (
        '{"dev": {"google_provider": "projects/1/p", "preview": "read@x", "deploy": "write@x"}}'
    )
    found = outputs(login(tmp_path, "dev", "preview", logins))
    assert (found["google_provider"], found["google_account"]) == ("projects/1/p", "read@x")
    assert outputs(login(tmp_path, "dev", "deploy", logins))["google_account"] == "write@x"
    assert (found["extra"], found["aws_role"]) == ("gcp", "")
    aws = '{"dev": {"aws_region": "eu-central-1", "deploy": "arn:aws:iam::1:role/x"}}'
    found = outputs(login(tmp_path, "dev", "deploy", aws, "aws"))
    assert (found["aws_role"], found["aws_region"]) == ("arn:aws:iam::1:role/x", "eu-central-1")
    assert outputs(login(tmp_path, "dev", "deploy", "", "local"))["extra"] == ""


@pytest.mark.parametrize(
    ("stack", "logins", "said"),
    [
        ("dev", "{}", "SERVESTACK_LOGINS has no entry for dev"),
        ("dev; rm -rf /", "{}", "is no stack's name"),
        ("../dev", "{}", "is no stack's name"),
    ],
)
def test_what_cannot_log_in_is_told(tmp_path: Path, stack: str, logins: str, said: str) -> None:
    done = login(tmp_path, stack, "preview", logins)
    assert done.returncode == 1
    assert said in done.stderr
