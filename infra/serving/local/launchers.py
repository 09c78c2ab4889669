"""How a model server is started, found again and stopped: as a process, or as a container.

Owns the identity of what runs. A pid alone is not one, since pids are reused: a process is known by
pid and start time. What the server is told, and whether it answers, is not known here.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import psutil

from infra.errors import ServestackError

# Plain data, so that it survives in a record file and in the state.
Identity = Mapping[str, str | int]

CONTAINER_BUCKET: Final = "/models"
CONTAINER_CONFIG: Final = "/servestack"
_STOP_SECONDS: Final = 30
_DOCKER_SECONDS: Final = 120


@dataclass(frozen=True, kw_only=True)
class Launch:
    """Everything a launcher may need; each takes what concerns it."""

    flags: Sequence[str]
    rest_port: int
    grpc_port: int
    bucket: Path
    config_dir: Path
    log_path: Path


class Launcher(Protocol):
    """One way to run a server."""

    def bucket_path(self, bucket: Path) -> str:
        """Give the bucket's path as the server sees it."""

    def config_path(self, config_dir: Path) -> str:
        """Give the directory of configuration files as the server sees it."""

    def listen_ports(self, rest_port: int, grpc_port: int) -> tuple[int, int]:
        """Give the ports that the server itself shall listen on."""

    def own_flags(self) -> Sequence[str]:
        """Give the flags that only this kind of server takes."""

    def start(self, launch: Launch) -> Identity:
        """Start it detached from us and give its identity."""

    def is_running(self, identity: Identity) -> bool:
        """Tell whether exactly this server still runs."""

    def stop(self, identity: Identity) -> None:
        """End it: politely, so that it drains, then by force. One that is gone is fine."""


@dataclass(frozen=True, kw_only=True)
class ProcessLauncher:
    """This project's own server as a detached process."""

    bind_address: str = "127.0.0.1"

    def bucket_path(self, bucket: Path) -> str:
        """Give the path as it is: the process sees what we see."""
        return str(bucket)

    def config_path(self, config_dir: Path) -> str:
        """Give the path as it is."""
        return str(config_dir)

    def listen_ports(self, rest_port: int, grpc_port: int) -> tuple[int, int]:
        """Give the ports as they are."""
        return rest_port, grpc_port

    def own_flags(self) -> Sequence[str]:
        """Bind where the stack says; the real server knows no such flag."""
        return (f"--bind_address={self.bind_address}",)

    def start(self, launch: Launch) -> Identity:
        """Start in a session of its own, so that it outlives the engine and its terminal."""
        # The engine's environment carries a passphrase and tokens that are not the server's.
        environment = {
            key: value for key, value in os.environ.items() if not key.startswith("PULUMI_")
        }
        with launch.log_path.open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-m", "local_model_server", *launch.flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=launch.config_dir,
                env=environment,
                start_new_session=True,
            )
        # One that died at once has no mark; the caller finds out by asking.
        return {"pid": process.pid, "mark": _start_mark(process.pid) or ""}

    def is_running(self, identity: Identity) -> bool:
        """Compare pid and start time: a reused pid is somebody else."""
        return _find(identity) is not None

    def stop(self, identity: Identity) -> None:
        """Send SIGTERM, which drains; SIGKILL what does not end."""
        process = _find(identity)
        if process is None:
            return
        try:
            process.terminate()
            process.wait(_STOP_SECONDS)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(_STOP_SECONDS)
        except psutil.NoSuchProcess:
            return


def _find(identity: Identity) -> psutil.Process | None:
    pid = int(identity["pid"])
    if _start_mark(pid) != identity["mark"]:
        return None
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process
    except psutil.NoSuchProcess:
        return None


def _start_mark(pid: int) -> str | None:
    """Name the moment a process started, in a way that setting the clock does not change."""
    try:
        # The 22nd field of stat, counted after the command's closing bracket: ticks since boot.
        ticks = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        if Path("/proc/self/stat").exists():
            return None
        try:  # no /proc: macOS
            return str(psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:
            return None
    return f"{boot}/{ticks}"


@dataclass(frozen=True, kw_only=True)
class DockerLauncher:
    """The real `tensorflow/serving` image in Docker, for who has both at hand."""

    image: str
    container: str
    bind_address: str = "127.0.0.1"

    def bucket_path(self, bucket: Path) -> str:  # noqa: ARG002 - the mount point is fixed
        """Give the mount point."""
        return CONTAINER_BUCKET

    def config_path(self, config_dir: Path) -> str:  # noqa: ARG002 - the mount point is fixed
        """Give the mount point."""
        return CONTAINER_CONFIG

    def listen_ports(self, rest_port: int, grpc_port: int) -> tuple[int, int]:  # noqa: ARG002 - mapped by Docker
        """Give the image's own ports; Docker maps them."""
        return 8501, 8500

    def own_flags(self) -> Sequence[str]:
        """Give none: this is the real server."""
        return ()

    def start(self, launch: Launch) -> Identity:
        """Run detached, replacing a container of the same name that a killed run left."""
        _docker("rm", "--force", self.container)
        container_id = _docker(
            *("run", "--detach", "--name", self.container),
            *("--publish", f"{self.bind_address}:{launch.rest_port}:8501"),
            *("--publish", f"{self.bind_address}:{launch.grpc_port}:8500"),
            *("--volume", f"{launch.bucket}:{CONTAINER_BUCKET}:ro"),
            *("--volume", f"{launch.config_dir}:{CONTAINER_CONFIG}:ro"),
            *("--entrypoint", "tensorflow_model_server"),
            self.image,
            *launch.flags,
        )
        return {"container": container_id}

    def is_running(self, identity: Identity) -> bool:
        """Ask Docker for exactly this container."""
        container = str(identity["container"])
        listed = _docker("ps", "--quiet", "--no-trunc", "--filter", f"id={container}")
        return container in listed.split()

    def stop(self, identity: Identity) -> None:
        """Stop politely, then remove."""
        container = str(identity["container"])
        if self.is_running(identity):
            _docker("stop", "--time", str(_STOP_SECONDS), container)
        _docker("rm", "--force", container)


def _docker(*arguments: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - fixed program, arguments of our own making
            ["docker", *arguments],  # noqa: S607 - the user's own docker, found on PATH
            capture_output=True,
            text=True,
            timeout=_DOCKER_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise ServestackError(
            "servestack:local.server is `docker`, but there is no docker on PATH. "
            "Install Docker, or write: server: process"
        ) from None
    except subprocess.TimeoutExpired:
        raise ServestackError(
            f"docker {arguments[0]} did not answer within {_DOCKER_SECONDS} s. "
            "Look whether its daemon runs: docker info"
        ) from None
    if done.returncode != 0:
        if arguments[:2] == ("rm", "--force") and "No such container" in done.stderr:
            return ""
        raise ServestackError(f"docker {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip()
