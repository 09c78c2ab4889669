"""Pulumi's Python language host, for an engine that was built from Go modules.

The official host is no public Go module, so a built engine lacks it. This one serves the engine's
`LanguageRuntime` protocol and leaves the work to the official executor: it starts
`pulumi-language-python-exec` for a program and `pulumi.policy` for a policy pack. It installs no
dependencies and generates no code. A launcher beside `pulumi` starts it with the `python3` on PATH,
which is this project's: the environment that the engine runs in has it first.
"""

import base64
import contextlib
import json
import os
import platform
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import grpc
from google.protobuf import empty_pb2

from tools.engine import bare_sdk
from tools.engine.pins import VERSION

if __name__ == "__main__":
    # The engine starts two hosts for each command, and waits for both.
    bare_sdk.enter()

from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

# The executor's exit code for "the user has been told what is wrong".
EXIT_CODE_BAIL = 32
PARENT_POLL_SECONDS = 1.0


def virtual_environment(info: language_pb2.ProgramInfo, context: Any) -> Path | None:
    """Return the program's own virtual environment, if its Pulumi.yaml names one."""
    options = dict(info.options)
    name = options.get("virtualenv") or (".venv" if options.get("toolchain") == "uv" else None)
    if not name:
        return None
    directory = Path(info.root_directory, str(name))
    if not (directory / "bin" / "python").exists():
        context.abort(
            grpc.StatusCode.FAILED_PRECONDITION,
            f"Pulumi.yaml sets virtualenv: {name}, but {directory} is no virtual environment. "
            "Make it with ./scripts/setup (or `uv sync`).",
        )
    return directory


def interpreter(venv: Path | None) -> str:
    """Return the Python that runs the program: its own, else the one that runs this host."""
    return str(venv / "bin" / "python") if venv else sys.executable


def environment(base: Mapping[str, str], venv: Path | None) -> dict[str, str]:
    """Return `base` as an activated `venv` would have it."""
    result = dict(base)
    if venv:
        result |= {"VIRTUAL_ENV": str(venv), "PATH": f"{venv}/bin:{result.get('PATH', '')}"}
        result.pop("PYTHONHOME", None)
    return result


def installed_packages(venv: Path | None) -> list[plugin_pb2.PackageDependency]:
    """Return the provider plug-ins that the installed SDKs ask for in their pulumi-plugin.json."""
    folders = venv.glob("lib*/python*/site-packages") if venv else map(Path, sys.path)
    # lib64 is often lib by another name.
    files = {file.resolve() for folder in folders for file in folder.glob("*/pulumi-plugin.json")}
    packages = (required_package(file) for file in sorted(files))
    return [package for package in packages if package]


def required_package(file: Path) -> plugin_pb2.PackageDependency | None:
    """Return what one pulumi-plugin.json asks for; None where it needs no plug-in."""
    content: dict[str, Any] = json.loads(file.read_text())
    if not content.get("resource"):
        return None
    distribution = file.parent.name.replace("_", "-")
    version = content.get("version") or _installed_version(distribution, file.parents[1])
    package = plugin_pb2.PackageDependency(
        name=content.get("name") or distribution.removeprefix("pulumi-"),
        kind="resource",
        version=f"v{version.removeprefix('v')}" if version else "",
        server=content.get("server", ""),
    )
    if parameters := content.get("parameterization"):
        package.parameterization.name = parameters["name"]
        package.parameterization.version = parameters["version"]
        package.parameterization.value = base64.b64decode(parameters["value"])
    return package


def _installed_version(distribution: str, folder: Path) -> str:
    from importlib import metadata  # noqa: PLC0415 - slow to load, and hardly ever needed

    found = metadata.distributions(name=distribution, path=[str(folder)])
    return next((one.version for one in found), "")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a child and all that it started; SIGTERM, because Python dies of it without a word."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)


# The methods are named and described by the protocol.
# ruff: noqa: N802, D102
class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """Runs programs and policy packs; one per engine process."""

    def __init__(self, executor: str, engine_address: str) -> None:
        self.executor = executor
        self.engine_address = engine_address
        self.children: list[subprocess.Popen[bytes]] = []

    def start(self, command: list[str], context: Any, **options: Any) -> subprocess.Popen[bytes]:
        # A group of its own: a cancelled engine interrupts this host's whole group, and a program
        # that is interrupted buries what matters under a KeyboardInterrupt traceback.
        process = subprocess.Popen(command, start_new_session=True, **options)  # noqa: S603 -- the user's own program
        self.children.append(process)
        context.add_callback(lambda: stop(process))
        return process

    def stop_all(self) -> None:
        for process in self.children:
            stop(process)

    def Handshake(self, request: Any, _context: Any) -> Any:
        self.engine_address = request.engine_address or self.engine_address
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, _request: Any, _context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=VERSION)

    def About(self, _request: Any, _context: Any) -> Any:
        return language_pb2.AboutResponse(
            executable=sys.executable, version=platform.python_version()
        )

    def GetRequiredPackages(self, request: Any, context: Any) -> Any:
        packages = installed_packages(virtual_environment(request.info, context))
        return language_pb2.GetRequiredPackagesResponse(packages=packages)

    def Run(self, request: Any, context: Any) -> Any:
        venv = virtual_environment(request.info, context)
        options = {
            "monitor": request.monitor_address,
            "engine": self.engine_address,
            "project": request.project,
            "root_directory": request.info.root_directory,
            "stack": request.stack,
            "pwd": request.pwd,
            "dry_run": "true" if request.dryRun else "",
            "parallel": str(request.parallel),
            "organization": request.organization,
        }
        command = [interpreter(venv), "-u", self.executor]
        for name, value in options.items():
            command += [f"--{name}", value] if value else []
        command += [str(Path(request.info.program_directory, request.info.entry_point))]
        config = {
            "PULUMI_CONFIG": json.dumps(dict(request.config)),
            "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys)),
        }
        program = self.start(
            [*command, *request.args],
            context,
            cwd=request.pwd or None,
            env=environment(os.environ, venv) | config,
        )
        code = program.wait()
        if code == 0:
            return language_pb2.RunResponse()
        if code == EXIT_CODE_BAIL:
            return language_pb2.RunResponse(bail=True)
        return language_pb2.RunResponse(error=f"Program exited with non-zero exit code: {code}")

    def RunPlugin(self, request: Any, context: Any) -> Iterator[Any]:
        directory = request.info.program_directory
        arguments = (
            ["-m", "pulumi.policy", *request.args, directory]
            if request.kind == "analyzer"
            else [directory, *request.args]
        )
        venv = virtual_environment(request.info, context)
        given = dict(entry.split("=", 1) for entry in request.env)
        plugin = self.start(
            [interpreter(venv), "-u", *arguments],
            context,
            cwd=request.pwd or None,
            env=environment(given or os.environ, venv),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        response = language_pb2.RunPluginResponse
        output: queue.SimpleQueue[language_pb2.RunPluginResponse | None] = queue.SimpleQueue()

        def forward(name: str, stream: IO[bytes]) -> None:
            while chunk := os.read(stream.fileno(), 1 << 16):
                output.put(response(stdout=chunk) if name == "stdout" else response(stderr=chunk))
            output.put(None)

        streams = {"stdout": plugin.stdout, "stderr": plugin.stderr}
        for name, stream in streams.items():
            threading.Thread(target=forward, args=(name, stream), daemon=True).start()
        for _ in streams:
            while (part := output.get()) is not None:
                yield part
        yield response(exitcode=plugin.wait())

    def Cancel(self, _request: Any, _context: Any) -> Any:
        self.stop_all()
        return empty_pb2.Empty()


def main() -> None:
    """Serve the engine that started this process, until it ends us or is gone itself."""
    engine = os.getppid()
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    host = LanguageHost(sys.argv[1], sys.argv[-1])
    unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    # A policy pack holds a thread for as long as it runs.
    server = grpc.server(ThreadPoolExecutor(max_workers=32), options=unlimited)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    while not ended.wait(PARENT_POLL_SECONDS) and os.getppid() == engine:
        pass
    host.stop_all()
    server.stop(grace=None)


if __name__ == "__main__":
    main()
