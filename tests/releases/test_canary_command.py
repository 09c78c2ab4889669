"""Canaries on the real engine and a real server: by hand, and by the server's own metrics."""

import json
import os
import socket
import subprocess
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from infra.serving.rendering import METRICS_PATH
from model_export.store import open_store
from tests.releases.conftest import STACK_FILE, Desk
from tools.engine.errors import EngineError
from tools.servers.prometheus import ensure_prometheus

# A machine under load takes minutes for one.
pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.timeout(900)]

ROLLOUT = (
    "  servestack:rollout:\n"
    "    {{steps: [50], pause_seconds: 2, automatic: {automatic},\n"
    "     gate: {{window_seconds: 2, min_requests: 10, {gate}}}}}\n"
)


# Where it is not latency that decides: of few answers one that is slow makes fifty times the usual.
ANY_LATENCY = "max_latency_ratio: 1000"


def on_trial(desk: Desk, gate: str = ANY_LATENCY, *, automatic: bool = True) -> bytes:
    """Put version 2 beside version 1, with half of the requests; give the file of before."""
    desk.settle()
    text = desk.stack_file.read_text()
    rollout = ROLLOUT.format(gate=gate, automatic=str(automatic).lower())
    desk.stack_file.write_text(
        text.replace("  servestack:models:\n", f"{rollout}  servestack:models:\n")
    )
    before = desk.stack_file.read_bytes()
    desk.servestack("release", "heart=2", "--canary", "first")
    assert desk.serving() == {1, 2}
    return before


@contextmanager
def load(
    desk: Desk, of: str = "", question: Mapping[str, Any] | None = None
) -> Iterator[Counter[str]]:
    """Ask without pause, and count what became of it."""
    sample = desk.manifest(1).sample
    assert sample is not None
    body = json.dumps(question or {"instances": list(sample.instances[:1])}).encode()
    path = f"heart/{of}" if of else "heart"
    url = f"{desk.status()['heart']['rest']}/v1/models/{path}:predict"
    done, answers = threading.Event(), Counter[str]()

    def ask() -> None:
        while not done.wait(0.02):
            try:
                with urllib.request.urlopen(url, body, timeout=30) as answer:  # noqa: S310 - the desk's own server
                    answers[str(answer.status)] += 1
            except OSError as error:
                answers[str(error)] += 1

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield answers
    finally:
        done.set()
        thread.join()


def test_a_good_canary_comes_to_serve_everybody_even_if_its_follower_is_killed(desk: Desk) -> None:
    on_trial(desk)
    updates = len(desk.history())
    with load(desk) as answers:
        with desk.start("canary", "--follow") as killed:
            assert killed.stdout is not None
            assert "heart: canary at 50 % (1 of 2), waiting" in killed.stdout.readline()
            killed.kill()
        assert desk.serving() == {1, 2}
        done = desk.servestack("canary", "--follow")
    assert "p95 latency" in done.stderr
    assert "heart: 1, canary 2 at 50 % → 2" in done.stderr
    assert desk.serving() == {2}
    assert set(answers) == {"200"}, answers
    history = desk.history()
    assert len(history) == updates + 1
    assert "p95 latency" in history[0]["message"]
    assert desk.servestack("canary").stdout == "No version is on trial\n"


def test_a_canary_that_does_worse_is_aborted_by_itself(desk: Desk) -> None:
    before = on_trial(desk, "max_latency_ratio: 0.001")
    with load(desk) as answers:
        failed = desk.servestack("canary", "--follow", expect=1)
    assert "the trial of version 2 was aborted" in failed.stderr
    assert "more than 0.001 times" in failed.stderr
    assert desk.serving() == {1}
    assert desk.stack_file.read_bytes() == before
    assert set(answers) == {"200"}, answers
    assert "aborted: p95 latency" in desk.history()[0]["message"]


def test_policies_keep_a_trial_from_going_on_and_never_from_being_aborted(desk: Desk) -> None:
    before = on_trial(desk, "max_latency_ratio: 0.001")
    production = "  servestack:environment: prod\n  servestack:models:\n"
    text = desk.stack_file.read_text()
    desk.stack_file.write_text(text.replace("  servestack:models:\n", production))
    refused = desk.servestack("promote", "heart", expect=2)
    assert "prod-protection (local): servestack:protected is not set." in refused.stderr
    assert desk.serving() == {1, 2}
    with load(desk):
        failed = desk.servestack("canary", "--follow", expect=1)
    assert "the trial of version 2 was aborted" in failed.stderr
    assert desk.serving() == {1}
    assert desk.stack_file.read_text() == before.decode().replace(
        "  servestack:models:\n", production
    )


@contextmanager
def prometheus(directory: Path, scraped: str) -> Iterator[str]:
    """Run a real Prometheus that scrapes one server; give its address."""
    try:
        program = ensure_prometheus(environ=os.environ, progress=print)
    except EngineError as error:
        pytest.skip(f"NO REAL PROMETHEUS: {error}")
    directory.mkdir()
    (directory / "prometheus.yml").write_text(
        "global: {scrape_interval: 250ms, scrape_timeout: 250ms}\n"
        f"scrape_configs: [{{job_name: servers, metrics_path: {METRICS_PATH}, "
        f"static_configs: [{{targets: ['{scraped}']}}]}}]\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    process = subprocess.Popen(
        [program, "--config.file=prometheus.yml", f"--web.listen-address={address}"],
        cwd=directory,
        stdout=subprocess.DEVNULL,
        stderr=(directory / "log").open("w"),
    )
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(30)


def test_a_real_prometheus_lets_a_good_canary_on_and_ends_one_that_fails(
    desk: Desk, tmp_path: Path
) -> None:
    desk.settle()
    scraped = desk.status()["heart"]["rest"].removeprefix("http://")
    with prometheus(tmp_path / "prometheus", scraped) as url:
        on_trial(desk, f"{ANY_LATENCY}, prometheus: '{url}'")
        with load(desk):
            desk.servestack("canary", "--follow")
        assert desk.serving() == {2}
        assert "error" in desk.history()[0]["message"]

        # Requests that the canary alone refuses are its errors.
        on_trial(desk, f"{ANY_LATENCY}, prometheus: '{url}'")
        with load(desk), load(desk, "versions/2", {"instances": [{"age": "old"}]}):
            failed = desk.servestack("canary", "--follow", expect=1)
    assert "the trial of version 2 was aborted" in failed.stderr
    assert "error" in failed.stderr
    assert desk.serving() == {1}


def test_without_metrics_a_trial_waits_and_stays_as_it_is(desk: Desk) -> None:
    on_trial(desk, "prometheus: 'http://127.0.0.1:1'")
    (told,) = json.loads(desk.servestack("canary", "--json").stdout)
    assert told["outcome"] == "wait"
    stepped = json.loads(desk.servestack("canary", "--once", "--json").stdout)
    assert [look["outcome"] for look in stepped] == ["wait"]
    assert "http://127.0.0.1:1/api/v1/query does not answer" in told["reasons"][0]
    late = desk.servestack("canary", "--follow", "--timeout", "3", expect=1)
    assert "Not decided in time: heart" in late.stderr
    assert desk.serving() == {1, 2}


def test_people_take_the_steps_of_a_trial_by_hand(desk: Desk) -> None:
    before = on_trial(desk, automatic=False)
    refused = desk.servestack("canary", "--follow", expect=2)
    assert "No trial is automatic" in refused.stderr
    desk.servestack("promote", "heart", "--to", "80")
    assert desk.status()["heart"]["deployed"]["canary"] == {"version": 2, "share": 80}
    assert (
        "heart: 1, canary 2 at 80 % → 2" in desk.servestack("promote", "heart", "--dry-run").stderr
    )
    desk.servestack("abort", "heart", "--message", "It is not better")
    assert desk.stack_file.read_bytes() == before
    assert desk.serving() == {1}
    assert desk.history()[0]["message"] == "It is not better"
    nothing = desk.servestack("promote", "heart", expect=2)
    assert "heart has no canary. No model is on trial." in nothing.stderr


def test_one_pass_takes_the_steps_that_are_due(desk: Desk) -> None:
    on_trial(desk)
    with load(desk):
        desk.servestack("canary", "--once")
    assert desk.serving() == {2}


def test_what_is_published_is_taken_up_once_by_the_models_policy(desk: Desk) -> None:
    desk.settle(2)
    text = desk.stack_file.read_text()
    watching = "  servestack:rollout: {on_publish: release}\n"
    desk.stack_file.write_text(
        text.replace("  servestack:models:\n", f"{watching}  servestack:models:\n")
    )
    newest = max(open_store(str(desk.bucket)).versions("heart")) + 1
    desk.publish_copy(desk.directory / "models", newest)
    done = desk.servestack("watch", "--once")
    assert f"heart {newest} is published" in done.stderr
    assert desk.serving() == {newest}
    assert "taken up by servestack watch" in desk.history()[0]["message"]
    desk.servestack("rollback")
    assert desk.serving() == {2}
    again = desk.servestack("watch", "--once")
    assert again.stderr == "No version is new\n"
    assert desk.serving() == {2}


def test_what_serves_in_one_environment_is_brought_to_another(desk: Desk) -> None:
    desk.settle(2)
    other = desk.directory / "Pulumi.staging.yaml"
    other.write_text(STACK_FILE)
    try:
        desk.servestack("up", "-s", "staging")
        done = desk.servestack("promote-env", "heart", "--from", "local", "--to", "staging")
        assert "heart 2 of local is not in" in done.stderr
        status = json.loads(desk.servestack("status", "-s", "staging", "--json").stdout)
        assert status[0]["states"] == {"2": "AVAILABLE"}
        again = desk.servestack("promote-env", "heart", "--from", "local", "--to", "staging")
        assert "nothing to do" in again.stdout
    finally:
        record = desk.home / "run" / "staging" / "heart" / "server.json"
        if record.exists():
            psutil.Process(json.loads(record.read_text())["identity"]["pid"]).kill()
        other.unlink()
