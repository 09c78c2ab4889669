"""What an endpoint of SageMaker is to be, as plain data, and what is decided from it. Pure.

Names carry a digest of all that they name: an endpoint's configuration cannot be changed, so
another content is another configuration, which stands beside the old one until the endpoint moved.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final, Literal

from infra.aws_names import alarm_name, endpoint_name, hashed_name

STABLE: Final = "stable"
CANARY: Final = "canary"
SHADOW: Final = "shadow"
VariantName = Literal["stable", "canary", "shadow"]
Shifting = Literal["ALL_AT_ONCE", "CANARY", "LINEAR"]


@dataclass(frozen=True, kw_only=True)
class ServedVersion:
    """A version in its archive, and the image that serves it."""

    version: int
    archive_url: str
    archive_sha256: str
    image: str


@dataclass(frozen=True, kw_only=True)
class Serverless:
    """No instances."""

    memory_mb: int
    max_concurrency: int
    provisioned_concurrency: int | None = None


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One version behind an endpoint: its part of the requests, and its instances."""

    name: VariantName
    served: ServedVersion
    weight: int
    instances: int


@dataclass(frozen=True, kw_only=True)
class Asynchronous:
    """Requests from a queue; answers go below `output_url`."""

    output_url: str
    max_concurrent: int | None = None


@dataclass(frozen=True, kw_only=True)
class DataCapture:
    """Requests and answers kept below `url`."""

    url: str
    percent: int


@dataclass(frozen=True, kw_only=True)
class Update:
    """How a new fleet takes over from the old one."""

    shifting: Shifting = "ALL_AT_ONCE"
    percent: int = 10
    wait_seconds: int = 300
    bake_seconds: int = 300


@dataclass(frozen=True, kw_only=True)
class Alarms:
    """What rings; None is not watched."""

    server_errors: int | None = None
    latency_ms: int | None = None
    gpu_percent: int | None = None
    topic: str | None = None


@dataclass(frozen=True, kw_only=True)
class ScheduledRange:
    """Another range of instances from some time on."""

    when: str
    timezone: str
    min_instances: int
    max_instances: int


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """How instances come and go."""

    min_instances: int
    max_instances: int
    invocations_per_instance: int = 600
    scale_out_seconds: int = 60
    scale_in_seconds: int = 300
    scale_in: bool = True
    schedule: Mapping[str, ScheduledRange] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SageMakerModelArgs:
    """One model on SageMaker. `role_arn` is the role that its containers run by."""

    stack: str
    model: str
    region: str
    role_arn: str
    variants: Sequence[Variant]
    shadow: Variant | None = None
    instance_type: str | None = None
    serverless: Serverless | None = None
    startup_seconds: int | None = None
    asynchronous: Asynchronous | None = None
    data_capture: DataCapture | None = None
    kms_key: str | None = None
    update: Update | None = None
    alarms: Alarms = field(default_factory=Alarms)
    scaling: Scaling | None = None

    @property
    def endpoint(self) -> str:
        """Name the endpoint."""
        return endpoint_name(stack=self.stack, model=self.model)

    @property
    def served(self) -> Mapping[int, ServedVersion]:
        """Give each version that is served, in the shadow too."""
        shadow = [self.shadow] if self.shadow else []
        return {variant.served.version: variant.served for variant in (*self.variants, *shadow)}

    def model_name(self, served: ServedVersion) -> str:
        """Name what SageMaker calls a model: a version in an image, run by a role."""
        content = json.dumps([self.stack, self.role_arn, asdict(served)], sort_keys=True)
        return hashed_name(f"{self.model}-{served.version}-{self.stack}", content=content)

    @property
    def configuration_name(self) -> str:
        """Name the endpoint's configuration by all that is in it."""
        content = json.dumps(
            [
                self.endpoint,
                [[asdict(variant), self.model_name(variant.served)] for variant in self.variants],
                [asdict(self.shadow), self.model_name(self.shadow.served)] if self.shadow else None,
                self.instance_type,
                self.serverless and asdict(self.serverless),
                self.startup_seconds,
                self.asynchronous and asdict(self.asynchronous),
                self.data_capture and asdict(self.data_capture),
                self.kms_key,
            ],
            sort_keys=True,
        )
        return hashed_name(f"{self.model}-{self.stack}", content=content)

    def alarm(self, variant: VariantName, what: str) -> str:
        """Name an alarm of a variant."""
        return alarm_name("servestack", self.stack, self.model, variant, what)


def variant_resource(endpoint: str, variant: VariantName) -> str:
    """Name a variant as what scales it does."""
    return f"endpoint/{endpoint}/variant/{variant}"
