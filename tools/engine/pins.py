"""Which engine this checkout runs on; the one place where its version is written."""

import hashlib
import platform
import re
from pathlib import Path

VERSION = "3.250.0"
GO_MODULE = Path(__file__).parent / "go"
# The language host stays in the checkout, so that a change of it rebuilds nothing; -P, because the
# program's directory may have a `tools` of its own.
LANGUAGE_HOST_LAUNCHER = """#!/bin/sh
exec python3 -P -m tools.engine.language_host "$0-exec" "$@"
"""

_ARCHITECTURES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


def release_platform() -> str:
    """Return this machine as the engine's releases name it, such as `linux-x64`."""
    machine = platform.machine().lower()
    return f"{platform.system().lower()}-{_ARCHITECTURES.get(machine, machine)}"


def cache_key() -> str:
    """Return the name of the engine in the cache: changed by whatever changes the engine."""
    digest = hashlib.sha256(LANGUAGE_HOST_LAUNCHER.encode())
    for name in ("go.mod", "go.sum"):
        digest.update((GO_MODULE / name).read_bytes())
    return f"{VERSION}-{release_platform()}-{digest.hexdigest()[:12]}"


def fits(version: str) -> bool:
    """Say whether an engine found on PATH may be used.

    The engine keeps to its protocol and its state format within a major version, and an older SDK
    works under a newer engine but not the other way round; so: the same major, not older.
    """
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", version)
    if not found:
        return False
    pinned = tuple(int(part) for part in VERSION.split("."))
    actual = tuple(int(part) for part in found.groups())
    return actual[0] == pinned[0] and actual >= pinned
