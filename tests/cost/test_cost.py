"""A month's cost: what is paid by the hour, at which price, and what is not known."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.compute.aws_accelerators import machine_with
from infra.config.sections.cost import CostConfig
from infra.cost.estimate import HOURS_PER_MONTH, Estimate, estimate, rounded
from infra.cost.table import OWN, PriceTable
from infra.cost.usage import Usage, usages

HEAD = "urn:pulumi:dev::servestack::"
POOL = f"{HEAD}servestack:compute:GkeCluster$gcp:container/nodePool:NodePool::"
CLUSTER = f"{HEAD}gcp:container/cluster:Cluster::main"


def pool(machine: str = "g2-standard-4", *, gpu: str = "nvidia-l4", **more: Any) -> dict[str, Any]:
    gpus = [{"type": gpu, "count": 1}] if machine.startswith("g2") else []
    return {
        "location": "europe-west4",
        "nodeConfig": {"machineType": machine, "guestAccelerators": gpus},
        "autoscaling": {"totalMinNodeCount": 1, "totalMaxNodeCount": 3},
        **more,
    }


def month(
    resources: dict[str, Any], *, cloud: str = "gcp", region: str = "europe-west4", **config: Any
) -> Estimate:
    return estimate(resources, CostConfig(**config), cloud=cloud, region=region, bucket_count=1)


def found(resources: dict[str, Any], region: str = "eu-central-1") -> dict[str, Usage]:
    return {usage.price: usage for usage in usages(resources, region=region)}


def test_nodes_cost_from_their_fewest_to_their_most() -> None:
    result = month({CLUSTER: {}, f"{POOL}system": pool("e2-standard-4")})
    assert result.least_usd == pytest.approx(HOURS_PER_MONTH * (0.10 + 0.14754))
    assert result.most_usd == pytest.approx(HOURS_PER_MONTH * (0.10 + 3 * 0.14754))
    assert str(result) == "180 to 400 USD"


def test_a_price_that_is_not_known_is_called_so_and_never_guessed() -> None:
    result = month({f"{POOL}new": pool(gpu="nvidia-z9")})
    (gpus,) = result.unknown
    assert (gpus.what, gpus.price) == ("GPUs of new (nvidia-z9)", "gcp/europe-west4/gpu/nvidia-z9")
    assert str(result) == "110 to 340 USD and 1 unknown"
    assert str(month({f"{POOL}x": pool("z9-huge")})) == "unknown"


def test_a_machine_of_google_and_its_gpus_are_two_prices_and_each_counts_once() -> None:
    result = month({f"{POOL}l4": pool()})
    assert not result.unknown
    assert result.least_usd == pytest.approx(HOURS_PER_MONTH * (0.15429 + 0.58804))
    assert result.most_usd == pytest.approx(3 * result.least_usd)


def test_a_machine_of_amazon_is_one_price_with_its_gpus_and_spot_has_none() -> None:
    def group(machine: str, **more: Any) -> dict[str, Any]:
        scaling = {"minSize": 1, "maxSize": 2}
        return {"instanceTypes": [machine], "scalingConfig": scaling, **more}

    cluster, groups = f"{HEAD}aws:eks/cluster:Cluster::main", f"{HEAD}aws:eks/nodeGroup:NodeGroup::"
    stack = {cluster: {}, f"{groups}system": group("m6i.xlarge"), f"{groups}l4": group("g6.xlarge")}
    result = month(stack, cloud="aws", region="eu-central-1")
    assert not result.unknown
    assert result.least_usd == pytest.approx(HOURS_PER_MONTH * (0.10 + 0.23 + 1.0064))
    spot = {**stack, f"{groups}l4": group("g6.xlarge", capacityType="SPOT")}
    (unknown,) = month(spot, cloud="aws", region="eu-central-1").unknown
    assert unknown.price == "aws/eu-central-1/g6.xlarge/spot"


@pytest.mark.parametrize("region", ["us-east-1", "us-west-2", "eu-central-1"])
@pytest.mark.parametrize(
    "accelerator", ["nvidia-tesla-t4", "nvidia-a10g", "nvidia-l4", "nvidia-l40s"]
)
def test_the_machine_chosen_for_one_accelerator_or_four_has_a_price(
    accelerator: str, region: str
) -> None:
    machines = [machine_with(accelerator, count) for count in (1, 4)]
    assert all(PriceTable().find(f"aws/{region}/{machine}") for machine in machines)


def test_a_price_of_the_stacks_own_fills_in_or_replaces() -> None:
    prices = {"gcp/europe-west4/gpu/nvidia-l4": 0.5, "gcp/europe-west4/g2-standard-4": 0.1}
    result = month({f"{POOL}l4": pool()}, prices=prices)
    assert not result.unknown
    assert result.least_usd == pytest.approx(HOURS_PER_MONTH * 0.6)
    price = PriceTable(prices).find("gcp/europe-west4/g2-standard-4")
    assert price is not None
    assert (price.usd, price.source, price.read) == (0.1, OWN, None)


def test_none_of_a_thing_costs_nothing_whatever_its_price() -> None:
    paused = pool("z9-huge", autoscaling={"totalMinNodeCount": 0, "totalMaxNodeCount": 0})
    result = month({f"{POOL}x": paused})
    assert (result.unknown, result.most_usd, str(result)) == ((), 0, "0 USD")


@pytest.mark.parametrize(
    ("more", "least", "most"),
    [
        ({"autoscaling": {"totalMinNodeCount": 2, "totalMaxNodeCount": 5}}, 2, 5),
        (
            {"autoscaling": {"minNodeCount": 1, "maxNodeCount": 2}, "nodeLocations": ["a", "b"]},
            2,
            4,
        ),
        ({"autoscaling": None, "nodeCount": 2, "nodeLocations": ["a", "b", "c"]}, 6, 6),
        ({"autoscaling": None, "initialNodeCount": 1}, 1, 1),
        ({"autoscaling": {"totalMaxNodeCount": "04da6b54-80e4-46f7-96ec-b56ff0331ba9"}}, 0, None),
    ],
    ids=str,
)
def test_the_number_of_nodes_is_read_in_every_form(
    more: dict[str, Any], least: float, most: float | None
) -> None:
    usage = found({f"{POOL}p": pool("e2-standard-4", **more)})["gcp/europe-west4/e2-standard-4"]
    assert (usage.least, usage.most) == (least, most)


def test_spot_zones_and_gpus_have_prices_of_their_own() -> None:
    zonal = pool(location="us-central1-b")
    zonal["nodeConfig"]["spot"] = True
    assert found({f"{POOL}p": zonal}).keys() == {
        "gcp/us-central1/g2-standard-4/spot",
        "gcp/us-central1/gpu/nvidia-l4/spot",
    }


def test_what_amazon_and_the_managed_services_bill_is_found() -> None:
    name = f"{HEAD}servestack:serving:SageMakerModel$aws:"
    resources = {
        f"{HEAD}aws:eks/cluster:Cluster::main": {},
        f"{HEAD}aws:eks/nodeGroup:NodeGroup::l4": {
            "instanceTypes": ["g6.xlarge"],
            "capacityType": "SPOT",
            "scalingConfig": {"minSize": 0, "maxSize": 2},
        },
        f"{name}sagemaker/endpointConfiguration:EndpointConfiguration::heart": {
            "productionVariants": [
                {"variantName": "v1", "instanceType": "ml.m5.large", "initialInstanceCount": 2},
                {"variantName": "v2", "instanceType": "ml.g5.xlarge", "initialInstanceCount": 1},
            ]
        },
        f"{name}sagemaker/endpointConfiguration:EndpointConfiguration::eyes": {
            "productionVariants": [
                {"variantName": "v1", "serverlessConfig": {"memorySizeInMb": 2048}}
            ]
        },
        f"{name}appautoscaling/target:Target::heart-v2": {
            "resourceId": "endpoint/heart/variant/v2",
            "minCapacity": 1,
            "maxCapacity": 4,
        },
        f"{HEAD}pulumi-python:dynamic/servestack:VertexDeployment::digits-1": {
            "place": {"region": "europe-west4"},
            "machine": {
                "type": "g2-standard-4",
                "accelerator": "NVIDIA_L4",
                "accelerator_count": 1,
            },
            "scaling": {"min_replicas": 1, "max_replicas": 2},
        },
        f"{HEAD}aws:s3/bucket:Bucket::models": {},
    }
    assert {price: (usage.least, usage.most) for price, usage in found(resources).items()} == {
        "aws/eu-central-1/eks-cluster": (1, 1),
        "aws/eu-central-1/g6.xlarge/spot": (0, 2),
        "aws/eu-central-1/sagemaker/ml.m5.large": (2, 2),
        "aws/eu-central-1/sagemaker/ml.g5.xlarge": (1, 4),
        "aws/eu-central-1/sagemaker/serverless": (None, None),
        "gcp/europe-west4/vertex/g2-standard-4": (1, 2),
        "gcp/europe-west4/vertex/gpu/nvidia-l4": (1, 2),
    }


def test_pods_of_autopilot_are_not_guessed() -> None:
    result = month({CLUSTER: {"enableAutopilot": True}})
    assert [line.what for line in result.unknown] == ["pods of Autopilot cluster main"]


def test_gigabytes_count_where_the_configuration_says_how_many() -> None:
    assert any("storage is not estimated" in line for line in month({}).assumptions)
    prices = {"gcp/europe-west4/stored-gb": 0.02, "gcp/europe-west4/egress-gb": 0.1}
    result = month({}, prices=prices, stored_gb=100, egress_gb=50)
    assert result.least_usd == pytest.approx(7.0)
    assert not any("is not estimated;" in line for line in result.assumptions)
    assert str(month({}, stored_gb=100)) == "unknown"


def test_an_estimate_says_how_old_its_prices_are() -> None:
    assert "list prices on demand, read on 2026-11-25" in month({CLUSTER: {}}).assumptions


def test_every_price_has_a_source_and_a_day() -> None:
    prices = PriceTable().all
    assert prices
    for price in prices:
        assert price.usd > 0
        assert price.source.startswith("https://")
        assert price.read is not None
        assert price.read <= date(2027, 1, 1)


@pytest.mark.parametrize(
    ("usd", "text"),
    [(0, "0"), (0.123, "0.12"), (9.96, "10"), (12.4, "12"), (1234, "1,200"), (98765, "99,000")],
)
def test_an_amount_has_two_digits_that_count(usd: float, text: str) -> None:
    assert rounded(usd) == text


@given(least=st.integers(0, 50), extra=st.integers(0, 50))
def test_the_most_is_never_below_the_least(least: int, extra: int) -> None:
    scaling = {"totalMinNodeCount": least, "totalMaxNodeCount": least + extra}
    result = month({f"{POOL}p": pool("e2-standard-8", autoscaling=scaling)})
    assert 0 <= result.least_usd <= result.most_usd
