"""The component under mocks: which objects there are, and what they say of each other."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from infra.compute.pools import GpuSharing, gke_pool
from infra.serving.tf_serving.args import (
    Exposure,
    GatewayRoute,
    GpuPlacement,
    KubernetesModelArgs,
    Scaling,
)
from infra.serving.tf_serving.component import KubernetesModel
from infra.serving.tf_serving.sources import FetchFromS3, ReadFromGcs
from tests.declaring import Declaration, declare
from tests.serving_kubernetes.examples import canary, model_args, published

DEPLOYMENT = "kubernetes:apps/v1:Deployment"
SERVICE = "kubernetes:core/v1:Service"
CONFIG_MAP = "kubernetes:core/v1:ConfigMap"


def declared(args: KubernetesModelArgs) -> Declaration:
    return declare(lambda: KubernetesModel("heart", args))


def pod(made: Declaration, name: str = "heart") -> Mapping[str, Any]:
    spec: Mapping[str, Any] = made.one(DEPLOYMENT, name).inputs["spec"]["template"]["spec"]
    return spec


def server(made: Declaration, name: str = "heart") -> Mapping[str, Any]:
    container: Mapping[str, Any] = pod(made, name)["containers"][0]
    return container


def test_a_model_is_one_deployment_behind_one_service() -> None:
    made = declared(model_args())
    selector = made.one(SERVICE).inputs["spec"]["selector"]
    labels = made.one(DEPLOYMENT).inputs["spec"]["template"]["metadata"]["labels"]
    assert selector.items() <= labels.items()
    assert labels["app.kubernetes.io/version"] == "2"


def test_a_pod_is_ready_once_the_version_answers_that_it_is_for() -> None:
    probes = server(declared(model_args()))
    wanted = "/v1/models/heart/versions/2/metadata"
    assert probes["readinessProbe"]["httpGet"]["path"] == wanted
    assert probes["startupProbe"]["httpGet"]["path"] == wanted
    assert probes["livenessProbe"]["httpGet"]["path"] == "/v1/models/heart"


def test_a_large_model_gets_more_time_to_start() -> None:
    def budget_seconds(size_mib: int) -> int:
        args = model_args(stable=published(2, size_mib=size_mib))
        probe = server(declared(args))["startupProbe"]
        return int(probe["periodSeconds"] * probe["failureThreshold"])

    assert budget_seconds(8_000) > budget_seconds(100) + 300


def test_every_object_is_in_the_models_namespace() -> None:
    made = declared(model_args(canary=canary(), scaling=Scaling(min_replicas=2, max_replicas=2)))
    objects = [one for one in made.resources if one.type.startswith("kubernetes:")]
    assert len(objects) > 8
    assert {one.inputs["metadata"]["namespace"] for one in objects} == {"models"}


def test_other_settings_are_another_config_map_beside_the_old_one() -> None:
    old = declared(model_args()).one(CONFIG_MAP)
    new = declared(model_args(stable=published(3))).one(CONFIG_MAP)
    assert old.name != new.name
    assert old.inputs["metadata"]["name"] != new.inputs["metadata"]["name"]


def test_a_canary_is_a_deployment_of_its_own_behind_the_same_service() -> None:
    made = declared(model_args(canary=canary()))
    versions = {
        one.inputs["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/version"]
        for one in made.of_type(DEPLOYMENT)
    }
    assert versions == {"2", "3"}
    front = made.one(SERVICE, "heart").inputs["spec"]["selector"]
    for one in made.of_type(DEPLOYMENT):
        assert front.items() <= one.inputs["spec"]["template"]["metadata"]["labels"].items()


def test_stable_keeps_its_pods_when_a_canary_comes() -> None:
    scaling = Scaling(min_replicas=3, max_replicas=3)
    alone = declared(model_args(scaling=scaling)).one(DEPLOYMENT)
    beside = declared(model_args(scaling=scaling, canary=canary())).one(DEPLOYMENT, "heart")
    assert alone.inputs == beside.inputs


def test_a_gateway_divides_by_weight_and_the_service_leads_to_stable_only() -> None:
    route = GatewayRoute(
        gateway="public",
        gateway_namespace="gateways",
        rest_host="heart.example.com",
        grpc_host="heart--grpc.example.com",
    )
    made = declared(model_args(canary=canary(), exposure=Exposure(gateway=route)))
    http = made.one("kubernetes:gateway.networking.k8s.io/v1:HTTPRoute").inputs["spec"]
    assert [backend["weight"] for backend in http["rules"][-1]["backendRefs"]] == [90, 10]
    assert made.one(SERVICE, "heart").inputs["spec"]["selector"]["servestack/track"] == "stable"


def test_a_gs_bucket_is_read_by_the_server_itself() -> None:
    made = declared(model_args(source=ReadFromGcs(url="gs://example/prod")))
    assert '"gs://example/prod/heart"' in made.one(CONFIG_MAP).inputs["data"]["models.config"]
    assert "initContainers" not in pod(made)


def test_a_version_in_s3_is_fetched_and_compared_before_the_server_starts() -> None:
    made = declared(model_args(source=FetchFromS3(url="s3://example/prod", region="eu-central-1")))
    fetch = pod(made)["initContainers"][0]
    environment = {entry["name"]: entry.get("value") for entry in fetch["env"]}
    assert environment["BUCKET_PATH"] == "example/prod"
    assert environment["VERSION_PATH"] == "heart/2"
    assert f"{'a' * 64}  saved_model.pb" in made.one(CONFIG_MAP).inputs["data"]["SHA256SUMS"]


def test_keys_of_a_store_come_from_a_secret_and_stand_nowhere_else() -> None:
    source = FetchFromS3(url="s3://example", endpoint="http://minio:9000", secret="bucket")  # noqa: S106 - its name
    fetch = pod(declared(model_args(source=source)))["initContainers"][0]
    keys = {entry["name"]: entry for entry in fetch["env"] if entry["name"].startswith("AWS_")}
    assert keys.keys() == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert all("value" not in entry for entry in keys.values())


def test_an_autoscaler_writes_the_number_of_pods_alone() -> None:
    args = model_args(scaling=Scaling(min_replicas=1, max_replicas=5, cpu_percent=60))
    made = declared(args)
    assert "replicas" not in made.one(DEPLOYMENT).inputs["spec"]
    assert made.one("kubernetes:autoscaling/v2:HorizontalPodAutoscaler").inputs["spec"][
        "scaleTargetRef"
    ] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "heart"}


def test_a_grpc_client_is_sent_elsewhere_before_its_pod_ends() -> None:
    for drain_seconds in (1, 4, 15, 600):
        container = server(declared(model_args(drain_seconds=drain_seconds)))
        flag = "--grpc_channel_arguments=grpc.max_connection_age_ms="
        (age_ms,) = (
            int(text.removeprefix(flag)) for text in container["args"] if text.startswith(flag)
        )
        assert 1000 <= age_ms <= max(1, drain_seconds - 1) * 1000
        assert container["lifecycle"]["preStop"]["sleep"]["seconds"] == drain_seconds


def test_a_gpu_that_pods_take_turns_on_is_divided_and_one_of_its_own_is_not() -> None:
    def fraction(sharing: GpuSharing | None, given: float | None = None) -> list[str]:
        pool = gke_pool(accelerator="nvidia-l4", gpus_per_node=1, max_nodes=1, sharing=sharing)
        settings = replace(model_args().settings, gpu_memory_fraction=given)
        gpu = GpuPlacement(pool=pool, gpus=1, surge=True)
        flags = server(declared(model_args(gpu=gpu, settings=settings)))["args"]
        flag = "--per_process_gpu_memory_fraction="
        return [text.removeprefix(flag) for text in flags if text.startswith(flag)]

    assert fraction(None) == []
    assert fraction(GpuSharing(clients_per_gpu=4)) == ["0.225"]
    assert fraction(GpuSharing(clients_per_gpu=4), 0.5) == ["0.5"]
    assert fraction(GpuSharing(clients_per_gpu=4, strategy="mps")) == []
