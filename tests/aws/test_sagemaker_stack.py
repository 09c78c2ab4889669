"""Models on SageMaker on the real engine: AWS's own validation sees every request."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.aws.harness import AwsStack

# Each test runs the engine some times, on a machine that may be busy.
pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.timeout(1200)]

STACK = {
    "platform": "aws",
    "aws": {"account": "123456789012", "region": "eu-central-1"},
    "bucket": {"name": "models-of-test", "force_destroy": True, "access_log_days": 30},
}
FULL = {
    "instance_type": "ml.m5.xlarge",
    "startup_seconds": 600,
    "data_capture": {"percent": 20},
    "update": {"shifting": "canary", "percent": 10, "wait_seconds": 60},
    "alarms": {"server_errors": 5, "latency_ms": 300},
    "scaling": {
        "invocations_per_instance": 600,
        "schedule": {
            "morning": {
                "when": "cron(0 6 ? * MON-FRI *)",
                "timezone": "Europe/Berlin",
                "min_replicas": 2,
                "max_replicas": 6,
            }
        },
    },
}
STEADY = {
    "target": "sagemaker",
    "autoscaling": {"min_replicas": 1, "max_replicas": 4},
    "sagemaker": FULL,
}


def publish(
    stack: AwsStack,
    saved_model: Path,
    *versions: int,
    model: str = "heart",
    archive: bool = True,
) -> None:
    for version in versions:
        weights = saved_model / "variables/variables.data-00000-of-00001"
        weights.write_bytes(b"weights of %d" % version)
        stack.model_export(
            *("publish", str(saved_model), "--model", model, "--version", str(version)),
            *("--store", "s3://models-of-test", *(["--archive"] if archive else [])),
        )


def endpoint(stack: AwsStack) -> dict[str, Any]:
    client = stack.aws("sagemaker")
    (found,) = client.list_endpoints()["Endpoints"]
    described: dict[str, Any] = client.describe_endpoint(EndpointName=found["EndpointName"])
    return described


def live_config(stack: AwsStack) -> dict[str, Any]:
    described: dict[str, Any] = stack.aws("sagemaker").describe_endpoint_config(
        EndpointConfigName=endpoint(stack)["EndpointConfigName"]
    )
    return described


@pytest.fixture(scope="module")
def served(stack: AwsStack, saved_model: Path) -> AwsStack:
    """Give a stack with a bucket, and a model in it whose version 1 is served."""
    stack.configure({**STACK, "models": {"heart": {"target": "sagemaker"}}})
    stack.up()
    publish(stack, saved_model, 1, 2)
    stack.model(**STEADY, version=1)
    stack.calls()
    preview = stack.pulumi("preview").stdout
    assert "aws:sagemaker:Endpoint heart create" in preview
    assert not stack.calls(), "a preview changes nothing"
    stack.up()
    return stack


# The tests of this module go on where the one before them stopped: each run of the engine costs
# seconds, and each makes sure of the state that it begins with.


def serve(stack: AwsStack, version: int) -> str:
    """Serve a version unless it is; give the configuration that the endpoint has then."""
    stack.faults({})
    if stack.config["models"] != {"heart": {**STEADY, "version": version}}:
        config = stack.config
        stack.configure({**config, "models": {"heart": {**STEADY, "version": version}}})
        stack.up()
    stack.calls()
    return str(endpoint(stack)["EndpointConfigName"])


def test_a_model_on_sagemaker_is_as_the_configuration_says(served: AwsStack) -> None:
    serve(served, 1)
    served.expect_no_changes()
    config = live_config(served)
    (variant,) = config["ProductionVariants"]
    assert (variant["VariantName"], variant["InstanceType"]) == ("stable", "ml.m5.xlarge")
    model = served.aws("sagemaker").describe_model(ModelName=variant["ModelName"])
    container = model["PrimaryContainer"]
    assert container["ModelDataUrl"] == "s3://models-of-test/heart/.archives/1/model.tar.gz"
    assert container["Image"].endswith("/tensorflow-inference:2.18.0-cpu")
    output = served.outputs()["models"]["heart"]
    assert output["endpoint"] == f"sagemaker://eu-central-1/{endpoint(served)['EndpointName']}"
    assert output["transform_model"] == variant["ModelName"]
    scaling = served.aws("application-autoscaling")
    (target,) = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 4)
    state = json.dumps(served.resources()).replace("models-of-test", "")
    assert "testing" not in state, "no credential is in the state"


def test_the_old_configuration_stands_until_the_endpoint_has_moved(served: AwsStack) -> None:
    first = serve(served, 1)
    served.model(**STEADY, version=2)
    served.up()
    assert endpoint(served)["EndpointConfigName"] != first
    calls = served.calls()
    made = calls.index(("create", "EndpointConfiguration", "heart"))
    moved = calls.index(("update", "Endpoint", "heart"))
    gone = calls.index(("delete", "EndpointConfiguration", "heart"))
    assert made < moved < gone
    served.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes")


def test_an_update_that_sagemaker_takes_back_fails_with_its_reason(served: AwsStack) -> None:
    before = serve(served, 2)
    alarms = served.aws("cloudwatch").describe_alarms()["MetricAlarms"]
    errors = next(one["AlarmName"] for one in alarms if "errors" in one["AlarmName"])
    served.aws("cloudwatch").set_alarm_state(
        AlarmName=errors, StateValue="ALARM", StateReason="12 answers of 5xx"
    )
    served.faults({"Endpoint heart": "rolls back"})
    served.model(**STEADY, version=1)
    told = served.told("up", "--yes", "--skip-preview")
    assert "SageMaker took the update of endpoint" in told
    assert f"alarm {errors}: 12 answers of 5xx" in told
    assert endpoint(served)["EndpointConfigName"] == before
    assert live_config(served), "what serves was not deleted"

    # The way out that the message names.
    served.faults({})
    served.pulumi("refresh", "--yes", "--skip-preview")
    served.up()
    assert endpoint(served)["EndpointConfigName"] != before
    served.expect_no_changes()


def test_somebody_who_moves_the_endpoint_is_noticed(served: AwsStack) -> None:
    stack = served
    serve(stack, 1)
    described = endpoint(stack)
    name, wanted = described["EndpointName"], described["EndpointConfigName"]
    client = stack.aws("sagemaker")
    config = live_config(stack)
    client.create_endpoint_config(
        EndpointConfigName="theirs", ProductionVariants=config["ProductionVariants"]
    )
    client.delete_endpoint(EndpointName=name)
    client.create_endpoint(EndpointName=name, EndpointConfigName="theirs")
    stack.pulumi("refresh", "--yes", "--skip-preview")
    stack.up()
    assert endpoint(stack)["EndpointConfigName"] == wanted
    client.delete_endpoint_config(EndpointConfigName="theirs")


def test_each_kind_of_endpoint_passes_amazons_own_validation(
    served: AwsStack, saved_model: Path
) -> None:
    kinds: dict[str, dict[str, Any]] = {
        "canary": {"canary": {"version": 2, "share": 25}, "replicas": 4},
        "shadow": {"sagemaker": {"shadow": {"version": 2, "share": 50}}},
        "serverless": {"sagemaker": {"serverless": {"provisioned_concurrency": 2}}},
        "asynchronous": {"sagemaker": {"asynchronous": {"max_concurrent": 4}}},
    }
    for kind in kinds:
        publish(served, saved_model, 1, 2, model=kind)
    models = {kind: {"target": "sagemaker", "version": 1, **of} for kind, of in kinds.items()}
    served.configure({**served.config, "models": models})
    served.up()
    served.expect_no_changes()
    client = served.aws("sagemaker")
    variants = {}
    for found in client.list_endpoints()["Endpoints"]:
        name = client.describe_endpoint(EndpointName=found["EndpointName"])["EndpointConfigName"]
        config = client.describe_endpoint_config(EndpointConfigName=name)
        weights = [one["InitialVariantWeight"] for one in config["ProductionVariants"]]
        variants[name.partition("-")[0]] = weights
    assert variants == {
        "canary": [75, 25],
        "shadow": [100],
        "serverless": [100],
        "asynchronous": [100],
    }


def test_a_paused_stack_has_no_endpoint_and_comes_back_as_it_was(served: AwsStack) -> None:
    before = serve(served, 1)
    served.configure({**served.config, "paused": True})
    served.up()
    assert not served.aws("sagemaker").list_endpoints()["Endpoints"]
    config = served.config
    del config["paused"]
    served.configure(config)
    served.up()
    assert endpoint(served)["EndpointConfigName"] == before


def test_a_release_that_amazon_refuses_leaves_the_old_one_serving(served: AwsStack) -> None:
    before = serve(served, 1)
    served.model(**STEADY, version=2)
    served.faults({"Endpoint heart": "ResourceLimitExceeded: no more ml.m5.xlarge for you"})
    assert "no more ml.m5.xlarge for you" in served.told("up", "--yes", "--skip-preview")
    assert endpoint(served)["EndpointConfigName"] == before
    served.faults({})
    served.up()
    assert endpoint(served)["EndpointConfigName"] != before


def test_mistakes_are_told_at_the_preview(served: AwsStack, saved_model: Path) -> None:
    serve(served, 2)
    publish(served, saved_model, 3, archive=False)
    good = served.config
    served.configure(
        {
            **good,
            "models": {
                "heart": {"target": "sagemaker", "version": 3},
                "digits": {"target": "sagemaker", "version": 9},
            },
        }
    )
    assert "servestack:models.digits.version: version 9 of digits" in served.told("preview")
    served.configure({**good, "models": {"heart": {"target": "sagemaker", "version": 3}}})
    told = served.told("preview")
    assert "servestack:models.heart.version: version 3 of heart has no archive" in told
    assert "model-export archive --model heart --version 3 --store s3://models-of-test" in told
    served.configure({**good, "aws": {**good["aws"], "account": "999999999999"}})
    assert "AWS account ID not allowed: 123456789012" in served.told("preview")
    served.configure(good)


def test_nothing_is_left_of_a_destroyed_stack(served: AwsStack) -> None:
    served.faults({})
    served.destroy()
    assert not served.aws("sagemaker").list_endpoints()["Endpoints"]
    assert not served.aws("sagemaker").list_endpoint_configs()["EndpointConfigs"]
    assert not served.aws("sagemaker").list_models()["Models"]
    assert not served.aws("cloudwatch").describe_alarms()["MetricAlarms"]
    assert not served.aws("iam").list_roles()["Roles"]
    assert not served.aws("s3").list_buckets()["Buckets"]
