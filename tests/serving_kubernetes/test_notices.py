"""What a preview says of a model on Kubernetes that its user would not expect."""

from dataclasses import replace
from typing import Any

import pytest

from infra.compute.pools import gke_pool
from infra.platforms.cluster_models import notices
from infra.serving.tf_serving.args import GpuPlacement, Scaling
from infra.serving.tf_serving.sources import FetchFromS3, ModelSource, MountedClaim, ReadFromGcs
from tests.serving_kubernetes.examples import canary, model_args


def said(**changed: Any) -> list[str]:
    return list(notices("heart", model_args(**changed)))


def test_what_is_as_it_was_asked_for_is_not_spoken_of() -> None:
    assert said() == []
    # One pod beside nine is ten per cent.
    assert said(canary=canary(), scaling=Scaling(min_replicas=9, max_replicas=9)) == []


def test_a_share_that_pods_cannot_give_is_told_with_the_number_that_would() -> None:
    (message,) = said(canary=canary())
    assert "is to have 10 % and gets 50 %: 1 of 2 pods" in message
    assert "replicas: 6 makes it 14.3 %" in message


def test_a_pool_without_a_gpu_to_spare_is_told() -> None:
    pool = gke_pool(accelerator="nvidia-l4", gpus_per_node=1, max_nodes=1)
    (message,) = said(gpu=GpuPlacement(pool=pool, gpus=1, surge=False))
    assert "an old pod ends before a new one starts" in message


@pytest.mark.parametrize(
    ("source", "is_billed"),
    [
        (ReadFromGcs(url="gs://models"), True),
        (MountedClaim(claim="models", of_store=True), True),
        (MountedClaim(claim="models"), False),
        (FetchFromS3(url="s3://models"), False),
    ],
)
def test_looking_into_an_object_store_is_told_with_what_it_costs(
    source: ModelSource, *, is_billed: bool
) -> None:
    settings = replace(model_args().settings, versions=(), poll_seconds=120)
    told = said(
        source=source,
        strategy="poll",
        stable=None,
        settings=settings,
        scaling=Scaling(min_replicas=2, max_replicas=2),
    )
    # Every two minutes for thirty days, by each of two pods.
    assert ["43,200 list requests a month" in message for message in told] == [True] * is_billed
