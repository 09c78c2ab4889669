"""A servestack stack by its name: whose bucket it is, and releasing a version to it.

Asks the `servestack` command and imports nothing of it, so that a training image without Pulumi
carries the rest of this package all the same.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from model_export.errors import ModelExportError, RefusedError


def stack_bucket(stack: str) -> str:
    """Give the URL of a stack's bucket."""
    done = subprocess.run(  # noqa: S603 - our own command
        [_servestack(), "bucket", "--stack", stack], stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode != 0:
        raise RefusedError(f"The bucket of stack {stack} is not known; servestack says above why.")
    return done.stdout.strip()


def require_declared(stack: str, model: str) -> None:
    """Refuse a model that a stack could not serve, before a version of it is published."""
    done = subprocess.run(  # noqa: S603 - our own command
        [_servestack(), "bucket", "--stack", stack, "--model", model],
        stdout=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode != 0:
        raise RefusedError(
            f"{model} cannot be released to {stack}, so nothing was published; servestack says "
            "above why."
        )


def release(stack: str, model: str, version: int) -> None:
    """Release a version that is published already; what servestack says goes to stderr."""
    done = subprocess.run(  # noqa: S603 - our own command
        [_servestack(), "release", "--stack", stack, f"{model}={version}"],
        stdout=sys.stderr,
        check=False,
    )
    if done.returncode != 0:
        raise ModelExportError(
            f"{model} version {version} is published, but not released to {stack}; servestack says "
            f"above why. To try again: servestack release -s {stack} {model}={version}"
        )


def _servestack() -> str:
    beside = Path(sys.executable).with_name("servestack")
    program = str(beside) if beside.exists() else shutil.which("servestack")
    if program is None:
        raise RefusedError(
            "A stack is asked for, but there is no servestack command here. Install "
            '"servestack[infra]", or name the bucket itself: --store URL'
        )
    return program
