"""Each rule of a stack in a cloud: broken it is told at its key, mended it is silent."""

from collections.abc import Mapping
from typing import Any

import pytest

from infra.config import ConfigError, StackConfig, parse_stack
from infra.config.rules.gcp import unchecked
from tests.config.examples import merged

GCP: dict[str, Any] = {
    "platform": "gcp",
    "gcp": {"project": "example-ml", "region": "europe-west4"},
}
AWS = {"platform": "aws", "aws": {"account": "123456789012", "region": "eu-central-1"}}
PAID = {"gcp": {"billing_account": "000000-000000-000000"}}
HEART = {"models": {"heart": {"version": 2}}}
PRIVATE = {"endpoint": "private", "authorized_networks": ["203.0.113.0/24"]}
KEY = "projects/example-ml/locations/{}/keyRings/models/cryptoKeys/bucket"


def stack(*parts: Mapping[str, Any], **values: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {}
    for part in (GCP, *parts, values):
        whole = merged(whole, part)
    return whole


def cluster(**values: Any) -> dict[str, Any]:
    return stack(cluster=values)


def pool(accelerator: str = "nvidia-l4", **values: Any) -> dict[str, Any]:
    return cluster(gpu_pools={"gpus": {"accelerator": accelerator, **values}})


def gpu_model(gpu: Mapping[str, Any], **of_cluster: Any) -> dict[str, Any]:
    return stack(models={"heart": {"version": 2, "gpu": gpu}}, cluster=of_cluster)


def keys(raw: Mapping[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_stack(raw, source="Pulumi.test.yaml")
    return [problem.key.removeprefix("servestack:") for problem in caught.value.problems]


L4 = {"gpus": {"accelerator": "nvidia-l4", "accelerators_per_node": 2}}
POOL = "cluster.gpu_pools.gpus"


@pytest.mark.parametrize(
    ("key", "broken", "mended"),
    [
        ("cluster", stack(HEART), stack(HEART, cluster={})),
        ("cluster", AWS | HEART, AWS | HEART | {"cluster": {}}),
        (
            "cluster.version",
            cluster(existing="shared", version="1.34"),
            cluster(existing="shared", zones=["europe-west4-a"], regional=False),
        ),
        (
            "cluster.system_pool",
            cluster(existing="shared", system_pool={"spot": True}),
            cluster(existing="shared", gpu_pools=L4),
        ),
        ("cluster.gpu_pools", cluster(autopilot=True, gpu_pools=L4), cluster(autopilot=True)),
        ("cluster.zones", cluster(regional=False), cluster(zones=["europe-west4-a"])),
        ("cluster.zones.1", cluster(zones=["europe-west4-a", "us-east1-b"]), cluster()),
        (
            "cluster.authorized_networks",
            cluster(endpoint="dns", authorized_networks=["203.0.113.0/24"]),
            cluster(endpoint="private", authorized_networks=["203.0.113.0/24"]),
        ),
        (
            "cluster.authorized_networks",
            AWS | HEART | {"cluster": PRIVATE},
            AWS | HEART | {"cluster": PRIVATE | {"endpoint": "public"}},
        ),
        (
            "cluster.system_pool.min_nodes",
            cluster(system_pool={"min_nodes": 4}),
            cluster(system_pool={"min_nodes": 4, "max_nodes": 4}),
        ),
        (
            "cluster.maintenance.hours",
            cluster(maintenance={"start": "02:00", "days": ["sat", "sun"]}),
            cluster(maintenance={"start": "02:00", "days": ["sat", "sun"], "hours": 6}),
        ),
        (f"{POOL}.min_nodes", pool(min_nodes=2), pool(min_nodes=2, max_nodes=2)),
        (
            f"{POOL}.reservation",
            pool(spot=True, reservation="ours"),
            pool(reservation="ours"),
        ),
        (
            f"{POOL}.min_nodes",
            pool(provisioning="flex_start", min_nodes=1),
            pool(provisioning="flex_start"),
        ),
        (
            f"{POOL}.sharing.strategy",
            pool(
                "nvidia-tesla-a100", partition="1g.5gb", sharing={"strategy": "mps", "clients": 2}
            ),
            pool(
                "nvidia-tesla-a100",
                partition="1g.5gb",
                sharing={"strategy": "time_slicing", "clients": 2},
            ),
        ),
        (f"{POOL}.accelerators_per_node", pool(accelerators_per_node=3), pool()),
        (
            f"{POOL}.machine_type",
            pool(machine_type="g2-standard-24"),
            pool(machine_type="g2-standard-24", accelerators_per_node=2),
        ),
        (f"{POOL}.machine_type", pool(machine_type="e2-standard-4"), pool()),
        (
            f"{POOL}.machine_type",
            pool("nvidia-tesla-t4", machine_type="n1-standard-96"),
            pool("nvidia-tesla-t4", machine_type="n1-standard-32"),
        ),
        (
            f"{POOL}.machine_type",
            pool("nvidia-h100-80gb"),
            pool("nvidia-h100-80gb", spot=True),
        ),
        (
            f"{POOL}.machine_type",
            pool("nvidia-x900"),
            pool("nvidia-x900", machine_type="x9-highgpu-1g"),
        ),
        (
            f"{POOL}.partition",
            pool(partition="1g.5gb"),
            pool("nvidia-tesla-a100", partition="1g.5gb"),
        ),
        (
            f"{POOL}.accelerator",
            stack(gcp={"region": "europe-north2"}, cluster={"gpu_pools": L4}),
            stack(gcp={"region": "europe-west1"}, cluster={"gpu_pools": L4}),
        ),
        (
            f"{POOL}.zones",
            stack(gcp={"region": "us-east4"}, cluster={"zones": ["us-east4-b"], "gpu_pools": L4}),
            stack(gcp={"region": "us-east4"}, cluster={"zones": ["us-east4-c"], "gpu_pools": L4}),
        ),
        (
            "models.heart.gpu.count",
            gpu_model({"type": "nvidia-l4", "count": 3}, autopilot=True),
            gpu_model({"type": "nvidia-l4", "count": 4}, autopilot=True),
        ),
        (
            "models.heart.gpu.type",
            gpu_model({"type": "nvidia-h200-141gb", "count": 8}, autopilot=True)
            | {"gcp": {**GCP["gcp"], "region": "us-west2"}},
            gpu_model({"type": "nvidia-h200-141gb", "count": 8}, autopilot=True),
        ),
        (
            "models.heart.gpu.type",
            gpu_model({"type": "nvidia-tesla-t4"}, gpu_pools=L4),
            gpu_model({"type": "nvidia-tesla-t4"}, autopilot=True),
        ),
        (
            "models.heart.gpu.type",
            gpu_model({"type": "nvidia-l4"}),
            gpu_model({"type": "nvidia-l4"}, gpu_pools=L4),
        ),
        (
            "models.heart.gpu.count",
            gpu_model({"type": "nvidia-l4", "count": 3}, gpu_pools=L4),
            gpu_model({"type": "nvidia-l4", "count": 2}, gpu_pools=L4),
        ),
        (
            "models.heart.gpu.type",
            gpu_model(
                {"type": "nvidia-l4"}, gpu_pools={"gpus": {**L4["gpus"], "provisioning": "queued"}}
            ),
            gpu_model(
                {"type": "nvidia-l4"},
                gpu_pools={"gpus": {**L4["gpus"], "provisioning": "flex_start"}},
            ),
        ),
        ("gcp.billing_account", stack(budget={"monthly": 500}), stack(PAID, budget={"monthly": 5})),
        (
            "budget.thresholds",
            stack(PAID, budget={"monthly": 5, "thresholds": [], "forecast_thresholds": []}),
            stack(PAID, budget={"monthly": 5, "thresholds": []}),
        ),
        (
            "budget.emails",
            stack(PAID, budget={"monthly": 5, "emails": [f"a{n}@example.com" for n in range(6)]}),
            stack(PAID, budget={"monthly": 5, "emails": ["a@example.com"]}),
        ),
        ("bucket.name", stack(bucket={"name": "google-models"}), stack(bucket={"name": "models"})),
        (
            "bucket.keep_deleted_days",
            stack(bucket={"hierarchical_namespace": True, "keep_deleted_days": 5}),
            stack(bucket={"hierarchical_namespace": True, "keep_deleted_days": 0}),
        ),
        (
            "bucket.kms_key",
            stack(bucket={"kms_key": KEY.format("us-east1")}),
            stack(bucket={"kms_key": KEY.format("europe-west4")}),
        ),
        (
            "bucket.kms_key",
            stack(bucket={"kms_key": KEY.format("europe-west4"), "location": "EU"}),
            stack(bucket={"kms_key": KEY.format("europe"), "location": "EU"}),
        ),
        (
            "bucket.kms_key",
            stack(bucket={"kms_key": "arn:aws:kms:eu-central-1:123456789012:key/1"}),
            stack(),
        ),
        (
            "bucket.location",
            stack(bucket={"location": "europe-west1+us-east1"}),
            stack(bucket={"location": "europe-west1+europe-west4"}),
        ),
        (
            "gcp.subnetwork",
            stack(gcp={"network": "shared"}, cluster={}),
            stack(gcp={"network": "shared", "subnetwork": "shared"}, cluster={}),
        ),
        (
            "identity.publishers.1",
            stack(identity={"publishers": ["user:a@example.com", "arn:aws:iam::1:role/a"]}),
            stack(identity={"publishers": ["user:a@example.com"]}),
        ),
    ],
)
def test_a_rule_is_told_when_broken_and_silent_when_kept(
    key: str, broken: Mapping[str, Any], mended: Mapping[str, Any]
) -> None:
    assert keys(broken) == [key]
    parse_stack(mended, source="Pulumi.test.yaml")


def test_a_network_is_of_no_use_without_a_cluster_of_ones_own() -> None:
    named = {"gcp": {"network": "shared", "subnetwork": "shared"}}
    assert keys(stack(named)) == ["gcp.network", "gcp.subnetwork"]
    assert keys(stack(named, cluster={"existing": "theirs"})) == ["gcp.network", "gcp.subnetwork"]


def test_a_broken_cluster_is_not_told_to_be_missing_as_well() -> None:
    broken = stack(HEART, cluster={"gpu_pools": {"gpus": {"accelerator": "L4!"}}})
    assert keys(broken) == ["cluster.gpu_pools.gpus.accelerator"]


def test_a_version_without_quotes_is_not_taken_for_another_one() -> None:
    with pytest.raises(ConfigError, match=r'in quotes\. Write for example: version: "1\.34"'):
        parse_stack(cluster(version=1.3), source="Pulumi.test.yaml")


def parsed(raw: Mapping[str, Any]) -> StackConfig:
    return parse_stack(raw, source="Pulumi.test.yaml")


def test_what_no_table_knows_is_said_to_be_unchecked() -> None:
    assert not list(unchecked(parsed(pool())))
    assert not list(unchecked(parsed(HEART | stack(cluster={}))))
    told = list(unchecked(parsed(pool("nvidia-x900", machine_type="x9-highgpu-1g"))))
    assert len(told) == 1
    assert told[0].startswith("servestack:cluster.gpu_pools.gpus.accelerator: nvidia-x900")
    told = list(unchecked(parsed(pool(zones=["europe-west4-z"]))))
    assert [line.partition(" in ")[0] for line in told] == [
        f"servestack:{POOL}.zones: europe-west4-z did not have nvidia-l4"
    ]
    told = list(unchecked(parsed(pool("nvidia-gb200", accelerators_per_node=4))))
    assert [line.partition(": ")[0] for line in told] == [f"servestack:{POOL}.zones"]
    told = list(unchecked(parsed(pool(machine_type="g9-standard-4"))))
    assert [line.partition(" is not known here")[0] for line in told] == [
        "servestack:cluster.gpu_pools.gpus.machine_type: g9-standard-4"
    ]
