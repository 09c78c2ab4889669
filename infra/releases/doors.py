"""Where the versions of a deployed model are asked, on whatever platform they serve.

Reads a model's entry in the stack's outputs. A server on this machine, behind a load balancer or a
gateway is asked at its address; one that only its cluster can see through `kubectl port-forward`,
by the command that the outputs hold; a managed service by our own client for it. How a server is
asked is `answering`'s.
"""

import json
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO, Any, Final
from urllib.parse import urlsplit

from infra.releases.answering import (
    AVAILABLE,
    NotAnsweringError,
    is_close,
    require_prediction,
    version_states,
)
from infra.releases.model_release import ModelRelease
from model_export.manifest import Sample

_INSIDE: Final = re.compile(r"([a-z0-9-]+)\.[a-z0-9-]+\.svc\.cluster\.local")
_FORWARDING: Final = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+) ")
_SERVICES: Final = ("vertex://", "sagemaker://")
# What `model-export predict` exits with where the question itself cannot be asked, and its words
# where nobody is there.
_REFUSED: Final = 2
_NO_ANSWER: Final = "No answer from"
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

    def require_predictions(self, samples: Mapping[int, Sample]) -> None:
        """Send each version its recorded instances and compare what comes back."""
        for version, sample in samples.items():
            for front in self.fronts:
                if version_states(front, self.model).get(version) == AVAILABLE:
                    require_prediction(front, self.model, version, sample)
                    break
            else:
                raise NotAnsweringError(f"no server of {self.model} has version {version}")

    def _has_label(self, label: str, version: int) -> bool:
        return any(
            version_states(front, f"{self.model}/labels/{label}").get(version) == AVAILABLE
            for front in self.fronts
        )


@dataclass(frozen=True, kw_only=True)
class ServiceDoor:
    """A managed service's endpoint, asked by `model-export predict`, which knows each service.

    It tells no versions, and divides requests as it was told to: one answer may be any version's.
    """

    model: str
    endpoint: str
    fronts: tuple[str, ...] = ()

    def states(self) -> Mapping[int, str]:
        """Give nothing: the update itself has waited for the service."""
        return {}

    def unanswered(self, _: ModelRelease) -> str | None:
        """Say nothing, likewise."""
        return None

    def require_predictions(self, samples: Mapping[int, Sample]) -> None:
        """Send the recorded instances, and compare the answer with those of all versions."""
        for sample in samples.values():
            alike = [one for one in samples.values() if one.instances == sample.instances]
            got = self._ask(sample)
            if not any(is_close(got, list(one.predictions)) for one in alike):
                raise NotAnsweringError(
                    f"{self.endpoint} answers otherwise than any version did when it was exported"
                )

    def _ask(self, sample: Sample) -> Any:
        done = subprocess.run(  # noqa: S603 - our own interpreter and module
            [
                *(sys.executable, "-m", "model_export", "predict", "--json"),
                *("--endpoint", self.endpoint, "--signature", sample.signature_name),
            ],
            input=json.dumps(list(sample.instances)),
            capture_output=True,
            text=True,
            check=False,
        )
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        if done.returncode == _REFUSED or _NO_ANSWER in said:
            raise UnreachableError(f"{self.endpoint} cannot be asked from here: {said}")
        if done.returncode != 0:
            raise NotAnsweringError(f"{self.endpoint} gives no prediction: {said}")
        return json.loads(done.stdout)["predictions"]


@contextmanager
def open_door(model: str, output: Mapping[str, Any]) -> Iterator[Door | ServiceDoor]:
    """Find the way to a deployed model, and keep it open; UnreachableError where there is none."""
    endpoint = output.get("endpoint")
    if isinstance(endpoint, str) and endpoint.startswith(_SERVICES):
        yield ServiceDoor(model=model, endpoint=endpoint)
        return
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
