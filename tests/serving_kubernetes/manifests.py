"""A model's objects as Kubernetes would be given them, without a cluster."""

from collections.abc import Mapping
from typing import Any

from infra.compute.pools import gke_pool
from infra.serving.tf_serving.args import (
    EventScaling,
    Exposure,
    GatewayRoute,
    GpuPlacement,
    Ingress,
    KubernetesModelArgs,
    PodPlacement,
    Scaling,
)
from infra.serving.tf_serving.component import KubernetesModel
from infra.serving.tf_serving.sources import FetchFromS3, ReadFromGcs
from tests.declaring import declare
from tests.serving_kubernetes.examples import canary, model_args

Manifest = Mapping[str, Any]

ROUTE = GatewayRoute(
    gateway="public",
    gateway_namespace="gateways",
    rest_host="heart.models.example.com",
    grpc_host="heart--grpc.models.example.com",
)
POOL = gke_pool(accelerator="nvidia-l4", gpus_per_node=1, max_nodes=3)

# One of each way to serve a model; together they have every kind of object.
EXAMPLES: Mapping[str, KubernetesModelArgs] = {
    "plain": model_args(),
    "scaled": model_args(scaling=Scaling(min_replicas=2, max_replicas=6, cpu_percent=60)),
    "canary": model_args(scaling=Scaling(min_replicas=3, max_replicas=3), canary=canary()),
    "gateway": model_args(canary=canary(), exposure=Exposure(gateway=ROUTE)),
    "ingress": model_args(
        exposure=Exposure(
            headless=True,
            ingress=Ingress(host="heart.example.com", class_name="nginx", tls_secret="heart-tls"),  # noqa: S106 - its name
            client_namespaces=("web",),
        ),
        placement=PodPlacement(spread="require", priority_class="serving"),
    ),
    "s3": model_args(
        source=FetchFromS3(url="s3://example-models", endpoint="http://minio:9000", secret="keys")  # noqa: S106 - its name
    ),
    "gs": model_args(
        source=ReadFromGcs(url="gs://example-models"),
        service_account_annotations={
            "iam.gke.io/gcp-service-account": "heart@example.iam.gserviceaccount.com"
        },
    ),
    "gpu": model_args(
        gpu=GpuPlacement(pool=POOL, gpus=1, surge=True), image="tensorflow/serving:2.19.1-gpu"
    ),
    "hot": model_args(strategy="hot", memory="4Gi"),
    "latest": model_args(
        strategy="poll", stable=None, source=ReadFromGcs(url="gs://example-models")
    ),
    "keda": model_args(
        scaling=EventScaling(
            min_replicas=0,
            max_replicas=4,
            prometheus_url="http://prometheus:9090",
            query="sum(rate(requests[1m]))",
            threshold="20",
        ),
        scrape="service-monitor",
    ),
    "google-prometheus": model_args(scrape="pod-monitoring"),
}


def manifests(args: KubernetesModelArgs) -> list[Manifest]:
    """Give every object of a model that the API server is sent."""
    made = declare(lambda: KubernetesModel(args.model, args))
    return [whole(one.inputs) for one in made.resources if one.type.startswith("kubernetes:")]


def whole(value: Any) -> Any:
    """Give numbers as they were: the engine's protocol has no whole ones."""
    match value:
        case Mapping():
            return {key: whole(inner) for key, inner in value.items()}
        case list() | tuple():
            return [whole(inner) for inner in value]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value
