"""What a stack declares for whom: each platform's own, and nothing where nothing is asked for."""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

import pytest

from infra.compute.questions import Found, Wanted
from infra.config import ConfigError, parse_stack
from infra.program import main
from infra.storage.published import PublishedModels
from model_export.archive.record import ArchiveRecord
from model_export.manifest import Manifest
from tests.aws.declaring import declared as declared_on_aws
from tests.aws.moto_server import CREDENTIALS, empty, moto_server
from tests.declaring import Declaration, declare
from tests.gcp.declaring import declared as declared_on_gcp
from tests.small_models import bare_manifest
from tests.standins.aws_api import Api
from tests.standins.aws_kinds import KINDS
from tests.standins.sdk_types import SdkTypes

# Each is quick; all of them together are not.
pytestmark = pytest.mark.slow

MAIL, OTHER = "ml-team@example.com", "on-call@example.com"
GCP: Mapping[str, Any] = {
    "platform": "gcp",
    "gcp": {
        "project": "example-ml",
        "region": "europe-west4",
        "billing_account": "000000-000000-000000",
    },
    "cluster": {},
    "models": {"heart": {}, "digits": {"target": "vertex"}},
}
AWS: Mapping[str, Any] = {
    "platform": "aws",
    "aws": {"account": "123456789012", "region": "eu-central-1"},
    "models": {
        "heart": {"target": "sagemaker"},
        "eyes": {"target": "sagemaker", "sagemaker": {"alarms": {"latency_ms": 80}}},
    },
}
CHANNEL = "gcp:monitoring/notificationChannel:NotificationChannel"
POLICY = "gcp:monitoring/alertPolicy:AlertPolicy"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"


def told(raw: Mapping[str, Any]) -> dict[str, str]:
    """Give each mistake by its key."""
    try:
        parse_stack(raw, source="Pulumi.test.yaml")
    except ConfigError as error:
        return {problem.key: f"{problem.rule}. {problem.remedy}" for problem in error.problems}
    return {}


def on_kubernetes(monkeypatch: pytest.MonkeyPatch, **more: Any) -> Declaration:
    def ask_cluster(_: str | None, __: Wanted) -> Found:
        return Found(
            minor=34,
            namespace=None,
            missing_kinds={},
            missing_objects=frozenset(),
            missing_metrics=frozenset(),
            nodes=(),
        )

    monkeypatch.setattr("infra.platforms.kubernetes.ask_cluster", ask_cluster)
    raw = {
        "platform": "kubernetes",
        "bucket": {"path": "/mnt/models"},
        "kubernetes": {"context": "kind-kind"},
        "models": {"heart": {}},
        **more,
    }
    config = {
        f"servestack:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in raw.items()
    }
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(config))
    return declare(main)


def test_a_cluster_gets_a_dashboard_for_grafanas_sidecar_and_rules_for_the_operator(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = on_kubernetes(monkeypatch, observe={"dashboard": True, "alerts": {"latency_ms": 300}})
    shown = made.one("kubernetes:core/v1:ConfigMap").inputs
    assert shown["metadata"]["labels"]["grafana_dashboard"] == "1"
    (document,) = (json.loads(text) for text in shown["data"].values())
    assert made.exports["dashboard"] == f"/d/{document['uid']}"
    rules = made.one("kubernetes:monitoring.coreos.com/v1:PrometheusRule").inputs
    (group,) = rules["spec"]["groups"]
    # A model that is declared only has no replica that could be missed.
    assert [rule["expr"].rpartition("> ")[2] for rule in group["rules"]] == ["1", "300"]
    assert rules["metadata"]["namespace"] == shown["metadata"]["namespace"]


def test_nothing_is_made_where_nothing_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    made = on_kubernetes(monkeypatch)
    assert "dashboard" not in made.exports
    assert not made.of_type("servestack:observe:ClusterWatch")


def test_a_paused_stack_keeps_its_dashboard_and_rings_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    observe = {"dashboard": True, "alerts": {}}
    made = on_kubernetes(monkeypatch, observe=observe, paused=True)
    assert made.of_type("kubernetes:core/v1:ConfigMap")
    assert not made.of_type("kubernetes:monitoring.coreos.com/v1:PrometheusRule")


KEDA = {"max_replicas": 4, "prometheus_url": "http://p:9090", "query": "q", "threshold": "5"}


@pytest.mark.usefixtures("everything_is_published")
@pytest.mark.parametrize(
    ("how", "is_missed"),
    [
        ({}, True),
        ({"kubernetes": {"keda": KEDA}}, False),
        ({"kubernetes": {"keda": {**KEDA, "min_replicas": 1}}}, True),
    ],
    ids=["of a fixed number", "down to none", "down to one"],
)
def test_a_model_in_a_cluster_is_missed_unless_it_may_have_no_pod(
    how: Mapping[str, Any], *, is_missed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = on_kubernetes(
        monkeypatch, observe={"alerts": {}}, models={"heart": {"version": 2, **how}}
    )
    rules = made.one("kubernetes:monitoring.coreos.com/v1:PrometheusRule")
    (group,) = rules.inputs["spec"]["groups"]
    names = [rule["alert"] for rule in group["rules"]]
    assert ("ServestackModelDown" in names) == is_missed
    # Its first start may take longer than what is waited for.
    assert any("servestack:Rollout::heart" in urn for urn in rules.request.dependencies)


@pytest.mark.usefixtures("everything_is_published")
def test_google_misses_replicas_of_what_serves_and_does_not_scale_to_zero() -> None:
    models = {
        "heart": {"version": 2},
        "digits": {"target": "vertex", "version": 2},
        "eyes": {"target": "vertex", "version": 2, "vertex": {"scale_to_zero_seconds": 600}},
        "words": {"target": "vertex"},
    }
    made = declared_on_gcp({**GCP, "models": models, "observe": {"alerts": {"window_minutes": 7}}})
    missed = {one.name: one.inputs for one in made.of_type(POLICY) if one.name.endswith("-down")}
    assert missed.keys() == {"heart-down", "digits-down"}
    for policy in missed.values():
        (condition,) = policy["conditions"]
        assert condition["conditionPrometheusQueryLanguage"]["duration"] == "420s"
        assert policy["severity"] == "CRITICAL"


def test_google_mails_each_address_from_one_channel_whoever_tells_it() -> None:
    made = declared_on_gcp(
        {
            **GCP,
            "budget": {"monthly": 500, "emails": [MAIL]},
            "observe": {"alerts": {"emails": [MAIL, OTHER]}},
        }
    )
    assert {one.name for one in made.of_type(CHANNEL)} == {MAIL, OTHER}
    policies = made.of_type(POLICY)
    assert {one.name for one in policies} == {"heart-errors", "digits-errors"}
    assert all(len(one.inputs["notificationChannels"]) == 2 for one in policies)
    rule = made.one("gcp:billing/budget:Budget").inputs["allUpdatesRule"]
    assert len(rule["monitoringNotificationChannels"]) == 1


def test_a_channel_that_the_budget_had_stays_the_same_channel() -> None:
    made = declared_on_gcp({**GCP, "budget": {"monthly": 500, "emails": [MAIL]}})
    (alias,) = made.one(CHANNEL).request.aliases
    assert alias.spec.parentUrn.endswith("::servestack:observe:GcpBudget::budget")


def test_googles_conditions_stand_alone_and_need_no_metric_to_begin_with() -> None:
    made = declared_on_gcp({**GCP, "observe": {"alerts": {"latency_ms": 300}}})
    policies = made.of_type(POLICY)
    assert len(policies) == 4
    for policy in policies:
        (condition,) = policy.inputs["conditions"]
        query = condition["conditionPrometheusQueryLanguage"]
        assert query["disableMetricValidation"] is True
        is_vertex = policy.name.startswith("digits")
        assert ("aiplatform_googleapis_com:" in query["query"]) == is_vertex
        assert (":tensorflow:serving:" in query["query"]) != is_vertex


def test_googles_prometheus_is_told_of_the_metrics_that_are_shown() -> None:
    watched = parse_stack({**GCP, "observe": {"dashboard": True}}, source="test")
    assert watched.models["heart"].kubernetes.scrape == "pod-monitoring"
    plain = parse_stack(GCP, source="test")
    assert plain.models["heart"].kubernetes.scrape == "annotations"
    wrong = {"heart": {"kubernetes": {"scrape": "annotations"}}}
    said = told({**GCP, "models": wrong, "observe": {"dashboard": True}})
    assert "managed Prometheus" in said["servestack:models.heart.kubernetes.scrape"]


def test_a_dashboard_of_google_does_not_hold_any_number_of_models() -> None:
    models: dict[str, Any] = {f"model-{number}": {} for number in range(13)}
    said = told({**GCP, "models": models, "observe": {"dashboard": True}})
    assert said.keys() == {"servestack:observe.dashboard"}


def test_mails_are_refused_where_nobody_would_send_them() -> None:
    alerts = {"observe": {"alerts": {"emails": [MAIL]}}}
    key = "servestack:observe.alerts.emails"
    kubernetes = {"platform": "kubernetes", "bucket": {"path": "/mnt/models"}, "models": {}}
    assert "Alertmanager" in told({**kubernetes, **alerts})[key]
    only_eyes = {"eyes": AWS["models"]["eyes"]}
    assert "sagemaker.alarms" in told({**AWS, "models": only_eyes, **alerts})[key]
    assert told({**AWS, **alerts}) == {}
    local = told({"platform": "local", "models": {}, **alerts})
    assert "/monitoring/prometheus/metrics" in local["servestack:observe"]


@pytest.fixture
def everything_is_published(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(_: PublishedModels, model: str, version: int) -> Manifest:
        return bare_manifest(model, version, tensorflow="2.15.1")

    def archived(_: PublishedModels, model: str, version: int) -> ArchiveRecord:
        return ArchiveRecord(
            model=model,
            version=version,
            content=f"sha256:{'0' * 64}",
            size_bytes=1,
            sha256="0" * 64,
        )

    monkeypatch.setattr(PublishedModels, "manifest", read)
    monkeypatch.setattr(PublishedModels, "archive", archived)


@pytest.mark.usefixtures("everything_is_published")
def test_googles_log_of_a_model_is_a_link_with_the_query_in_it() -> None:
    models = {"heart": {"version": 2}, "digits": {"target": "vertex", "version": 2}}
    made = declared_on_gcp({**GCP, "models": models}).exports
    start, end = "https://console.cloud.google.com/logs/query;query=", "?project=example-ml"
    logs = {name: output["log"] for name, output in made["models"].items()}
    assert all(log.startswith(start) and log.endswith(end) for log in logs.values())
    assert unquote(logs["heart"].removeprefix(start).removesuffix(end)).splitlines() == [
        'resource.type="k8s_container"',
        'resource.labels.namespace_name="servestack-test"',
        'labels."k8s-pod/app_kubernetes_io/instance"="heart"',
        f'resource.labels.cluster_name="{made["cluster"]["name"]}"',
    ]
    assert 'resource.labels.endpoint_id="' in unquote(logs["digits"])


@pytest.mark.usefixtures("everything_is_published")
def test_a_log_in_eks_is_a_command_for_who_has_never_spoken_to_the_cluster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    models = {"heart": {"version": 2}}
    made = declared_on_aws({**AWS, "cluster": {}, "models": models}, monkeypatch).exports
    log = made["models"]["heart"]["log"]
    name = made["cluster"]["name"]
    known, _, shown = log.partition(" && ")
    assert known == f"aws eks update-kubeconfig --name {name} --region eu-central-1"
    assert shown.startswith("kubectl -n servestack-test logs ")
    assert "app.kubernetes.io/instance=heart" in shown


@pytest.fixture(scope="module")
def aws_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with moto_server(tmp_path_factory.mktemp("moto")) as url:
        yield url


@pytest.mark.slow
@pytest.mark.usefixtures("everything_is_published")
def test_cloudwatch_takes_dashboard_and_alarms_and_tells_who_is_named(
    aws_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty(aws_url)
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": aws_url}.items():
        monkeypatch.setenv(name, value)
    api = Api("eu-central-1")
    alerts = {"emails": [MAIL], "error_percent": 2.5, "latency_ms": 300, "window_minutes": 10}
    models = {
        **AWS["models"],
        "heart": {"target": "sagemaker", "version": 2},
        "words": {"target": "sagemaker", "version": 2, "sagemaker": {"serverless": {}}},
    }
    made = declared_on_aws(
        {**AWS, "models": models, "observe": {"dashboard": True, "alerts": alerts}}, monkeypatch
    )
    types = SdkTypes("pulumi_aws")
    watch = made.one("servestack:observe:AwsWatch").urn
    for one in made.resources:
        if one.parent == watch:
            assert types.problems(one.type, one.inputs) == {}
            inputs = dict(one.inputs)
            if "topic" in inputs:
                inputs["topic"] = api.call("sns", "ListTopics")["Topics"][0]["TopicArn"]
            KINDS[one.type].create(api, json.loads(json.dumps(inputs), parse_float=_whole))
    alarms = {
        one["AlarmName"]: one for one in api.call("cloudwatch", "DescribeAlarms")["MetricAlarms"]
    }
    of_heart = {
        name.removeprefix("servestack-test-heart-stable-").rpartition("-")[0]: one
        for name, one in alarms.items()
        if "-heart-" in name
    }
    assert of_heart.keys() == {"error-share", "p99-latency", "down"}
    # A model with alarms of its own gets none, and one without instances none about them.
    assert len(alarms) == len(of_heart) + 2
    errors, latency, down = (of_heart[key] for key in ("error-share", "p99-latency", "down"))
    assert errors["Threshold"] == 2.5
    periods = {one["MetricStat"]["Period"] for one in errors["Metrics"] if "MetricStat" in one}
    assert periods == {600}
    assert (latency["Threshold"], latency["ExtendedStatistic"]) == (300_000, "p99")
    assert (down["Period"], down["Statistic"], down["Threshold"]) == (600, "SampleCount", 1)
    assert down["TreatMissingData"] == "breaching"
    assert {one["Name"] for one in down["Dimensions"]} == {"EndpointName", "VariantName"}
    (missed,) = (one for one in made.of_type(ALARM) if one.name.endswith("-down"))
    assert any("sagemaker/endpoint:Endpoint" in urn for urn in missed.request.dependencies)
    (subscribed,) = api.call("sns", "ListSubscriptions")["Subscriptions"]
    assert (subscribed["Protocol"], subscribed["Endpoint"]) == ("email", MAIL)
    assert all(one["AlarmActions"] == [subscribed["TopicArn"]] for one in alarms.values())
    (entry,) = api.call("cloudwatch", "ListDashboards")["DashboardEntries"]
    assert made.exports["dashboard"].endswith(f"#dashboards/dashboard/{entry['DashboardName']}")


def _whole(text: str) -> float | int:
    number = float(text)
    return int(number) if number.is_integer() else number
