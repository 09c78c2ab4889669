"""What a stack asks of a cluster, and what it says where the cluster lacks it."""

from collections.abc import Mapping
from typing import Any

from infra.compute.pools import GPU_TOLERATION
from infra.compute.questions import Found, found_pools
from infra.config import StackConfig, parse_stack
from infra.platforms.cluster_needs import lacking, wanted_of

PLACE = {"context": "kind-kind", "namespace": "models"}
OURS = {"app.kubernetes.io/managed-by": "servestack", "app.kubernetes.io/part-of": "test"}
KEDA = {"max_replicas": 4, "prometheus_url": "http://p:9090", "query": "up", "threshold": "2"}


def stack(models: Mapping[str, Any] | None = None, **kubernetes: Any) -> StackConfig:
    raw = {
        "platform": "kubernetes",
        "bucket": {"path": "/mnt/models"},
        "kubernetes": {**PLACE, **kubernetes},
        "models": models or {},
    }
    return parse_stack(raw, source="Pulumi.test.yaml")


def told(config: StackConfig, **answers: Any) -> dict[str, str]:
    """Give what is said of a cluster that has all but what the answers say."""
    given: dict[str, Any] = {
        "minor": 34,
        "namespace": None,
        "missing_kinds": {},
        "missing_objects": frozenset(),
        "missing_metrics": frozenset(),
        "nodes": (),
    }
    found = Found(**given | answers)
    return dict(lacking(config, "test", wanted_of(config, "models"), found))


def all_missing(config: StackConfig) -> dict[str, str]:
    wanted = wanted_of(config, "models")
    return told(
        config,
        missing_kinds=wanted.kinds,
        missing_objects=frozenset(wanted.objects),
        missing_metrics=frozenset(wanted.metrics),
    )


def test_a_cluster_that_has_everything_is_told_nothing() -> None:
    assert told(stack({"heart": {"version": 1}})) == {}


def test_a_command_to_paste_makes_the_namespace_in_the_stacks_own_cluster() -> None:
    config = stack({"heart": {"version": 1}}, create_namespace=False)
    said = told(config)["kubernetes.create_namespace"]
    assert "(kubectl --context kind-kind create namespace models)" in said


def test_keda_and_gateways_are_told_by_the_keys_that_ask_for_them() -> None:
    gateway = {"name": "public", "namespace": "gateways", "domain": "example.com"}
    config = stack({"heart": {"version": 1, "kubernetes": {"keda": KEDA}}}, gateway=gateway)
    said = all_missing(config)
    assert "keda.sh" in said["models.heart.kubernetes.keda"]
    assert "GRPCRoute" in said["kubernetes.gateway"]
    assert "no public among its gateways" in said["kubernetes.gateway.name"]


def observed(**observe: Any) -> StackConfig:
    raw = {
        "platform": "kubernetes",
        "bucket": {"path": "/mnt/models"},
        "kubernetes": PLACE,
        "observe": observe,
        "models": {"heart": {"version": 1}},
    }
    return parse_stack(raw, source="Pulumi.test.yaml")


def test_alerts_need_the_operator_and_a_dashboard_needs_nothing() -> None:
    said = all_missing(observed(alerts={}))
    assert said.keys() == {"observe.alerts"}
    assert "PrometheusRule (monitoring.coreos.com/v1)" in said["observe.alerts"]
    assert all_missing(observed(dashboard=True)) == {}


def test_a_model_that_does_not_serve_yet_asks_for_nothing() -> None:
    assert all_missing(stack({"heart": {"kubernetes": {"keda": KEDA}}})) == {}


def test_a_busy_gpu_is_measured_by_the_adapter_that_knows_the_metric() -> None:
    def group(metric: str) -> str:
        model = {
            "version": 1,
            "gpu": {"type": "nvidia-l4"},
            "autoscaling": {"min_replicas": 1, "max_replicas": 2},
            "kubernetes": {"load": {"gpu_duty_cycle_percent": 60, "gpu_metric": metric}},
        }
        wanted = wanted_of(stack({"heart": model}), "models")
        return wanted.metrics["models.heart.kubernetes.load.gpu_duty_cycle_percent"]

    assert group("kubernetes.io|container|accelerator|duty_cycle") == "external.metrics.k8s.io"
    assert group("DCGM_FI_DEV_GPU_UTIL") == "custom.metrics.k8s.io"


def test_a_namespace_is_ours_or_is_left_alone() -> None:
    assert told(stack(), namespace={"metadata": {"labels": OURS}}) == {}
    other = {"metadata": {"labels": OURS | {"app.kubernetes.io/part-of": "prod"}}}
    assert told(stack(), namespace=other).keys() == {"kubernetes.namespace"}
    assert told(stack(create_namespace=False), namespace=other) == {}
    assert told(stack(create_namespace=False)).keys() == {"kubernetes.create_namespace"}


def test_a_cluster_that_is_too_old_is_told() -> None:
    assert "1.28" in told(stack(), minor=28)["kubernetes.context"]


def labelled(gpus: int, labels: Mapping[str, str], *taints: str) -> Mapping[str, Any]:
    return {
        "metadata": {"labels": labels},
        "spec": {"taints": [{"key": key, "effect": "NoSchedule"} for key in taints]},
        "status": {"allocatable": {"nvidia.com/gpu": str(gpus)} if gpus else {}},
    }


GKE = {
    "cloud.google.com/gke-accelerator": "nvidia-l4",
    "node.kubernetes.io/instance-type": "g2-standard-8",
}
EKS = {"node.kubernetes.io/instance-type": "g5.xlarge", "nvidia.com/gpu.product": "NVIDIA-A10G"}


def test_gpu_nodes_are_found_by_each_name_that_they_go_by() -> None:
    pools = found_pools(
        [labelled(2, GKE, "nvidia.com/gpu"), labelled(2, GKE), labelled(1, EKS), labelled(0, EKS)]
    )
    sizes = {pool.accelerator: (pool.gpus_per_node, pool.max_nodes) for pool in pools}
    assert sizes == {"nvidia-l4": (2, 2), "g5.xlarge": (1, 1), "nvidia-a10g": (1, 1)}
    assert {pool.tolerations for pool in pools} == {(GPU_TOLERATION,)}
    (product,) = (pool for pool in pools if pool.accelerator == "nvidia-a10g")
    assert product.node_labels == {"nvidia.com/gpu.product": "NVIDIA-A10G"}


def test_nodes_that_are_kept_for_somebody_are_nobody_elses() -> None:
    assert found_pools([labelled(8, GKE, "nvidia.com/gpu", "team-vision")]) == ()
