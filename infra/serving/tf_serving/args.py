"""What the component is told: plain data, the same on every platform.

A platform decides these from its configuration, from the manifests in the bucket and from what it
knows of its cluster. Nothing here is read from a configuration.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pulumi

from infra.compute.pools import GpuPool
from infra.serving.settings import ServingSettings
from infra.serving.tf_serving.sources import ModelSource
from model_export.manifest import Manifest

RolloutStrategy = Literal["pod", "hot", "poll"]
ServiceType = Literal["ClusterIP", "NodePort", "LoadBalancer"]


@dataclass(frozen=True, kw_only=True)
class CanaryArgs:
    """A second version beside the stable one, and its part of the traffic."""

    published: Manifest
    share: int


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """How many pods of the stable version; equal numbers are a fixed number.

    `requests_per_second` and `gpu_duty_cycle` need a metrics adapter in the cluster.
    """

    min_replicas: int = 1
    max_replicas: int = 1
    cpu_percent: int | None = None
    gpu_duty_cycle_percent: int | None = None
    requests_per_second: int | None = None
    requests_metric: str = "tensorflow_serving_requests_per_second"
    gpu_metric: str = "kubernetes.io|container|accelerator|duty_cycle"

    @property
    def is_automatic(self) -> bool:
        """Tell whether load decides the number."""
        return any((self.cpu_percent, self.gpu_duty_cycle_percent, self.requests_per_second))


@dataclass(frozen=True, kw_only=True)
class EventScaling:
    """KEDA instead of a HorizontalPodAutoscaler: a Prometheus query decides, down to nothing."""

    min_replicas: int
    max_replicas: int
    prometheus_url: str
    query: str
    threshold: str
    cooldown_seconds: int = 300


@dataclass(frozen=True, kw_only=True)
class GpuPlacement:
    """The pool a model's pods go to; `surge` says whether one more pod than wanted finds room."""

    pool: GpuPool
    gpus: int
    surge: bool


@dataclass(frozen=True, kw_only=True)
class Ingress:
    """An Ingress for REST."""

    host: str
    class_name: str | None = None
    tls_secret: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class GatewayRoute:
    """Routes on a Gateway that exists: REST at one host name, gRPC at another.

    A request that carries `canary_header` goes to the canary, whatever the shares.
    """

    gateway: str
    gateway_namespace: str
    rest_host: str
    grpc_host: str
    scheme: Literal["http", "https"] = "http"
    canary_header: str = "x-servestack-canary"


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """By which doors clients come in."""

    service_type: ServiceType = "ClusterIP"
    service_annotations: Mapping[str, str] = field(default_factory=dict)
    headless: bool = False
    ingress: Ingress | None = None
    gateway: GatewayRoute | None = None
    # Namespaces whose pods may ask; empty lets every pod of the cluster.
    client_namespaces: tuple[str, ...] = ()
    network_policy: bool = True


@dataclass(frozen=True, kw_only=True)
class PodPlacement:
    """Where pods go, and how they are kept apart."""

    spread: Literal["prefer", "require", "none"] = "prefer"
    priority_class: str | None = None
    node_labels: Mapping[str, str] = field(default_factory=dict)
    disruption_budget: bool = True


@dataclass(frozen=True, kw_only=True)
class ClusterAccess:
    """How the roll-out is watched: by a kubeconfig's text without credentials in it, or the user's.

    Without `kubeconfig`, the one that kubectl would use; without `context`, its current one.
    """

    kubeconfig: pulumi.Input[str] | None = None
    context: str | None = None


@dataclass(frozen=True, kw_only=True)
class KubernetesModelArgs:
    """One model on one cluster.

    `settings` are those of the model whatever serves it; base path, ports, versions and labels of
    each server are filled in from the rest. `stable` is None where the server follows the bucket.
    """

    stack: str
    namespace: str
    settings: ServingSettings
    stable: Manifest | None
    source: ModelSource
    image: str
    access: ClusterAccess
    canary: CanaryArgs | None = None
    strategy: RolloutStrategy = "pod"
    cpu: str = "1"
    memory: str | None = None
    scaling: Scaling | EventScaling = field(default_factory=Scaling)
    gpu: GpuPlacement | None = None
    service_account_annotations: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    exposure: Exposure = field(default_factory=Exposure)
    placement: PodPlacement = field(default_factory=PodPlacement)
    scrape: Literal["annotations", "pod-monitoring", "service-monitor"] = "annotations"
    drain_seconds: int = 15
    image_pull_secret: str | None = None

    @property
    def model(self) -> str:
        """Give the model's name."""
        return self.settings.model
