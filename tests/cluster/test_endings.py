"""Nothing is left of a cluster when its user is done with it, also where the user is killed."""

import fnmatch
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.cluster.fixtures import NOT_BUILT
from tools.cluster.control_plane import control_plane
from tools.cluster.debian import obstacle
from tools.cluster.fake_nodes import run_fake_nodes
from tools.cluster.processes import ClusterError, family
from tools.cluster.programs import find_cluster_programs

pytestmark = pytest.mark.cluster
CHECKOUT = Path(__file__).parents[2]
GONE_SECONDS = 60.0

USER = """
import os, sys, time
from pathlib import Path
from tools.cluster.control_plane import control_plane
from tools.cluster.node import real_node
from tools.cluster.programs import find_cluster_programs

with_node = sys.argv[1] == "node"
programs = find_cluster_programs(with_node=with_node, environ=os.environ)
directory = Path(sys.argv[2])
with real_node(programs, [], directory) if with_node else control_plane(programs, directory):
    print("running", flush=True)
    time.sleep(600)
"""


def programs(*, with_node: bool) -> dict[str, Path]:
    found = find_cluster_programs(with_node=with_node, environ=os.environ)
    if found is None:
        pytest.skip(NOT_BUILT)
    return found


def left_of(directory: Path) -> list[str]:
    """Return what still knows the directory: itself, processes, mounts, control groups."""
    name = directory.parent.name
    mounts = Path("/proc/self/mountinfo")
    return [
        *([str(directory)] if directory.exists() else []),
        *(each.name() for each in psutil.process_iter() if str(directory) in command_of(each)),
        *(line for line in _lines(mounts) if str(directory) in line),
        # Others come and go meanwhile, which this way of looking does not mind.
        *(
            f"{place}/{each}"
            for place, below, _ in os.walk("/sys/fs/cgroup")
            for each in fnmatch.filter(below, f"servestack-*-{name}")
        ),
    ]


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def command_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def until_gone(find: Callable[[], list[str]]) -> None:
    deadline = time.monotonic() + GONE_SECONDS
    while left := find():
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def network_of(process: psutil.Process) -> str:
    try:
        return str(Path(f"/proc/{process.pid}/ns/net").readlink())
    except OSError:
        return ""


def in_networks_of(directory: Path) -> list[psutil.Process]:
    """Return the processes in the networks, other than ours, of those that know the directory."""
    known = {
        network_of(each) for each in psutil.process_iter() if str(directory) in command_of(each)
    }
    known -= {network_of(psutil.Process()), ""}
    return [each for each in psutil.process_iter() if network_of(each) in known]


@contextmanager
def a_user(what: str, directory: Path) -> Iterator["subprocess.Popen[str]"]:
    """Start a program that runs a cluster and waits."""
    with subprocess.Popen(
        [sys.executable, "-c", USER, what, str(directory)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "running\n"
            yield process
        finally:
            process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("what", ["control plane", "node"])
def test_a_cluster_ends_with_a_user_who_is_killed(what: str, tmp_path: Path) -> None:
    programs(with_node=what == "node")
    if what == "node" and (reason := obstacle()):
        pytest.skip(f"no real Kubernetes node on this machine: {reason}")
    # Deeper than the path of a socket may be long.
    directory, others = (tmp_path / f"{name:-<60}" / "state" for name in ("killed", "other"))
    with a_user(what, others) as other:
        with a_user(what, directory) as user:
            assert any("etcd" in each for each in left_of(directory))
            # Other tests may run nodes meanwhile, in networks that get the numbers of gone ones.
            apart = in_networks_of(directory)
            assert bool(apart) == (what == "node")
            os.kill(user.pid, signal.SIGKILL)
            until_gone(lambda: left_of(directory))
            until_gone(lambda: [str(each) for each in apart if each.is_running()])
        # Two can be at a time, and the end of one is not the other's.
        assert other.poll() is None
        assert any("etcd" in each for each in left_of(others))
    until_gone(lambda: left_of(others))


@pytest.mark.slow
def test_a_control_plane_is_gone_when_its_user_is_done(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    with control_plane(programs(with_node=False), directory) as cluster:
        run_fake_nodes(cluster)
        assert left_of(directory)
        # Whoever reads these is the administrator.
        assert cluster.kubeconfig.stat().st_mode & 0o077 == 0
        assert (directory / "credentials").stat().st_mode & 0o077 == 0
    assert left_of(directory) == []


def test_a_process_that_ends_at_once_is_told_with_what_it_said(tmp_path: Path) -> None:
    with family(tmp_path / "state") as members:
        members.start("etcd", ["sh", "-c", "echo no disk >&2; exit 3"])
        with pytest.raises(ClusterError, match=r"etcd ended with 3:\nno disk"):
            members.wait_until("etcd answers", lambda: False, seconds=10)
    assert not (tmp_path / "state").exists()


def test_what_does_not_come_in_time_is_told_with_everybodys_log(tmp_path: Path) -> None:
    with family(tmp_path / "state") as members:
        log = members.start("a", ["sh", "-c", "echo hello; sleep 60"]).log
        members.wait_until("it says so", lambda: log.read_text() == "hello\n", seconds=10)
        with pytest.raises(ClusterError, match=r"(?s)it is ready: not within 0 s.*--- a\n.*hello"):
            members.wait_until("it is ready", lambda: False, seconds=0.3)
