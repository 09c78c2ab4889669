"""Waiting for an endpoint to rest, and what is said when it rests in the wrong place."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from infra.errors import ServestackError
from infra.serving.sagemaker import live
from infra.serving.sagemaker.check import LiveConfigurationProvider
from infra.serving.sagemaker.live import Wanted, live_configuration, require_live

WANTED = Wanted(endpoint="heart", region="eu-central-1", configuration="new", alarms=("errors",))


def described(status: str, configuration: str = "new", **more: str) -> dict[str, str]:
    return {"EndpointStatus": status, "EndpointConfigName": configuration, **more}


class FakeClient:
    """SageMaker and CloudWatch, as far as they are asked."""

    def __init__(self, *answers: dict[str, str] | Exception, alarms: tuple[str, ...] = ()) -> None:
        self.answers = list(answers)
        self.alarms = alarms

    def describe_endpoint(self, *, EndpointName: str) -> dict[str, str]:  # noqa: N803 Amazon's name
        assert EndpointName == "heart"
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def describe_alarms(self, *, AlarmNames: list[str], StateValue: str) -> dict[str, Any]:  # noqa: N803
        assert (AlarmNames, StateValue) == (["errors"], "ALARM")
        return {"MetricAlarms": [{"AlarmName": one, "StateReason": "5xx"} for one in self.alarms]}


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(live, "_PAUSE_SECONDS", 0.0)

    def answers(*given: dict[str, str] | Exception, alarms: tuple[str, ...] = ()) -> FakeClient:
        client = FakeClient(*given, alarms=alarms)
        monkeypatch.setattr(live, "_client", lambda _service, _region: client)
        return client

    return answers


def test_an_endpoint_that_moves_is_waited_for(amazon: Any) -> None:
    client = amazon(
        described("Updating", "old"), described("SystemUpdating", "old"), described("InService")
    )
    assert require_live(WANTED) == "new"
    assert client.answers == []


def test_an_update_that_was_taken_back_names_the_alarm(amazon: Any) -> None:
    amazon(described("RollingBack", "old"), described("InService", "old"), alarms=("errors",))
    with pytest.raises(ServestackError, match=r"serves by old, not by new.*alarm errors: 5xx"):
        require_live(WANTED)


def test_an_endpoint_that_failed_says_why(amazon: Any) -> None:
    amazon(described("Failed", FailureReason="the container does not answer /ping"))
    with pytest.raises(ServestackError, match=r"is Failed: SageMaker says: the container does"):
        require_live(WANTED)


def test_without_a_reason_it_is_said_that_there_is_none(amazon: Any) -> None:
    amazon(described("InService", "old"))
    with pytest.raises(ServestackError, match="SageMaker gives no reason"):
        require_live(WANTED)


def test_an_endpoint_that_cannot_be_looked_at_is_no_endpoint_that_is_right(amazon: Any) -> None:
    amazon(NoCredentialsError())
    with pytest.raises(ServestackError, match="cannot be looked at: Unable to locate credentials"):
        require_live(WANTED)


def test_refresh_tells_a_missing_endpoint_from_one_that_cannot_be_seen(amazon: Any) -> None:
    gone: Any = {
        "Error": {"Code": "ValidationException", "Message": "Could not find endpoint heart"}
    }
    amazon(ClientError(gone, "DescribeEndpoint"))
    assert live_configuration("heart", "eu-central-1") is None
    denied: Any = {"Error": {"Code": "AccessDeniedException", "Message": "no"}}
    amazon(ClientError(denied, "DescribeEndpoint"))
    with pytest.raises(ServestackError, match="AccessDenied"):
        live_configuration("heart", "eu-central-1")


def test_the_resource_looks_again_until_what_is_live_is_what_is_wanted() -> None:
    provider = LiveConfigurationProvider()
    seen = {
        "endpoint": "heart",
        "region": "eu-central-1",
        "configuration": "new",
        "alarms": [],
        "live": "new",
    }
    assert not provider.diff("heart", seen, {**seen, "live": None}).changes
    assert provider.diff("heart", seen, {**seen, "configuration": "newer"}).changes
    assert provider.diff("heart", {**seen, "live": "theirs"}, seen).changes
    moved = provider.diff("heart", seen, {**seen, "endpoint": "other"})
    assert moved.replaces == ["endpoint"]
