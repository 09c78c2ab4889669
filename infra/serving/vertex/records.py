"""What Vertex AI holds, as it was found. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from infra.serving.vertex.specs import (
    EndpointKind,
    Machine,
    Owner,
    Scaling,
    VersionKey,
    VersionSpec,
)

# How a thing of ours is known again, by whoever lost the state that said so.
STACK_LABEL: Final = "servestack-stack"
MODEL_LABEL: Final = "servestack-model"
VERSION_LABEL: Final = "servestack-version"
DIGEST_LABEL: Final = "servestack-digest"
CONTAINER_LABEL: Final = "servestack-container"
_LABEL_CHARACTERS: Final = 63


def owner_labels(owner: Owner) -> dict[str, str]:
    """Say who made a thing."""
    return {STACK_LABEL: _label(owner.stack), MODEL_LABEL: _label(owner.model)}


def is_owned(labels: Mapping[str, str], owner: Owner) -> bool:
    """Tell whether the labels name this owner."""
    return owner_labels(owner).items() <= labels.items()


def version_labels(spec: VersionSpec) -> dict[str, str]:
    """Give the labels of a version: the user's, and those that it is found by."""
    return {
        **spec.labels,
        **owner_labels(spec.owner),
        VERSION_LABEL: str(spec.version),
        DIGEST_LABEL: digest_label(spec.digest),
        CONTAINER_LABEL: spec.container.digest,
    }


def digest_label(digest: str) -> str:
    """Shorten a manifest's digest to what a label holds; 240 of its 256 bits are left."""
    return _label(digest.removeprefix("sha256:")[:60])


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
    def key(self) -> VersionKey | None:
        """Give what it is among our versions; None of a version that is not ours."""
        number, container = self.labels.get(VERSION_LABEL, ""), self.labels.get(CONTAINER_LABEL)
        if not number.isdigit() or container is None:
            return None
        return VersionKey(version=int(number), container=container)


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


def _label(text: str) -> str:
    lower = "".join(mark if mark.isalnum() or mark in "_-" else "_" for mark in text.lower())
    return lower[:_LABEL_CHARACTERS]
