"""Asking SageMaker which configuration an endpoint really has, and waiting for it.

An update that an alarm takes back ends with an endpoint in service, by its old configuration, and
no error anywhere. Here it becomes one, with the reason as far as AWS tells it. Imports Amazon's
client where it is used, so that a preview never loads it; credentials are its default chain's.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from infra.errors import ServestackError

_PAUSE_SECONDS: Final = 15.0
_MOVING: Final = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack"})
# The longest that SageMaker lets an update take.
_PATIENCE_SECONDS: Final = 8 * 60 * 60


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which configuration an endpoint is to have, and which alarms may have taken it back."""

    endpoint: str
    region: str
    configuration: str
    alarms: Sequence[str] = ()


def require_live(wanted: Wanted) -> str:
    """Wait until the endpoint rests; give its configuration, or say why it is not the wanted."""
    client = _client("sagemaker", wanted.region)
    began = time.monotonic()
    while (found := _describe(client, wanted.endpoint)).get("EndpointStatus") in _MOVING:
        if time.monotonic() - began > _PATIENCE_SECONDS:
            raise ServestackError(
                f"Endpoint {wanted.endpoint} is still {found['EndpointStatus']} after "
                f"{_PATIENCE_SECONDS // 3600} hours. Look at it in the console, then run "
                "`pulumi up` again."
            )
        time.sleep(_PAUSE_SECONDS)
    live, status = str(found.get("EndpointConfigName")), str(found.get("EndpointStatus"))
    if (live, status) == (wanted.configuration, "InService"):
        return live
    said = found.get("FailureReason")
    reasons = [f"SageMaker says: {said}"] if said else []
    reasons += [f"alarm {name}: {why}" for name, why in _rang(wanted)]
    why = "; ".join(reasons) or "SageMaker gives no reason; see the endpoint's logs and events"
    if status != "InService":
        raise ServestackError(f"Endpoint {wanted.endpoint} is {status}: {why}.")
    raise ServestackError(
        f"SageMaker took the update of endpoint {wanted.endpoint} back: it serves by {live}, not "
        f"by {wanted.configuration}. What served before serves still. {why}. Run `pulumi "
        "refresh`, so that the state knows it, then release another version, or the same one again."
    )


def live_configuration(endpoint: str, region: str) -> str | None:
    """Give the configuration that an endpoint has now; None where there is no endpoint."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 slow, and no preview needs it

    try:
        found = _client("sagemaker", region).describe_endpoint(EndpointName=endpoint)
    except ClientError as error:
        if "Could not find endpoint" in str(error):
            return None
        raise ServestackError(f"Endpoint {endpoint} cannot be looked at: {error}") from error
    return str(found["EndpointConfigName"])


def _describe(client: Any, endpoint: str) -> dict[str, Any]:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 as above

    try:
        found: dict[str, Any] = client.describe_endpoint(EndpointName=endpoint)
    except (BotoCoreError, ClientError) as error:
        raise ServestackError(f"Endpoint {endpoint} cannot be looked at: {error}") from error
    return found


def _rang(wanted: Wanted) -> list[tuple[str, str]]:
    """Give the alarms that ring, and why; what cannot be asked only leaves the reason out."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 as above

    if not wanted.alarms:
        return []
    try:
        answer = _client("cloudwatch", wanted.region).describe_alarms(
            AlarmNames=list(wanted.alarms), StateValue="ALARM"
        )
    except (BotoCoreError, ClientError):
        return []
    return [(one["AlarmName"], one.get("StateReason", "")) for one in answer["MetricAlarms"]]


def _client(service: str, region: str) -> Any:
    from boto3.session import Session  # noqa: PLC0415 slow, and no preview needs it

    make: Any = Session().client  # typed for each service's own name only
    return make(service, region_name=region)
