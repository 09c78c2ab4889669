"""What Vertex AI shall hold: plain data, each a resource's whole input. Pure.

Nothing in here is a credential, and nothing is known only after something was made: ids are chosen,
so a preview shows them, and what a killed run has begun is found again by them.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Final, Literal

EndpointKind = Literal["public", "dedicated", "private-service-connect"]

_DIGEST_CHARACTERS: Final = 12
_DEPLOYED_IDS_FROM: Final = 10**9
_DEPLOYED_IDS: Final = 9 * 10**9


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the service is: `api_host` only where it is not the region's own address."""

    project: str
    region: str
    api_host: str = ""

    @property
    def parent(self) -> str:
        """Name the location as the API does."""
        return f"projects/{self.project}/locations/{self.region}"

    @property
    def host(self) -> str:
        """Give the host, and the port where it is not 443, that answers for the region."""
        return self.api_host or f"{self.region}-aiplatform.googleapis.com"

    def model(self, model_id: str) -> str:
        """Name a registry model."""
        return f"{self.parent}/models/{model_id}"

    def endpoint(self, endpoint_id: str) -> str:
        """Name an endpoint."""
        return f"{self.parent}/endpoints/{endpoint_id}"


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Who made a thing, as its labels say: a stack, for one model of its configuration."""

    stack: str
    model: str

    @property
    def key(self) -> str:
        """Name the model's section in the stack file, for messages."""
        return f"servestack:models.{self.model}"


@dataclass(frozen=True, kw_only=True)
class ContainerSpec:
    """What serves a version. A prebuilt container is an image only; the rest is Google's."""

    image: str
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    predict_route: str = ""
    health_route: str = ""
    startup_seconds: int = 0

    @property
    def digest(self) -> str:
        """Tell one container from another; short, for it goes into labels and names."""
        return _digest(asdict(self))


@dataclass(frozen=True, kw_only=True)
class VersionKey:
    """A version of ours in the registry, which numbers its own versions as it likes.

    One published version in two containers is two versions of the registry.
    """

    version: int
    container: str


@dataclass(frozen=True, kw_only=True)
class VersionSpec:
    """A published version in the registry. `digest` is its content's, by its manifest."""

    place: Place
    owner: Owner
    model_id: str
    version: int
    digest: str
    container: ContainerSpec
    artifact_uri: str = ""
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    kms_key: str = ""
    adopt: bool = False

    @property
    def key(self) -> VersionKey:
        """Name it among the versions of its model."""
        return VersionKey(version=self.version, container=self.container.digest)


@dataclass(frozen=True, kw_only=True)
class EndpointSpec:
    """An address that predictions are asked of."""

    place: Place
    owner: Owner
    endpoint_id: str
    kind: EndpointKind = "public"
    allowed_projects: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    kms_key: str = ""
    adopt: bool = False


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One replica's machine: all of it that a running deployment cannot change."""

    type: str
    accelerator: str = ""
    accelerator_count: int = 0
    spot: bool = False


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """How many replicas: what a running deployment can change."""

    min_replicas: int
    max_replicas: int
    cpu_percent: int = 0
    gpu_percent: int = 0


@dataclass(frozen=True, kw_only=True)
class DeploymentSpec:
    """A version that runs behind an endpoint, whatever traffic it gets."""

    place: Place
    owner: Owner
    endpoint_id: str
    model_id: str
    key: VersionKey
    machine: Machine
    scaling: Scaling
    service_account: str = ""
    access_logging: bool = False
    container_logging: bool = True
    idle_seconds: int = 0
    drain_seconds: int = 0

    @property
    def deployed_id(self) -> str:
        """Choose the id: equal as long as nothing changes that needs another deployment."""
        fixed = {
            "key": asdict(self.key),
            "model": self.model_id,
            "machine": asdict(self.machine),
            "service_account": self.service_account,
            "access_logging": self.access_logging,
            "idle_seconds": self.idle_seconds,
        }
        number = int(_digest(fixed), 16) % _DEPLOYED_IDS
        return str(_DEPLOYED_IDS_FROM + number)


@dataclass(frozen=True, kw_only=True)
class TrafficSpec:
    """Which deployment gets which percentage of an endpoint's requests."""

    place: Place
    owner: Owner
    endpoint_id: str
    split: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class AliasesSpec:
    """Names for versions of a registry model."""

    place: Place
    owner: Owner
    model_id: str
    aliases: Mapping[str, VersionKey]
    adopt: bool = False


def _digest(value: Mapping[str, object]) -> str:
    document = json.dumps(value, sort_keys=True)
    return hashlib.sha256(document.encode()).hexdigest()[:_DIGEST_CHARACTERS]
