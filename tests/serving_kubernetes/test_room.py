"""What a preview refuses for want of room: GPUs that are not there, memory that is too little."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from infra.compute.pools import GpuPool, gke_pool
from infra.config import parse_stack
from infra.platforms.cluster_models import room_problems
from model_export.manifest import Manifest
from tests.serving_kubernetes.examples import published

POOL = gke_pool(accelerator="nvidia-l4", gpus_per_node=1, max_nodes=2)


def refused(
    *pools: GpuPool, manifests: Mapping[tuple[str, int], Manifest] | None = None, **models: Any
) -> dict[str, str]:
    """Give what is refused, by its key; every version is published, of 500 MiB."""
    config = parse_stack(
        {
            "platform": "kubernetes",
            "bucket": {"path": "/models"},
            "kubernetes": {"context": "kind-kind"},
            "models": models,
        },
        source="Pulumi.test.yaml",
    )
    versions = {
        (name, version): published(version, size_mib=500, model=name)
        for name in models
        for version in (1, 2)
    }
    return dict(room_problems(config, pools, versions | dict(manifests or {})))


def test_what_fits_is_not_spoken_of() -> None:
    assert refused(POOL, eyes={"version": 1, "gpu": {"type": "nvidia-l4"}, "replicas": 2}) == {}


def test_a_gpu_that_is_nowhere_is_refused_with_those_that_are_there() -> None:
    model = {"version": 1, "gpu": {"type": "nvidia-h100"}}
    there = refused(POOL, eyes=model)["models.eyes.gpu.type"]
    assert "nvidia-h100 is not to be had in the cluster (its GPUs are: nvidia-l4)" in there
    assert "it has no GPU nodes" in refused(eyes=model)["models.eyes.gpu.type"]


def test_more_gpus_than_a_node_has_are_refused_with_the_most_that_go() -> None:
    problems = refused(POOL, eyes={"version": 1, "gpu": {"type": "nvidia-l4", "count": 2}})
    assert "Write at most: count: 1" in problems["models.eyes.gpu.count"]


def test_models_that_ask_for_more_than_the_grown_pool_has_are_all_told() -> None:
    model = {"version": 1, "gpu": {"type": "nvidia-l4"}, "replicas": 2}
    problems = refused(POOL, eyes=model, ears=model)
    assert set(problems) == {"models.eyes.gpu.type", "models.ears.gpu.type"}
    assert "ask for 4 of nvidia-l4, and the grown pool has 2" in problems["models.eyes.gpu.type"]


def test_memory_that_the_version_does_not_fit_into_is_refused_with_the_least_that_does() -> None:
    def memory(text: str) -> dict[str, str]:
        return refused(heart={"version": 1, "resources": {"memory": text}})

    assert "Write at least: memory: 884Mi" in memory("883Mi")["models.heart.resources.memory"]
    assert memory("884Mi") == {}


def test_hot_is_refused_where_two_versions_do_not_fit() -> None:
    def memory(text: str) -> dict[str, str]:
        return refused(heart={"version": 1, "strategy": "hot", "resources": {"memory": text}})

    said = memory("1383Mi")["models.heart.resources.memory"]
    assert "too little for two versions at once" in said
    assert "Write at least: memory: 1384Mi, or write: strategy: pod" in said
    assert memory("1384Mi") == {}


def test_a_version_for_tensorrt_is_refused_on_a_server_that_has_none() -> None:
    converted = replace(published(2, model="eyes"), labels={"runtime": "tensorrt"})
    model = {"version": 2, "gpu": {"type": "nvidia-l4"}}
    problems = refused(POOL, manifests={("eyes", 2): converted}, eyes=model)
    assert "version 2 is for TensorRT" in problems["models.eyes.kubernetes.image"]
    own = {**model, "kubernetes": {"image": "tensorflow/serving:2.17.0-gpu"}}
    assert refused(POOL, manifests={("eyes", 2): converted}, eyes=own) == {}
