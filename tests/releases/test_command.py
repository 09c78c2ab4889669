"""The `servestack` command on the real engine and a real server."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from infra.releases.answering import is_close
from infra.releases.automation import whoever
from model_export.layout import manifest_path
from tests.releases.conftest import CHECKOUT, Desk, make_desk

# A machine under load takes minutes for one.
pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.timeout(900)]

WAIT_SECONDS = 120


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def test_the_sample_is_released_and_the_printed_line_works_when_pasted(desk: Desk) -> None:
    invitation = (desk.directory / "invitation.txt").read_text()
    (line,) = re.findall(r"^  (curl .*)$", invitation, re.MULTILINE)
    answer = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
    predictions = json.loads(answer.stdout)["predictions"]
    sample = desk.manifest(1).sample
    assert sample is not None
    assert is_close(predictions, sample.predictions[:2])
    changes = [entry["models"]["heart"]["version"] for entry in desk.history()]
    assert changes[-2:] == [1, None]


def test_a_clone_whose_stack_file_names_a_version_gets_that_version(tmp_path: Path) -> None:
    desk = make_desk(tmp_path)
    file = desk.stack_file
    file.write_text(file.read_text().replace("heart: {}", "heart: {version: 7}"))
    before = file.read_bytes()
    try:
        done = desk.servestack("up", "--sample", "heart")
        assert "names heart 7, which this machine does not have yet" in done.stderr
        assert desk.serving() == {7}
        assert file.read_bytes() == before
    finally:
        desk.server().kill()


def test_the_printed_commands_run_without_uv_on_path(desk: Desk) -> None:
    desk.settle()
    path = f"{CHECKOUT}/.venv/bin:/usr/bin:/bin"
    if shutil.which("uv", path=path):
        pytest.skip("this system has uv among its own programs")
    without_uv = {**desk.environment, "PATH": path}
    told = replace(desk, environment=without_uv).servestack("up", "--sample", "heart").stdout
    assert "  .venv/bin/servestack rollback\n" in told
    assert "uv run" not in told


def test_a_second_up_changes_nothing_and_leaves_no_entry(desk: Desk) -> None:
    before = desk.settle()
    entries = len(desk.history())
    server = desk.server()
    done = desk.servestack("up", "--sample", "heart")
    assert "nothing to change" in done.stderr
    assert "curl " in done.stdout
    assert len(desk.history()) == entries
    assert desk.stack_file.read_bytes() == before
    assert desk.server() == server


def test_a_release_edits_one_line_updates_and_is_in_the_history(desk: Desk) -> None:
    before = desk.settle().decode()
    done = desk.servestack("release", "heart=2", "--message", "Better at night", "--json")
    assert json.loads(done.stdout)["changes"]["heart"]["to"]["version"] == 2
    assert "heart: 1 → 2" in done.stderr
    assert "heart answers, and predicts as at export: version 2" in done.stderr
    assert desk.stack_file.read_text() == before.replace("version: 1", "version: 2")
    assert desk.serving() == {2}
    newest = desk.history()[0]
    assert (newest["message"], newest["result"]) == ("Better at night", "succeeded")
    assert newest["ran_by"] == whoever()
    assert newest["models"]["heart"]["version"] == 2
    again = desk.servestack("release", "heart=2")
    assert "serves already, nothing to do" in again.stdout
    assert len(desk.history()) == newest["update"]


def test_all_that_cannot_be_released_is_told_at_once_and_nothing_is_touched(desk: Desk) -> None:
    before = desk.settle()
    entries = len(desk.history())
    refused = desk.servestack("release", "heart=77", "digits=1", "liver=1", expect=2)
    assert "version 77 of heart is not published" in refused.stderr
    assert "it has 1, 2, 3, 4, 5" in refused.stderr
    assert "version 1 of digits is not published" in refused.stderr
    assert "liver: the stack declares no such model; it declares: heart, digits" in refused.stderr
    label = desk.servestack("release", "heart=2", "--label", "stable=1", expect=2)
    assert "Pulumi.local.yaml: servestack:models.heart.labels.stable" in label.stderr
    assert desk.stack_file.read_bytes() == before
    assert len(desk.history()) == entries


def test_a_dry_run_shows_and_changes_nothing(desk: Desk) -> None:
    before = desk.settle()
    done = desk.servestack("release", "heart=3", "--dry-run")
    assert "heart: 1 → 3" in done.stderr
    assert desk.stack_file.read_bytes() == before
    assert desk.serving() == {1}


def test_what_breaks_clients_is_released_only_where_that_is_accepted(desk: Desk) -> None:
    before = desk.settle()
    path = desk.bucket / manifest_path("heart", 3)
    document = path.read_bytes()
    path.write_bytes(document.replace(b'"thalassemia": {', b'"thallium": {'))
    try:
        refused = desk.servestack("release", "heart=3", expect=2)
        taken = desk.servestack("release", "heart=3", "--accept-breaking", "--dry-run")
    finally:
        path.write_bytes(document)
    breaks = "heart 1 → 3 breaks REST and gRPC clients: serving_default input 'thalassemia'"
    assert breaks in refused.stderr
    assert "--accept-breaking" in refused.stderr
    assert breaks in taken.stderr
    assert desk.stack_file.read_bytes() == before


def test_a_version_that_does_not_load_leaves_everything_as_it_was(desk: Desk) -> None:
    before = desk.settle()
    failed = desk.servestack("release", "heart=4", expect=1)
    assert failed.stderr.count("version 4 does not load") == 1
    assert failed.stderr.count("cannot be imported") == 1
    assert "Pulumi.local.yaml is as it was before. So is the stack: heart 1." in failed.stderr
    assert desk.stack_file.read_bytes() == before
    assert desk.serving() == {1}


def test_a_version_that_answers_otherwise_is_put_back_and_marked_as_withdrawn(desk: Desk) -> None:
    before = desk.settle()
    failed = desk.servestack("release", "heart=5", expect=1)
    assert "version 5 answers otherwise than when it was exported" in failed.stderr
    assert desk.stack_file.read_bytes() == before
    assert desk.serving() == {1}
    put_back, withdrawn = desk.history()[:2]
    assert withdrawn["withdrawn"]
    assert withdrawn["models"]["heart"]["version"] == 5
    assert put_back["message"].startswith(f"Put back after update {withdrawn['update']}: version 5")


def test_a_rollback_goes_back_to_what_still_stands_and_says_what_does_not(desk: Desk) -> None:
    before = desk.settle()
    after = desk.settle(2)
    file = desk.bucket / "heart" / "1" / desk.manifest(1).files[0].path
    content, mode = file.read_bytes(), file.stat().st_mode
    file.chmod(0o644)
    try:
        file.write_bytes(content[::-1])
        altered = desk.servestack("rollback", expect=2)
        file.unlink()
        gone = desk.servestack("rollback", expect=2)
    finally:
        file.write_bytes(content)
        file.chmod(mode)
    assert "version 1 of heart was altered since it was published" in altered.stderr
    assert "version 1 of heart is damaged" in gone.stderr
    assert "then servestack rollback -s local --to UPDATE" in gone.stderr
    assert desk.stack_file.read_bytes() == after
    done = desk.servestack("rollback")
    assert "heart: 2 → 1" in done.stderr
    assert "Infrastructure, other settings and code stay as they are" in done.stderr
    assert desk.stack_file.read_bytes() == before
    assert desk.serving() == {1}
    newest, earlier = desk.history()[:2]
    assert re.match(r"Roll back to update \d+: heart: 2 → 1", newest["message"])
    named = desk.servestack("rollback", "--to", str(earlier["update"]), "--dry-run")
    assert "heart: 1 → 2" in named.stderr


def test_a_canary_is_released_beside_the_stable_version_and_promoted(desk: Desk) -> None:
    desk.settle()
    desk.servestack("release", "heart=2", "--canary", "10")
    assert desk.serving() == {1, 2}
    assert desk.status()["heart"]["deployed"]["canary"] == {"version": 2, "share": 10}
    desk.servestack("release", "heart=2", "--label", "stable=2")
    assert desk.serving() == {2}
    assert "heart: 2, stable = 2 → 1" in desk.servestack("rollback", "--dry-run").stderr
    desk.stack_file.write_text(
        desk.stack_file.read_text().replace("\n      labels: {stable: 2}", "")
    )
    desk.servestack("up")


def test_status_tells_a_server_that_died_and_up_starts_it_again(desk: Desk) -> None:
    desk.settle()
    table = desk.servestack("status").stdout.splitlines()
    assert table[1].split()[:4] == ["heart", "1", "1", "1"]
    server = desk.server()
    server.kill()
    psutil.wait_procs([server], timeout=10)
    heart = desk.status(expect=1)["heart"]
    assert heart["states"] == {}
    assert "nobody answers" in heart["problem"]
    desk.servestack("up")
    assert desk.status()["heart"]["states"] == {"1": "AVAILABLE"}


def test_a_second_command_is_refused_while_one_works(desk: Desk) -> None:
    desk.settle()
    with desk.start("release", "heart=2") as first:
        lock = desk.home / "locks" / "local.lock"
        wait_for(lambda: f"pid {first.pid}" in lock.read_text(), "the first takes the lock")
        refused = desk.servestack("up", expect=1)
        assert f"another servestack command (pid {first.pid}" in refused.stderr
        first.communicate(timeout=WAIT_SECONDS)
    assert first.returncode == 0
    assert desk.serving() == {2}


@pytest.mark.parametrize("moment", ["file written", "engine locked", "server started"])
def test_a_release_killed_at_any_moment_can_be_run_again(desk: Desk, moment: str) -> None:
    before = desk.settle()
    locks = desk.home / "state" / ".pulumi" / "locks"

    def has_come() -> bool:
        if moment == "file written":
            return desk.stack_file.read_bytes() != before
        if moment == "engine locked":
            return any(locks.rglob("*.json"))
        config = desk.home / "run" / "local" / "heart"
        return any(b"2" in path.read_bytes() for path in config.rglob("models.config*"))

    with desk.start("release", "heart=2") as killed:
        wait_for(has_come, moment)
        family = psutil.Process(killed.pid).children(recursive=True)
        killed.kill()
        # What the engine has started stays behind, and may still be at work.
        for process in family:
            with suppress(psutil.NoSuchProcess):
                if process.name() == "pulumi":
                    process.kill()
    desk.servestack("release", "heart=2")
    assert desk.serving() == {2}
    assert not any(locks.rglob("*.json"))
    _, left = psutil.wait_procs(set(family) - {desk.server()}, timeout=10)
    assert left == []


def test_a_release_killed_on_its_way_back_can_be_brought_back_by_hand(desk: Desk) -> None:
    desk.settle()
    (updates,) = (desk.home / "state" / ".pulumi" / "history").glob("*/local")

    def update_count() -> int:
        return len(list(updates.glob("*.history.json")))

    before = update_count()
    with desk.start("release", "heart=5") as killed:
        # It is deployed, and is being compared, or put back already since it answers otherwise.
        wait_for(lambda: update_count() > before, "the update is through")
        family = psutil.Process(killed.pid).children(recursive=True)
        killed.kill()
        for process in family:
            with suppress(psutil.NoSuchProcess):
                if process.name() == "pulumi":
                    process.kill()
    desk.servestack("release", "heart=1")
    assert desk.serving() == {1}
    assert desk.status()["heart"]["problem"] is None
    assert desk.history()[0]["result"] == "succeeded"


def test_a_release_ended_by_a_signal_puts_the_file_back_and_leaves_no_lock(desk: Desk) -> None:
    before = desk.settle()
    locks = desk.home / "state" / ".pulumi" / "locks"
    with desk.start("release", "heart=4") as ended:
        wait_for(lambda: any(locks.rglob("*.json")), "the engine works")
        ended.send_signal(signal.SIGTERM)
        told, _ = ended.communicate(timeout=WAIT_SECONDS)
    assert ended.returncode == 130, told
    assert "Pulumi.local.yaml is as it was before" in told
    assert "Traceback" not in told
    assert desk.stack_file.read_bytes() == before
    assert not any(locks.rglob("*.json"))


def test_a_release_comes_to_its_end_though_nobody_listens_any_more(desk: Desk) -> None:
    desk.settle()
    with desk.start("release", "heart=2") as release:
        assert release.stdout is not None
        assert "heart: 1 → 2" in release.stdout.readline()
        release.stdout.close()
        release.wait(timeout=WAIT_SECONDS)
    # Its answer found no reader.
    assert release.returncode == 1
    assert desk.serving() == {2}
    assert desk.status()["heart"]["configured"]["version"] == 2


def test_an_edit_by_hand_during_a_release_is_left_alone(desk: Desk) -> None:
    before = desk.settle()
    with desk.start("release", "heart=4") as release:
        wait_for(lambda: desk.stack_file.read_bytes() != before, "the file is written")
        edited = desk.stack_file.read_bytes() + b"# by hand\n"
        desk.stack_file.write_bytes(edited)
        told, _ = release.communicate(timeout=WAIT_SECONDS)
    assert release.returncode == 1, told
    assert "Pulumi.local.yaml was changed by somebody else meanwhile" in told
    assert desk.stack_file.read_bytes() == edited
    desk.stack_file.write_bytes(before)


def test_a_history_of_a_thousand_updates_is_quick(desk: Desk) -> None:
    desk.settle()
    (directory,) = (desk.home / "state" / ".pulumi" / "history").glob("*/local")
    newest = max(directory.glob("*.history.json"))
    record = newest.read_text().replace('\\"version\\":1', '\\"version\\":2')
    made = [directory / f"local-{number:019d}.history.json" for number in range(1_000)]
    try:
        for path in made:
            path.write_text(record)
        began = time.monotonic()
        history = desk.history()
        listed = time.monotonic() - began
        desk.servestack("rollback", "--dry-run")
        planned = time.monotonic() - began - listed
    finally:
        for path in made:
            path.unlink()
    assert len(history) > 1_000
    assert history[0]["update"] == len(history)
    # Reading each update by a call of its own would take minutes.
    assert max(listed, planned) < 20, (listed, planned)


def test_an_unknown_stack_is_told_with_those_there_are(desk: Desk) -> None:
    for command in (["up"], ["status"], ["history"], ["rollback"], ["release", "heart=1"]):
        refused = desk.servestack(*command, "-s", "nope", expect=2)
        assert "Pulumi.nope.yaml" in refused.stderr
        assert "local" in refused.stderr


def test_publishing_can_release_to_a_stack_whose_bucket_it_finds_by_itself(desk: Desk) -> None:
    desk.settle()
    copy = desk.directory / "models" / "2"
    command = [sys.executable, "-m", "model_export", "publish", str(copy), "--model", "heart"]
    done = subprocess.run(
        [*command, "--version", "9", "--release", "local", "--json"],
        cwd=desk.directory,
        env=dict(desk.environment),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["url"] == f"{desk.bucket.as_uri()}/heart/9"
    assert "heart: 1 → 9" in done.stderr
    assert desk.serving() == {9}


def test_a_model_that_the_stack_does_not_declare_is_not_published_to_be_released(
    desk: Desk,
) -> None:
    copy = desk.directory / "models" / "2"
    command = [sys.executable, "-m", "model_export", "publish", str(copy), "--model", "hart"]
    done = subprocess.run(
        [*command, "--release", "local"],
        cwd=desk.directory,
        env=dict(desk.environment),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "hart: the stack declares no such model; it declares: heart" in done.stderr
    assert "nothing was published" in done.stderr
    assert not (desk.bucket / "hart").exists()


def test_a_paused_stack_has_no_server_takes_no_release_and_comes_back_as_it_was(
    desk: Desk,
) -> None:
    before = desk.settle()
    server = desk.server()
    told = desk.servestack("pause").stdout
    assert "still there: the versions in the bucket" in told
    assert not server.is_running()
    assert desk.stack_file.read_text().count("servestack:paused: true") == 1
    assert "paused: servestack resume" in desk.servestack("status").stderr
    assert desk.status()["heart"]["unreachable"] == "paused"
    refused = desk.servestack("release", "heart=2", expect=2).stderr
    assert "Stack local is paused" in refused
    assert "servestack resume -s local" in refused

    assert "heart 1 http://" in desk.servestack("resume").stdout
    assert desk.stack_file.read_bytes() == before
    assert desk.serving() == {1}


def test_a_stack_that_was_destroyed_is_told_from_one_that_is_up(desk: Desk) -> None:
    desk.settle()
    server = desk.server()
    destroyed = subprocess.run(
        ["pulumi", "destroy", "--yes", "--skip-preview", "-s", "local"],
        cwd=desk.directory,
        env=engine_environment_of(desk),
        capture_output=True,
        text=True,
        check=False,
    )
    assert destroyed.returncode == 0, destroyed.stdout + destroyed.stderr
    assert not server.is_running()
    refused = desk.servestack("release", "heart=2", expect=2)
    assert "Stack local is not up" in refused.stderr
    assert desk.history()[0]["kind"] == "destroy"


def engine_environment_of(desk: Desk) -> dict[str, str]:
    from tools.engine.acquire import ensure_engine  # noqa: PLC0415 - this test only
    from tools.engine.environment import engine_environment  # noqa: PLC0415 - likewise

    return engine_environment(
        checkout=desk.directory,
        stack_is_local=True,
        engine=ensure_engine(environ=desk.environment, progress=print),
        environ=desk.environment,
    )
