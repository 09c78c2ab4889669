"""The engine from its own source: Go modules of the pinned version, checked against go.sum."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tools.engine.errors import WayClosedError
from tools.engine.pins import GO_MODULE, LANGUAGE_HOST_LAUNCHER, VERSION

HEARTBEAT_SECONDS = 15.0
# From here on Go fetches the newer tool chain that go.mod asks for by itself.
MINIMUM_GO = (1, 21)
SDK = "github.com/pulumi/pulumi/sdk/v3"
# What the engine starts for a Python program and for its dynamic providers.
SDK_PROGRAMS = (
    "python/cmd/pulumi-language-python-exec",
    "python/dist/pulumi-resource-pulumi-python",
)


def build_engine(
    bin_dir: Path, scratch: Path, environ: Mapping[str, str], progress: Callable[[str], None]
) -> None:
    """Compile the engine into `bin_dir`, with the Python programs that it needs beside it."""
    run = go_in_module(GO_MODULE, scratch, environ, progress)
    progress(f"building the Pulumi engine v{VERSION} from its modules: about 3 minutes on 2 cores")
    started = time.monotonic()
    run(
        "build",
        "-ldflags",
        f"-s -w -X {SDK}/go/common/version.Version=v{VERSION}",
        "-o",
        str(bin_dir / "pulumi"),
        "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    )
    sdk = Path(run("list", "-m", "-f", "{{.Dir}}", SDK).strip())
    for program in SDK_PROGRAMS:
        target = bin_dir / Path(program).name
        shutil.copyfile(sdk / program, target)
        target.chmod(0o755)
    host = bin_dir / "pulumi-language-python"
    host.write_text(LANGUAGE_HOST_LAUNCHER)
    host.chmod(0o755)
    progress(f"built the engine in {time.monotonic() - started:.0f} s")


def go_in_module(
    module: Path, scratch: Path, environ: Mapping[str, str], progress: Callable[[str], None]
) -> Callable[..., str]:
    """Find a Go that will do, and give what runs it in a copy of one of our modules."""
    go = shutil.which("go", path=environ.get("PATH", ""))
    if go is None:
        raise WayClosedError("go is not on PATH")
    # Kept, Go's build cache would be 1.6 GB for one build that never comes again.
    environment = {"GOCACHE": str(scratch / "gocache"), **environ, "CGO_ENABLED": "0"}
    environment |= {"GOFLAGS": "-mod=readonly -trimpath", "GOWORK": "off"}
    shutil.copytree(module, scratch / "module")

    def run(*arguments: str) -> str:
        return _run([go, *arguments], scratch, environment, progress)

    version = re.match(r"go(\d+)\.(\d+)", run("env", "GOVERSION"))
    if version and tuple(int(part) for part in version.groups()) < MINIMUM_GO:
        raise WayClosedError(f"{go} is {version[0]}, older than 1.21")
    return run


def _run(
    command: list[str],
    scratch: Path,
    environment: Mapping[str, str],
    progress: Callable[[str], None],
) -> str:
    """Run a Go command in `scratch/module`, and return what it printed.

    A command that takes long says now and then that it still runs.
    """
    output, errors = scratch / "stdout", scratch / "stderr"
    started = time.monotonic()
    with output.open("wb") as stdout, errors.open("wb") as stderr:
        # A group of its own, so that an interrupted build ends with its compilers.
        process = subprocess.Popen(  # noqa: S603 -- the tool chain on the user's own PATH
            command,
            cwd=scratch / "module",
            env=environment,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        try:
            while True:
                try:
                    code = process.wait(HEARTBEAT_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    progress(f"still building ({time.monotonic() - started:.0f} s)")
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if code != 0:
        lines = errors.read_text(errors="replace").strip().splitlines()[-4:]
        raise WayClosedError(f"`go {command[1]}` failed: " + "\n      ".join(lines))
    return output.read_text()
