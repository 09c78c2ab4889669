"""GPU pools as data: what fits, what is short, and when one more pod finds room."""

from infra.compute.pools import (
    GpuDemand,
    GpuPool,
    GpuSharing,
    can_surge,
    eks_pool,
    fits_a_node,
    gke_pool,
    shortage,
)


def pool(max_nodes: int | None, sharing: GpuSharing | None = None) -> GpuPool:
    return gke_pool(accelerator="nvidia-l4", gpus_per_node=2, max_nodes=max_nodes, sharing=sharing)


def demand(replicas: int, accelerator: str = "nvidia-l4") -> GpuDemand:
    return GpuDemand(accelerator=accelerator, gpus_per_replica=1, replicas=replicas)


def test_one_more_pod_finds_room_only_where_a_gpu_is_left() -> None:
    assert can_surge(pool(2), [demand(3)], gpus_per_replica=1)
    assert not can_surge(pool(2), [demand(4)], gpus_per_replica=1)
    assert not can_surge(pool(2), [demand(3)], gpus_per_replica=2)


def test_models_of_one_pool_count_together_and_others_do_not() -> None:
    assert not can_surge(pool(2), [demand(2), demand(2)], gpus_per_replica=1)
    assert can_surge(pool(2), [demand(2), demand(9, "nvidia-t4")], gpus_per_replica=1)


def test_nobody_promises_room_in_a_pool_of_unknown_size() -> None:
    assert not can_surge(pool(None), [], gpus_per_replica=1)
    assert shortage(pool(None), [demand(1000)]) is None


def test_more_than_the_grown_pool_has_is_short() -> None:
    short = shortage(pool(2), [demand(5)])
    assert short is not None
    assert (short.asked, short.offered) == (5, 4)
    assert shortage(pool(2), [demand(4)]) is None


def test_a_shared_gpu_counts_once_for_each_that_shares_it() -> None:
    shared = pool(1, GpuSharing(clients_per_gpu=4))
    assert shared.schedulable == 8
    assert shared.node_labels["cloud.google.com/gke-max-shared-clients-per-gpu"] == "4"


def test_a_pod_has_all_its_gpus_on_one_node() -> None:
    assert fits_a_node(pool(5), gpus_per_replica=2)
    assert not fits_a_node(pool(5), gpus_per_replica=3)


def test_on_eks_an_instance_type_stands_for_its_gpu() -> None:
    found = eks_pool(instance_type="g5.xlarge", gpus_per_node=1, max_nodes=2)
    assert found.accelerator == "g5.xlarge"
    assert found.node_labels == {"node.kubernetes.io/instance-type": "g5.xlarge"}
