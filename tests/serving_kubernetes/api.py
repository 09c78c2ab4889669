"""An API server of a few objects, for what waits and steps; no rule of Kubernetes is in it.

What the real one does with the same requests is tried in tests/cluster.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from infra.compute.api_server import Answer, ApiServer, UnreachableError


@dataclass(kw_only=True)
class FakeApi:
    """Objects by their path, and what each further look changes."""

    objects: dict[str, Any] = field(default_factory=dict)
    # Called before each look at the given path; may change the objects.
    script: Callable[[str], None] = lambda _: None
    # What pods answer through the proxy: by the path behind it.
    answers: Callable[[str], Answer] = lambda _: Answer(status=404, body=b"{}")
    requests: list[tuple[str, str]] = field(default_factory=list)
    away: bool = False

    def get(
        self, path: str, *, missing_is_fine: bool = False, **query: str
    ) -> Mapping[str, Any] | None:
        del missing_is_fine, query
        self.script(path)
        if self.away:
            raise UnreachableError("away")
        return cast("Mapping[str, Any] | None", self.objects.get(path))

    def apply(self, path: str, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
        self.requests.append(("apply", path))
        self.objects[path] = json.loads(json.dumps(wanted))
        return wanted

    def patch(self, path: str, change: Mapping[str, Any]) -> bool:
        del change
        self.requests.append(("patch", path))
        return True

    def delete(self, path: str) -> None:
        self.objects.pop(path, None)

    def request(self, method: str, path: str, **_: Any) -> Answer:
        self.requests.append((method, path))
        return self.answers(path)

    @property
    def server(self) -> ApiServer:
        """Give it as what it stands for."""
        return cast("ApiServer", self)


@dataclass
class Clock:
    """Time that passes by sleeping only."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
