"""Who holds a number while a version is being published, and whether the holder still lives.

Pure but for asking this machine about its processes. A wrong answer costs work that is done twice,
never a mixed version: each object is created once, and compared before the manifest.
"""

import json
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

# Longer than any pause between two objects of a publisher that is alive.
LEASE: Final = timedelta(minutes=10)
_OWNER: Final = re.compile(r"owner-([1-9][0-9]{0,8})\.json")
# Held by this process: one that failed here does not stand in the way of its own repetition.
_HELD_HERE: Final[set[str]] = set()


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One holder of a number; `machine` is empty where processes cannot be told apart."""

    token: str
    draft: str
    by: str
    machine: str
    process: int
    started: str


_DOCUMENT: Final = TypeAdapter(Claim)


def new_claim(draft: str, by: str) -> Claim:
    """Make the claim of this process."""
    return Claim(
        token=uuid.uuid4().hex,
        draft=draft,
        by=by,
        machine=_machine(),
        process=os.getpid(),
        started=_started(os.getpid()),
    )


@contextmanager
def held(claim: Claim) -> Iterator[None]:
    """Be alive as its holder."""
    _HELD_HERE.add(claim.token)
    try:
        yield
    finally:
        _HELD_HERE.discard(claim.token)


def dump_claim(claim: Claim) -> bytes:
    """Write the claim as an object."""
    return (json.dumps(asdict(claim), indent=2) + "\n").encode()


def parse_claim(document: bytes) -> Claim | None:
    """Read a claim; None for what no version of ours wrote."""
    try:
        return _DOCUMENT.validate_json(document)
    except ValidationError:
        return None


def claim_name(turn: int) -> str:
    """Name the claim object of the first holder, the second, and so on."""
    return f"owner-{turn}.json"


def parse_turn(name: str) -> int | None:
    """Read which holder a claim object is of; None for any other object."""
    match = _OWNER.fullmatch(name)
    return int(match[1]) if match else None


def is_abandoned(claim: Claim | None, last_sign: datetime, now: datetime) -> bool:
    """Tell whether nobody works on it any more; `last_sign` is when its last object appeared."""
    if claim and claim.machine and claim.machine == _machine():
        if (claim.process, claim.started) == (os.getpid(), _started(os.getpid())):
            return claim.token not in _HELD_HERE
        return _started(claim.process) != claim.started
    return now - last_sign > LEASE


def _machine() -> str:
    """Name this running machine and its space of process numbers; Linux only."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _started(process: int) -> str:
    """Tell when a process started, so that a number used again is another process."""
    try:
        state = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return ""
    # The second field is the program's name in parentheses and may hold anything.
    fields = state.rpartition(")")[2].split()
    # One that has ended and only waits to be noticed by its parent has gone too.
    return "" if fields[0] == "Z" else fields[19]
