"""What Vertex AI holds, as it was found. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from infra.gcp_names import label_value
from infra.labels import STACK_LABEL
from infra.serving.vertex.specs import (
    EndpointKind,
    Machine,
    Owner,
    Scaling,
    VersionKey,
    VersionSpec,
)

# How a thing of ours is known again, by whoever lost the state that said so.
MODEL_LABEL: Final = "servestack-model"
VERSION_LABEL: Final = "servestack-version"
# The alias that a version of ours is registered with. The registry gives an alias to one version
# only and merges labels of a model into all its versions, so labels could not tell them apart.
_IDENTITY: Final = re.compile(r"v([1-9][0-9]*)-([0-9a-f]{12})-([0-9a-f]{16})")


def owner_labels(owner: Owner) -> dict[str, str]:
    """Say who made a thing."""
    return {STACK_LABEL: label_value(owner.stack), MODEL_LABEL: owner.model}


def is_owned(labels: Mapping[str, str], owner: Owner) -> bool:
    """Tell whether the labels name this owner."""
    return owner_labels(owner).items() <= labels.items()


def version_labels(spec: VersionSpec) -> dict[str, str]:
    """Give the labels of a version: the user's, and those that say whose it is."""
    return {**spec.labels, **owner_labels(spec.owner), VERSION_LABEL: str(spec.version)}


def identity_alias(spec: VersionSpec) -> str:
    """Give the alias by which a version is found again: its number, container and content."""
    return f"v{spec.version}-{spec.container.digest}-{content_mark(spec)}"


def content_mark(spec: VersionSpec) -> str:
    """Shorten a manifest's digest to what an identity has of it."""
    return spec.digest.removeprefix("sha256:")[:16]


@dataclass(frozen=True, kw_only=True)
class VersionRecord:
    """A version in the registry; `version_id` is the registry's own number."""

    model: str
    version_id: str
    aliases: tuple[str, ...]
    labels: Mapping[str, str]
    description: str
    deployed_to: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name exactly this version."""
        return f"{self.model}@{self.version_id}"

    @property
    def identity(self) -> "re.Match[str] | None":
        """Read the alias that says which of our versions it is; None of a version not ours."""
        found = (_IDENTITY.fullmatch(alias) for alias in self.aliases)
        return next((match for match in found if match), None)

    @property
    def key(self) -> VersionKey | None:
        """Give what it is among our versions; None of a version that is not ours."""
        identity = self.identity
        return identity and VersionKey(version=int(identity[1]), container=identity[2])

    @property
    def content(self) -> str:
        """Give the mark of the content that it was registered with."""
        identity = self.identity
        return identity[3] if identity else ""


@dataclass(frozen=True, kw_only=True)
class DeployedRecord:
    """A version that runs behind an endpoint."""

    deployed_id: str
    model: str
    version_id: str
    machine: Machine
    scaling: Scaling
    service_account: str
    access_logging: bool
    container_logging: bool


@dataclass(frozen=True, kw_only=True)
class EndpointRecord:
    """An endpoint with all that runs behind it."""

    name: str
    labels: Mapping[str, str]
    etag: str
    kind: EndpointKind
    dns: str
    service_attachment: str
    traffic: Mapping[str, int]
    deployed: Mapping[str, DeployedRecord]
    updated_at: float


@dataclass(frozen=True, kw_only=True)
class OperationRecord:
    """A long operation: whether it is over, how it failed, where it stands."""

    name: str
    done: bool
    error_code: int = 0
    error: str = ""
    stage: str = ""
