"""One model server on this machine, from its first start to its end.

Owns the run directory of one model's server: configuration files, log, and a record of what runs,
written before anything is waited for, so that a run killed half-way is found again and not doubled.
Knows nothing of Pulumi.
"""

import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from pydantic import TypeAdapter

from infra.errors import ServestackError
from infra.serving.local.answers import NotServingError, Wanted, versions, wait_until_serving
from infra.serving.local.launchers import (
    DockerLauncher,
    Launch,
    Launcher,
    ProcessLauncher,
)
from infra.serving.rendering import RenderedServing, render
from infra.serving.settings import ServingSettings
from infra.serving.transitions import plan

# TensorFlow takes seconds to start, more on a busy machine; a large model takes longer to load.
_PATIENCE_SECONDS: Final = 300.0
_LOG_LINES_SHOWN: Final = 5
# The files are read again every second, and a version that does not load is told at once: on one
# machine a second try of the same bytes would only hide the reason for minutes.
_LOCAL_FLAGS: Final = ("--model_config_file_poll_wait_seconds=1", "--max_num_load_retries=0")


@dataclass(frozen=True, kw_only=True)
class LocalServerSpec:
    """What shall run. A port of 0 in the settings is chosen here and kept over restarts."""

    settings: ServingSettings
    kind: Literal["process", "docker"]
    image: str
    container: str
    bucket: Path
    run_dir: Path
    bind_address: str

    @property
    def launcher(self) -> Launcher:
        """Give the way to run it."""
        if self.kind == "process":
            return ProcessLauncher(bind_address=self.bind_address)
        return DockerLauncher(
            image=self.image, container=self.container, bind_address=self.bind_address
        )

    @property
    def host(self) -> str:
        """Give the address by which this machine reaches the server."""
        return "127.0.0.1" if self.bind_address in {"0.0.0.0", "::"} else self.bind_address  # noqa: S104 - compared, not bound

    @property
    def log_path(self) -> Path:
        """Give the file that the server's own output goes to."""
        return self.run_dir / "server.log"

    @property
    def config_dir(self) -> Path:
        """Give the directory of the files that the server reads again while it runs."""
        return self.run_dir / "config"

    @property
    def record_path(self) -> Path:
        """Give the file that says what runs."""
        return self.run_dir / "server.json"


@dataclass(frozen=True, kw_only=True)
class LocalServer:
    """What runs, as it was started. The spec's settings hold the real ports."""

    spec: LocalServerSpec
    identity: Mapping[str, str | int]

    @property
    def rest_address(self) -> str:
        """Give `host:port` of the REST protocol."""
        return f"{self.spec.host}:{self.spec.settings.rest_port}"

    @property
    def grpc_address(self) -> str:
        """Give `host:port` of the gRPC protocol."""
        return f"{self.spec.host}:{self.spec.settings.grpc_port}"

    def is_running(self) -> bool:
        """Tell whether exactly this server still runs."""
        return self.spec.launcher.is_running(self.identity)

    def is_answering(self) -> bool:
        """Tell whether it runs and says what it serves."""
        return self.is_running() and bool(versions(self.rest_address, self.spec.settings.model))


_RECORD: Final = TypeAdapter(LocalServer)


def read_record(run_dir: Path) -> LocalServer | None:
    """Find what a run, finished or killed, has started here."""
    record = _record(run_dir)
    if record is None or not record.spec.run_dir.exists():
        return record
    # A copy of a checkout brings the record of a server along that is the first's.
    first = _record(record.spec.run_dir)
    is_firsts = first is not None and first.identity == record.identity
    return None if is_firsts and not record.spec.run_dir.samefile(run_dir) else record


def _record(run_dir: Path) -> LocalServer | None:
    try:
        return _RECORD.validate_json((run_dir / "server.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def start(spec: LocalServerSpec) -> LocalServer:
    """Start a server and return when it serves what it shall; one left here before is ended."""
    earlier = read_record(spec.run_dir)
    if earlier is not None and earlier.is_running():
        earlier.spec.launcher.stop(earlier.identity)
    spec = _with_ports(spec, earlier)
    try:
        spec.config_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ServestackError(
            f"The directory {spec.run_dir} cannot be written: {error.strerror}. "
            "Make it writable, or set SERVESTACK_HOME to a directory that is."
        ) from error
    launcher = spec.launcher
    log_start = spec.log_path.stat().st_size if spec.log_path.exists() else 0
    first, *later = plan(None, spec.settings)
    rendered = _write_files(replace(spec, settings=first))
    identity = launcher.start(
        Launch(
            flags=(*rendered.flags, *_LOCAL_FLAGS, *launcher.own_flags()),
            rest_port=spec.settings.rest_port,
            grpc_port=spec.settings.grpc_port,
            bucket=spec.bucket,
            config_dir=spec.config_dir,
            log_path=spec.log_path,
        )
    )
    server = LocalServer(spec=spec, identity=identity)
    _write_whole(spec.record_path, _RECORD.dump_json(server, indent=2))
    try:
        _wait(server, first)
        for step in later:
            _apply(server, step)
    except NotServingError as error:
        launcher.stop(identity)
        raise ServestackError(_failure(spec, error, log_start)) from error
    return server


def update(spec: LocalServerSpec) -> LocalServer:
    """Bring the running server to a new spec, without a gap where the server can do that."""
    running = read_record(spec.run_dir)
    if running is None or not running.is_answering():
        return start(spec)
    spec = _with_ports(spec, running)
    if _needs_restart(running.spec, spec):
        return _restart(running, spec)
    server = LocalServer(spec=spec, identity=running.identity)
    log_start = spec.log_path.stat().st_size if spec.log_path.exists() else 0
    try:
        for step in plan(running.spec.settings, spec.settings):
            _apply(server, step)
    except NotServingError as error:
        # What served before serves still; only the files have to say so again.
        _apply_quietly(running)
        raise ServestackError(
            f"{_failure(spec, error, log_start)}\nWhat served before still serves."
        ) from error
    _write_whole(spec.record_path, _RECORD.dump_json(server, indent=2))
    return server


def stop(run_dir: Path) -> None:
    """End what runs here. The log stays, for whoever asks why."""
    server = read_record(run_dir)
    if server is not None:
        server.spec.launcher.stop(server.identity)
    (run_dir / "server.json").unlink(missing_ok=True)


def _restart(running: LocalServer, spec: LocalServerSpec) -> LocalServer:
    try:
        return start(spec)
    except ServestackError as error:
        start(running.spec)
        raise ServestackError(f"{error}\nWhat served before serves again.") from error


def _needs_restart(old: LocalServerSpec, new: LocalServerSpec) -> bool:
    same_place = replace(new, settings=old.settings) == old
    return not same_place or _render(old).restart_key != _render(new).restart_key


def _render(spec: LocalServerSpec) -> RenderedServing:
    launcher = spec.launcher
    rest_port, grpc_port = launcher.listen_ports(spec.settings.rest_port, spec.settings.grpc_port)
    base_path = f"{launcher.bucket_path(spec.bucket)}/{spec.settings.model}"
    settings = replace(spec.settings, rest_port=rest_port, grpc_port=grpc_port, base_path=base_path)
    return render(settings, config_dir=launcher.config_path(spec.config_dir))


def _write_files(spec: LocalServerSpec) -> RenderedServing:
    rendered = _render(spec)
    for name, content in rendered.files.items():
        _write_whole(spec.config_dir / name, content.encode())
    for path in spec.config_dir.iterdir():
        if path.name not in rendered.files:
            path.unlink()
    return rendered


def _write_whole(path: Path, content: bytes) -> None:
    # The server may read at any moment: it finds the old file or the new one.
    draft = path.with_name(f".{path.name}.new")
    draft.write_bytes(content)
    draft.replace(path)


def _apply(server: LocalServer, settings: ServingSettings) -> None:
    _write_files(replace(server.spec, settings=settings))
    _wait(server, settings)


def _apply_quietly(server: LocalServer) -> None:
    try:
        _apply(server, server.spec.settings)
    except NotServingError:
        return  # the first reason is the one to tell


def _wait(server: LocalServer, settings: ServingSettings) -> None:
    wait_until_serving(
        Wanted(model=settings.model, versions=frozenset(settings.versions), labels=settings.labels),
        address=server.rest_address,
        is_running=server.is_running,
        patience_seconds=_PATIENCE_SECONDS,
    )


def _failure(spec: LocalServerSpec, error: NotServingError, log_start: int) -> str:
    said = ""
    # A reason that the server could be asked for stands among its last words too.
    is_known = ": " in str(error)
    if spec.kind == "process" and not is_known and spec.log_path.exists():
        with spec.log_path.open("rb") as log:
            log.seek(log_start)
            lines = log.read().decode(errors="replace").splitlines()
        said = "".join(f"\n  {line}" for line in lines[-_LOG_LINES_SHOWN:])
        said = f" Its last words:{said}" if said else ""
    model = spec.settings.model
    return f"The server of {model} does not serve: {error}. Its log: {spec.log_path}.{said}"


def _with_ports(spec: LocalServerSpec, earlier: LocalServer | None) -> LocalServerSpec:
    """Fill in the ports: those asked for, else those it had, else free ones."""
    had = earlier.spec.settings if earlier else spec.settings
    holds = {had.rest_port, had.grpc_port} if earlier and earlier.is_running() else set()

    def usable(port: int) -> bool:
        return port in holds or _is_free(spec.bind_address, port)

    def choose(door: str, asked: int, had_port: int) -> int:
        if asked and not usable(asked):
            raise ServestackError(
                f"Port {asked} is in use by another program. Write a free one as "
                f"servestack:models.{spec.settings.model}.ports.{door}, or leave the key out and "
                "one is chosen."
            )
        if asked or (had_port and usable(had_port)):
            return asked or had_port
        with socket.socket() as probe:
            probe.bind((spec.host, 0))
            return int(probe.getsockname()[1])

    rest_port = choose("rest", spec.settings.rest_port, had.rest_port)
    grpc_port = choose("grpc", spec.settings.grpc_port, had.grpc_port)
    return replace(spec, settings=replace(spec.settings, rest_port=rest_port, grpc_port=grpc_port))


def _is_free(bind_address: str, port: int) -> bool:
    with socket.socket() as probe:
        # A server that just ended leaves its connections waiting; that does not make a port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind_address, port))
        except OSError:
            return False
        return True
