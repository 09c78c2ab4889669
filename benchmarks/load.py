"""The load generator: built from its Go sources, run against one door of one server."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from machine import BENCHMARKS, CACHE

Protocol = Literal["REST", "gRPC"]

_WARMUP_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Door:
    """One way into a server, and the encoded requests that clients take turns with."""

    protocol: Protocol
    port: int
    # The URL's path, or the method's full name.
    path: str
    bodies: Path


@dataclass(frozen=True, kw_only=True)
class Point:
    """What N clients in a closed loop saw."""

    requests_per_second: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    errors: int
    first_error: str


def write_bodies(directory: Path, bodies: Sequence[bytes]) -> Path:
    """Lay encoded requests where the load generator reads them."""
    directory.mkdir(parents=True)
    for number, body in enumerate(bodies):
        (directory / f"{number:03}").write_bytes(body)
    return directory


@cache
def _built() -> Path:
    go = shutil.which("go")
    if go is None:
        raise SystemExit("benchmarks: the load generator needs Go, which is not on PATH")
    program = CACHE / "loadgen"
    subprocess.run(
        [go, "build", "-trimpath", "-o", program, "."], cwd=BENCHMARKS / "loadgen", check=True
    )
    return program


def measure(door: Door, *, clients: int, seconds: float) -> Point:
    """Drive the door with N clients."""
    command = [
        *(_built(), "-protocol", door.protocol.lower(), "-target", f"127.0.0.1:{door.port}"),
        *("-path", door.path, "-bodies", door.bodies, "-clients", str(clients)),
        *("-warmup", f"{_WARMUP_SECONDS}s", "-duration", f"{seconds}s"),
    ]
    finished = subprocess.run(command, check=True, capture_output=True, timeout=seconds + 60)
    seen = json.loads(finished.stdout)
    return Point(**{name: seen[name] for name in Point.__dataclass_fields__})
