"""Where the versions of a deployed model are asked, on whatever platform they serve.

Reads a model's entry in the stack's outputs. A server on this machine, behind a load balancer or a
gateway is asked at its address; one that only its cluster can see through `kubectl port-forward`,
by the command that the outputs hold. How a server is asked is `answering`'s.
"""

import re
import shlex
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO, Any, Final
from urllib.parse import urlsplit

from infra.releases.answering import (
    AVAILABLE,
    NotAnsweringError,
    require_prediction,
    version_states,
)
from infra.releases.model_release import ModelRelease
from model_export.manifest import Sample

_INSIDE: Final = re.compile(r"([a-z0-9-]+)\.[a-z0-9-]+\.svc\.cluster\.local")
_FORWARDING: Final = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+) ")
_FORWARD_SECONDS: Final = 15.0
_END_SECONDS: Final = 5.0


class UnreachableError(Exception):
    """Nobody can be asked from here, which says nothing about whether they serve."""


@dataclass(frozen=True, kw_only=True)
class Door:
    """A model's servers, each by its REST address; together they serve all of its versions."""

    model: str
    fronts: tuple[str, ...]

    def states(self) -> Mapping[int, str]:
        """Give the state of each version; where two servers know one, the better of both."""
        states: dict[int, str] = {}
        for front in self.fronts:
            for version, state in version_states(front, self.model).items():
                if states.get(version) != AVAILABLE:
                    states[version] = state
        return states

    def unanswered(self, release: ModelRelease) -> str | None:
        """Say what of a release does not answer; None if all of it does."""
        states = self.states()
        missing = [
            str(version) for version in release.pinned_versions if states.get(version) != AVAILABLE
        ]
        missing += [
            f"label {label}"
            for label, version in release.labels.items()
            if not self._has_label(label, version)
        ]
        if not missing and AVAILABLE in states.values():
            return None
        wanted = ", ".join(missing) or "any version"
        seen = ", ".join(f"{version} is {state}" for version, state in states.items())
        return f"{self.model} does not answer as {wanted} ({seen or 'nobody answers'})"

    def require_prediction(self, version: int, sample: Sample) -> None:
        """Send the version its recorded instances and compare what comes back."""
        for front in self.fronts:
            if version_states(front, self.model).get(version) == AVAILABLE:
                require_prediction(front, self.model, version, sample)
                return
        raise NotAnsweringError(f"no server of {self.model} has version {version}")

    def _has_label(self, label: str, version: int) -> bool:
        return any(
            version_states(front, f"{self.model}/labels/{label}").get(version) == AVAILABLE
            for front in self.fronts
        )


@contextmanager
def open_door(model: str, output: Mapping[str, Any]) -> Iterator[Door]:
    """Find the way to a deployed model, and keep it open; UnreachableError where there is none."""
    addresses = [track["rest"] for track in (output.get("tracks") or {}).values()]
    addresses = addresses or [output.get("rest")]
    if not all(isinstance(address, str) and address for address in addresses):
        raise UnreachableError(f"{model} has no address that could be asked")
    with ExitStack() as forwards:
        fronts = [
            forwards.enter_context(_front(model, address, output.get("port_forward")))
            for address in dict.fromkeys(addresses)
        ]
        yield Door(model=model, fronts=tuple(fronts))


@contextmanager
def _front(model: str, address: str, port_forward: str | None) -> Iterator[str]:
    parts = urlsplit(address)
    inside = _INSIDE.fullmatch(parts.hostname or "")
    if inside is None or _resolves(parts.hostname or ""):
        yield address
        return
    if not port_forward:
        raise UnreachableError(f"{address} is known inside its cluster only")
    with _forwarded(model, inside[1], parts.port or 80, port_forward) as port:
        yield f"http://127.0.0.1:{port}"


def _resolves(host: str) -> bool:
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        return False
    return True


@contextmanager
def _forwarded(model: str, service: str, port: int, command: str) -> Iterator[int]:
    """Run the stack's own port-forward for one Service, on a free port of this machine."""
    words = shlex.split(command)
    kubectl = shutil.which(words[0])
    if kubectl is None or "port-forward" not in words:
        raise UnreachableError(f"{model} is asked through {words[0]}, which is not installed here")
    start = [kubectl, *words[1 : words.index("port-forward") + 1]]
    with subprocess.Popen(  # noqa: S603 - the command that the stack's own program wrote
        [*start, "--address=127.0.0.1", f"service/{service}", f":{port}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        # A cluster that hangs would hang us as well.
        alarm = threading.Timer(_FORWARD_SECONDS, process.kill)
        alarm.start()
        try:
            yield _forwarded_port(model, process)
        finally:
            alarm.cancel()
            process.terminate()
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _forwarded_port(model: str, process: subprocess.Popen[str]) -> int:
    output: IO[str] | None = process.stdout
    line = output.readline() if output else ""
    found = _FORWARDING.match(line)
    if found is None:
        process.kill()
        _, errors = process.communicate()
        said = (errors.strip() or f"no answer within {_FORWARD_SECONDS:.0f} s").splitlines()[-1]
        raise UnreachableError(f"{model} cannot be reached in its cluster: {said}")
    return int(found[1])
