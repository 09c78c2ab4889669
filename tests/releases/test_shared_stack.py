"""A stack that several people share: who is refused, what is put back, what policies forbid.

On the cluster's stand-in, which stands for every platform here: nothing of it is the platform's.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from infra.config import Platform
from tests.releases.platforms import SharedDesk, running_places, shared_desk
from tests.small_models import make_saved_model
from tests.standins.gcp_cloud import CLOUD_VARIABLE, Cloud, Fault

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.timeout(900)]

WAIT_SECONDS = 240
DEPLOYMENT = "kubernetes:apps/v1:Deployment"


@dataclass(frozen=True, kw_only=True)
class Shared:
    """A desk whose stack serves version 1, and the cloud below it."""

    desk: SharedDesk
    cloud: Cloud

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "infra.releases.cli", words[0], "-s", "kind", *words[1:]],
            cwd=self.desk.directory,
            env=dict(self.desk.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @property
    def locks(self) -> list[Path]:
        state = self.desk.directory / "home" / "state"
        return list(state.glob(".pulumi/locks/*/*/kind/*.json"))

    def history(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.desk.run("history", "--json").stdout)
        return found

    def deployed(self) -> int:
        """Give the version that the stack's own outputs tell."""
        done = self.desk.run("status", "--json", expect=None)
        (heart,) = json.loads(done.stdout)
        return int(heart["deployed"]["version"])

    def settle(self) -> bytes:
        """Have version 1 deployed, whatever a test left; give the stack file's content."""
        self.cloud.order()
        self.desk.run("release", "heart=1", "--yes")
        return self.desk.file.read_bytes()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    with running_places(tmp_path_factory.mktemp) as places:
        place = places(Platform.KUBERNETES)
        desk = shared_desk(tmp_path_factory.mktemp("shared") / "desk", "kind", place)
        desk.run("up", "--yes")
        bucket = desk.run("bucket").stdout.strip()
        place.make_bucket(bucket)
        saved = make_saved_model(tmp_path_factory.mktemp("model") / "saved", tensorflow="2.15.1")
        for version in (1, 2, 3):
            desk.publish(bucket, saved, version)
        yield Shared(desk=desk, cloud=Cloud(Path(place.environment[CLOUD_VARIABLE])))


def commit(desk: SharedDesk) -> None:
    """Commit the stack file, in a repository of the desk's own."""
    mine = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
    for words in (
        ["init", "--quiet"],
        ["add", desk.file.name],
        [
            *("-c", "user.name=A", "-c", "user.email=a@example.com"),
            *("commit", "--quiet", "--allow-empty", "-m", "One"),
        ],
    ):
        subprocess.run(["git", *words], cwd=desk.directory, env=mine, check=True)


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def test_of_two_people_one_releases_and_the_other_is_refused(
    shared: Shared, tmp_path: Path
) -> None:
    shared.settle()
    # Another checkout, on another machine as far as our own lock can tell, and the same state.
    other = replace(
        shared.desk,
        directory=tmp_path / "other",
        environment={**shared.desk.environment, "SERVESTACK_HOME": str(tmp_path / "home")},
    )
    shutil.copytree(shared.desk.directory, other.directory, symlinks=True)
    before = other.file.read_bytes()
    with shared.start("release", "heart=2", "--yes", "--message", "The first") as first:
        wait_for(lambda: shared.locks, "the first one's update has begun")
        engine = psutil.Process(json.loads(shared.locks[0].read_bytes())["pid"])
        engine.send_signal(signal.SIGSTOP)
        try:
            refused = other.run("release", "heart=3", "--yes", expect=1)
        finally:
            engine.send_signal(signal.SIGCONT)
        told, _ = first.communicate(timeout=WAIT_SECONDS)
    assert first.returncode == 0, told
    assert "Stack kind is being updated by " in refused.stderr
    assert f"pid {engine.pid}, since " in refused.stderr
    assert other.file.read_bytes() == before
    assert shared.deployed() == 2
    assert shared.history()[0]["message"] == "The first"


def test_a_release_that_loses_the_network_is_put_back_and_can_be_run_again(
    shared: Shared,
) -> None:
    before = shared.settle()
    lost = "dial tcp: lookup cluster.example: no such host"
    shared.cloud.order(Fault(call="update", type=DEPLOYMENT, message=lost))
    failed = shared.desk.run("release", "heart=2", "--yes", expect=1)
    assert failed.stderr.count(lost) == 1
    assert "Pulumi.kind.yaml is as it was before. So is the stack: heart 1." in failed.stderr
    assert shared.desk.file.read_bytes() == before
    assert shared.deployed() == 1
    assert [entry["result"] for entry in shared.history()[:2]] == ["succeeded", "failed"]
    shared.cloud.order()
    shared.desk.run("release", "heart=2", "--yes")
    assert shared.deployed() == 2


def test_where_even_the_way_back_is_cut_it_says_what_to_do(shared: Shared) -> None:
    before = shared.settle()
    gone = "dial tcp: i/o timeout"
    shared.cloud.order(
        Fault(call="update", type=DEPLOYMENT, message=gone),
        Fault(call="delete", type="kubernetes:core/v1:ConfigMap", message=gone),
    )
    failed = shared.desk.run("release", "heart=2", "--yes", expect=1)
    assert "But the stack could not be brought back to it. Try: servestack up -s" in failed.stderr
    assert shared.desk.file.read_bytes() == before
    shared.cloud.order()
    shared.desk.run("up", "--yes")
    assert shared.deployed() == 1


@pytest.mark.parametrize("moment", ["file written", "engine at work"])
def test_a_rollback_killed_at_any_moment_can_be_run_again(shared: Shared, moment: str) -> None:
    shared.settle()
    shared.desk.run("release", "heart=2", "--yes")
    before = shared.desk.file.read_bytes()
    with shared.start("rollback", "--yes") as killed:
        wait_for(
            lambda: (
                shared.locks
                if moment == "engine at work"
                else shared.desk.file.read_bytes() != before
            ),
            moment,
        )
        family = psutil.Process(killed.pid).children(recursive=True)
        killed.kill()
        for process in family:
            if process.is_running() and process.name() == "pulumi":
                process.kill()
    # The file says so already; what serves is made sure of.
    shared.desk.run("release", "heart=1", "--yes")
    assert shared.deployed() == 1
    assert not shared.locks


def test_a_report_says_what_policies_forbid_until_it_is_mended(shared: Shared) -> None:
    shared.settle()
    desk = shared.desk
    commit(desk)
    text = desk.file.read_text()
    moved = text.replace("version: 1", "version: 2")
    try:
        desk.file.write_text(
            moved.replace(
                "  servestack:platform:", "  servestack:environment: prod\n  servestack:platform:"
            )
        )
        forbidden = desk.run("report", expect=1).stdout
        desk.file.write_text(moved)
        allowed = desk.run("report").stdout
    finally:
        desk.file.write_text(text)
    assert "- `heart`: 1 → **2**" in forbidden
    assert "**A mandatory policy forbids it**" in forbidden
    for rule in ("prod-replicas", "prod-protection"):
        assert f"| **mandatory** | `{rule}` |" in forbidden
    assert "- `heart`: 1 → **2**" in allowed
    assert "Policies: nothing found." in allowed
    # A configuration under its content's name is renewed by each release: that is no loss.
    assert "Replaced or deleted" not in allowed


IN_PRODUCTION = "  servestack:environment: prod\n  servestack:platform:"


@pytest.fixture
def production(shared: Shared) -> Iterator[bytes]:
    """Call the stack production, which it is not fit for, and run what moves; give its file."""
    before = shared.settle()
    commit(shared.desk)
    text = before.decode().replace("  servestack:platform:", IN_PRODUCTION)
    moving = re.sub(
        r"( +)version: 1\n", r"\g<0>\1kubernetes: {image: 'tensorflow/serving:latest'}\n", text
    )
    assert moving != text
    shared.desk.file.write_text(moving)
    yield moving.encode()
    shared.desk.file.write_bytes(before)


def test_a_release_by_hand_is_forbidden_by_the_very_policies_that_the_pack_reports(
    shared: Shared, production: bytes
) -> None:
    desk = shared.desk
    reported = desk.run("report", expect=1).stdout
    updates = len(shared.history())
    refused = desk.run("release", "heart=2", "--yes", expect=2).stderr
    written = desk.run("release", "heart=2", "--no-up", expect=2).stderr
    updated = desk.run("up", "--yes", expect=2).stderr
    assert "Mandatory policies forbid it, and nothing was changed:" in refused
    rules = set(re.findall(r"^\| \*\*mandatory\*\* \| `([\w-]+)` \|", reported, re.MULTILINE))
    assert rules == {"pinned-image", "prod-protection", "prod-replicas"}
    for told in (refused, updated):
        assert set(re.findall(r"^  ([\w-]+) \(", told, re.MULTILINE)) == rules
    assert "runs tensorflow/serving:latest, which is not pinned. Name a tag that stays" in refused
    assert "servestack:policy.exemptions in Pulumi.kind.yaml" in refused
    assert "--without-policies" not in refused
    # What needs no preview is told without one.
    assert "prod-replicas (kind): heart may have a single replica." in written
    assert desk.file.read_bytes() == production
    assert len(shared.history()) == updates


def test_a_rollback_goes_past_policies_for_a_reason_that_the_history_keeps(shared: Shared) -> None:
    shared.settle()
    desk = shared.desk
    desk.run("release", "heart=2", "--yes")
    text = desk.file.read_text()
    try:
        desk.file.write_text(text.replace("  servestack:platform:", IN_PRODUCTION))
        refused = desk.run("rollback", "--yes", expect=2).stderr
        assert shared.deployed() == 2
        why = "Version 2 answers nonsense"
        passed = desk.run("rollback", "--yes", "--without-policies", why).stderr
    finally:
        desk.file.write_text(text.replace("version: 2", "version: 1"))
    assert "To go back at once, all the same: --without-policies REASON" in refused
    assert "policy prod-replicas passed over: heart may have a single replica." in passed
    assert shared.deployed() == 1
    recorded = f"(without policies prod-protection, prod-replicas: {why})"
    assert shared.history()[0]["message"].endswith(recorded)


def test_a_release_tells_what_is_broken_on_purpose(shared: Shared) -> None:
    text = shared.settle().decode()
    exempt = "".join(
        f"      {rule}: {{reason: A rehearsal}}\n" for rule in ("prod-protection", "prod-replicas")
    )
    policy = f"  servestack:policy:\n    exemptions:\n{exempt}"
    desk = shared.desk
    try:
        desk.file.write_text(text.replace("  servestack:platform:", policy + IN_PRODUCTION))
        released = desk.run("release", "heart=2", "--yes").stderr
    finally:
        desk.file.write_text(text.replace("version: 1", "version: 2"))
    assert "policy exempted: prod-replicas: heart may have a single replica." in released
    assert "Exempt: A rehearsal" in released
    assert shared.deployed() == 2


def test_a_report_is_written_also_where_the_state_cannot_be_reached(shared: Shared) -> None:
    shared.settle()
    commit(shared.desk)
    text = shared.desk.file.read_text()
    shared.desk.file.write_text(text.replace("version: 1", "version: 2"))
    away = {**shared.desk.environment, "PULUMI_BACKEND_URL": "file:///no/such/place"}
    try:
        report = replace(shared.desk, environment=away).run("report", expect=1).stdout
    finally:
        shared.desk.file.write_text(text)
    assert "**It cannot be deployed:**" in report
    assert "No preview could be made." in report
    assert "- `heart`: 1 → **2**" in report


def test_a_protected_stack_wants_its_name(shared: Shared) -> None:
    desk = shared.desk
    text = desk.file.read_text()
    protected = "  servestack:protected: true\n  servestack:models:"
    changed = text.replace("heart: {}", "heart: {version: 3}").replace("version: 1", "version: 3")
    desk.file.write_text(changed.replace("  servestack:models:", protected))
    try:
        refused = desk.run("up", "--yes", expect=2)
        wrong = desk.run("up", "--confirm", "prod", expect=2)
    finally:
        desk.file.write_text(text)
    assert "Stack kind is protected, and nothing was changed" in refused.stderr
    assert "--confirm kind" in wrong.stderr


def test_an_update_that_was_killed_while_it_created_is_explained(shared: Shared) -> None:
    states = shared.desk.directory / "home" / "state" / ".pulumi" / "stacks"
    (state,) = states.rglob("kind.json")
    before = state.read_bytes()
    document = json.loads(before)
    deployment = document["checkpoint"]["latest"]
    namespace = next(
        one for one in deployment["resources"] if one["type"] == "kubernetes:core/v1:Namespace"
    )
    urn = namespace["urn"].replace("::models", "::other")
    resource: dict[str, Any] = {**namespace, "urn": urn}
    del resource["id"]
    deployment["pending_operations"] = [{"type": "creating", "resource": resource}]
    state.write_text(json.dumps(document))
    try:
        told = shared.desk.run("up", "--yes", expect=1)
    finally:
        state.write_bytes(before)
    assert f"was killed while it was creating\n  {urn}" in told.stderr
    assert "./scripts/pulumi refresh -s kind --clear-pending-creates --yes" in told.stderr
