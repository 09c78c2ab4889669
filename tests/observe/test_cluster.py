"""What a stack lays into a cluster, taken by the real API server with the operator's own kinds."""

from typing import Any

import pytest

from infra.observe.cluster_metrics import ClusterModel
from infra.observe.cluster_watch import ClusterWatch, ClusterWatchArgs
from tests.declaring import declare
from tests.observe.examples import LIMITS
from tests.standins.kubernetes.client import ApiError, Client

pytestmark = [
    pytest.mark.slow,
    pytest.mark.cluster,
    pytest.mark.usefixtures("extended_cluster"),
]

PATHS = {"ConfigMap": "/api/v1", "PrometheusRule": "/apis/monitoring.coreos.com/v1"}


def objects() -> dict[str, dict[str, Any]]:
    args = ClusterWatchArgs(
        stack="prod",
        namespace="default",
        models=[
            ClusterModel(model=name, namespace="default", scrape="service-monitor", batching=True)
            for name in ("heart", "digits")
        ],
        dashboard=True,
        limits=LIMITS,
    )
    made = declare(lambda: ClusterWatch("watch", args)).resources
    found = [dict(one.inputs) for one in made if one.type.startswith("kubernetes:")]
    return {one["kind"]: one for one in found}


def given(api: Client, found: dict[str, Any]) -> Any:
    plural = f"{found['kind'].lower()}s"
    path = f"{PATHS[found['kind']]}/namespaces/default/{plural}"
    # Nothing stays: the server checks, and forgets.
    return api.call("POST", path, found, dryRun="All", fieldValidation="Strict")


def test_the_server_takes_dashboard_and_rules_to_the_letter(api: Client) -> None:
    made = objects()
    assert made.keys() == PATHS.keys()
    for found in made.values():
        assert given(api, found)["metadata"]["name"] == found["metadata"]["name"]


def test_the_server_refuses_a_rule_with_a_key_too_many(api: Client) -> None:
    rules = objects()["PrometheusRule"]
    rules["spec"]["groups"][0]["rules"][0]["alarm"] = "x"
    with pytest.raises(ApiError, match="alarm"):
        given(api, rules)
