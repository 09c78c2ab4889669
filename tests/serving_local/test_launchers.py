"""The launchers against real processes; Docker is a program on PATH that writes down its calls."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.errors import ServestackError
from infra.serving.local.launchers import DockerLauncher, Identity, Launch, ProcessLauncher


def launch(tmp_path: Path, *flags: str) -> Launch:
    config_dir = tmp_path / "config"
    config_dir.mkdir(exist_ok=True)
    return Launch(
        flags=flags,
        rest_port=8501,
        grpc_port=8500,
        bucket=tmp_path / "bucket",
        config_dir=config_dir,
        log_path=tmp_path / "server.log",
    )


@pytest.fixture
def sleeper() -> Iterator[Identity]:
    """A process of ours that is no server, known as the launcher knows one."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        ticks = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[19]
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        yield {"pid": process.pid, "mark": f"{boot}/{ticks}"}
        process.kill()


def test_a_process_is_known_by_pid_and_start(sleeper: Identity) -> None:
    assert ProcessLauncher().is_running(sleeper)


def test_a_reused_pid_is_somebody_else_and_is_left_alone(sleeper: Identity) -> None:
    other = {**sleeper, "mark": "another-boot/1"}
    launcher = ProcessLauncher()
    assert not launcher.is_running(other)
    launcher.stop(other)
    assert launcher.is_running(sleeper)


def test_a_stopped_process_is_gone_even_while_its_parent_has_not_asked(sleeper: Identity) -> None:
    launcher = ProcessLauncher()
    launcher.stop(sleeper)
    assert not launcher.is_running(sleeper)


def test_stopping_what_is_gone_is_fine() -> None:
    ProcessLauncher().stop({"pid": 2**22 - 1, "mark": "x"})


def test_the_server_gets_none_of_the_engines_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "hunter2")
    launcher = ProcessLauncher()
    # It waits for a first version, so that what it was started with can be read at leisure.
    flags = ("--port=0", f"--grpc_socket_path={tmp_path}/socket", f"--model_base_path={tmp_path}")
    identity = launcher.start(launch(tmp_path, *flags))
    environment = Path(f"/proc/{identity['pid']}/environ").read_bytes()
    launcher.stop(identity)
    assert b"PATH=" in environment
    assert b"hunter2" not in environment


@pytest.fixture
def docker_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a `docker` first on PATH that writes its arguments down and answers like the real one."""
    calls = tmp_path / "calls"
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(
        f"""#!/bin/sh
echo "$*" >> {calls}
case $1 in
  run) echo 0123abcd ;;
  ps) test -e {tmp_path}/running && echo 0123abcd ;;
  stop) test ! -e {tmp_path}/broken || {{ echo "daemon is gone" >&2; exit 1; }} ;;
esac
exit 0
"""
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return calls


def docker_launcher() -> DockerLauncher:
    return DockerLauncher(image="tensorflow/serving:2.19.1", container="servestack-local-heart")


def test_the_real_image_is_run_with_the_bucket_read_only_and_the_ports_of_the_stack(
    tmp_path: Path, docker_calls: Path
) -> None:
    identity = docker_launcher().start(launch(tmp_path, "--port=8500"))
    assert identity == {"container": "0123abcd"}
    removed, run = docker_calls.read_text().splitlines()
    assert removed == "rm --force servestack-local-heart"
    assert f"--volume {tmp_path}/bucket:/models:ro" in run
    assert "--publish 127.0.0.1:8501:8501" in run
    assert run.endswith("tensorflow/serving:2.19.1 --port=8500")


def test_a_container_is_running_only_while_docker_lists_it(
    tmp_path: Path, docker_calls: Path
) -> None:
    identity = {"container": "0123abcd"}
    assert not docker_launcher().is_running(identity)
    (tmp_path / "running").touch()
    assert docker_launcher().is_running(identity)
    assert "--filter id=0123abcd" in docker_calls.read_text()


def test_a_container_is_stopped_before_it_is_removed(tmp_path: Path, docker_calls: Path) -> None:
    (tmp_path / "running").touch()
    docker_launcher().stop({"container": "0123abcd"})
    verbs = [call.split()[0] for call in docker_calls.read_text().splitlines()]
    assert verbs == ["ps", "stop", "rm"]


@pytest.mark.usefixtures("docker_calls")
def test_what_docker_says_of_a_failure_is_passed_on(tmp_path: Path) -> None:
    (tmp_path / "running").touch()
    (tmp_path / "broken").touch()
    with pytest.raises(ServestackError, match="docker stop failed: daemon is gone"):
        docker_launcher().stop({"container": "0123abcd"})


def test_a_missing_docker_is_told_with_the_key_to_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServestackError, match="server: process"):
        docker_launcher().start(launch(tmp_path))
