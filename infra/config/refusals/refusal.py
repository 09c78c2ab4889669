"""Where a field would have its effect, and what it is to be refused there."""

from dataclasses import dataclass
from typing import Final, get_args

from infra.config.values import LocalServerKind, Platform, Target

LOCAL: Final = frozenset({Platform.LOCAL})
GCP: Final = frozenset({Platform.GCP})
AWS: Final = frozenset({Platform.AWS})
KUBERNETES: Final = frozenset({Platform.KUBERNETES})
CLOUDS: Final = GCP | AWS
ALL: Final = frozenset(Platform)
LOCAL_TARGET: Final = frozenset({Target.LOCAL})
VERTEX: Final = frozenset({Target.VERTEX})
SAGEMAKER: Final = frozenset({Target.SAGEMAKER})
MANAGED: Final = VERTEX | SAGEMAKER
ALL_TARGETS: Final = frozenset(Target)
PROCESS: Final[frozenset[LocalServerKind]] = frozenset({"process"})
DOCKER: Final[frozenset[LocalServerKind]] = frozenset({"docker"})
ALL_SERVERS: Final[frozenset[LocalServerKind]] = frozenset(get_args(LocalServerKind))


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a field would have to have its effect; `target` is a model's."""

    platform: Platform
    target: Target | None = None
    server: LocalServerKind = "process"


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A field, with all below it, that has no effect in some places; or only one value of it."""

    field: str
    reason: str
    remedy: str
    value: str | None = None
    platforms: frozenset[Platform] = ALL
    targets: frozenset[Target] = ALL_TARGETS
    servers: frozenset[LocalServerKind] = ALL_SERVERS

    def holds_at(self, place: Place) -> bool:
        """Tell whether the field is refused in this place."""
        return (
            place.platform in self.platforms
            and place.server in self.servers
            and (place.target is None or place.target in self.targets)
        )
