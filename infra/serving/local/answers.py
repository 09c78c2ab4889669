"""Asking a running server what it serves, over its REST status, and waiting for it.

Owns no process: whether it still lives is asked of the caller.
"""

import http.client
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

_ASK_SECONDS: Final = 2.0
_PAUSE_SECONDS: Final = 0.05
# A failure that is seen at once may be an earlier try's: the server reads its files
# every second.
_SETTLE_SECONDS: Final = 2.5


@dataclass(frozen=True, kw_only=True)
class VersionStatus:
    """One version's state in TF Serving's own words."""

    state: str
    error: str

    @property
    def failed(self) -> bool:
        """Tell a version that gave up from one that is still coming or going."""
        return self.state == "END" and bool(self.error)


class NotServingError(Exception):
    """What was waited for will not come; the message says why."""


def versions(address: str, model: str, *, label: str | None = None) -> Mapping[int, VersionStatus]:
    """Ask `host:port` for the state of each version; empty when there is no answer."""
    path = f"/v1/models/{model}" + (f"/labels/{label}" if label else "")
    connection = http.client.HTTPConnection(address, timeout=_ASK_SECONDS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
        if response.status != http.client.OK:
            return {}
        return {
            int(entry["version"]): VersionStatus(
                state=entry["state"],
                error=entry["status"]["error_message"],
            )
            for entry in json.loads(body)["model_version_status"]
        }
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        return {}
    finally:
        connection.close()


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What must answer; no versions means that any version will do."""

    model: str
    versions: frozenset[int]
    labels: Mapping[str, int]


def wait_until_serving(
    wanted: Wanted, *, address: str, is_running: Callable[[], bool], patience_seconds: float
) -> None:
    """Return when exactly the wanted versions and labels answer; raise as soon as they cannot."""
    began = time.monotonic()
    while True:
        alive = is_running()
        seen = versions(address, wanted.model)
        available = {version for version, status in seen.items() if status.state == "AVAILABLE"}
        if available and (not wanted.versions or wanted.versions == available):
            moved = all(
                version in versions(address, wanted.model, label=label)
                for label, version in wanted.labels.items()
            )
            if moved:
                return
        waited_seconds = time.monotonic() - began
        for version in wanted.versions & seen.keys():
            if seen[version].failed and waited_seconds > _SETTLE_SECONDS:
                raise NotServingError(f"version {version} does not load: {seen[version].error}")
        if not alive:
            raise NotServingError("the server ended")
        if waited_seconds > patience_seconds:
            states = ", ".join(f"{version} is {seen[version].state}" for version in sorted(seen))
            raise NotServingError(
                f"no answer within {patience_seconds:.0f} s ({states or 'no version known'})"
            )
        time.sleep(_PAUSE_SECONDS)
