"""What is shown of the engine's events."""

from typing import Any

import pytest
from pulumi.automation.events import EngineEvent

from infra.releases.engine_log import EngineLog

SERVER = (
    "urn:pulumi:local::servestack::servestack:serving:LocalModel$"
    "pulumi-python:servestack:LocalServer::heart"
)


def event(**content: Any) -> EngineEvent:
    return EngineEvent.from_json({"sequence": 1, "timestamp": 1, **content})


def error(message: str, severity: str = "error") -> EngineEvent:
    diagnostic = {"message": message, "color": "never", "severity": severity, "prefix": ""}
    return event(diagnosticEvent=diagnostic)


def step(operation: str, urn: str = SERVER, *, planning: bool = False) -> dict[str, Any]:
    metadata = {"op": operation, "urn": urn, "type": "t", "provider": ""}
    return {"metadata": metadata, "planning": planning}


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ({"resourcePreEvent": step("create")}, "  creating LocalServer heart"),
        ({"resOutputsEvent": step("update")}, "  updated LocalServer heart"),
        ({"resOutputsEvent": step("same")}, None),
        ({"resourcePreEvent": step("replace", planning=True)}, "  to replace LocalServer heart"),
        ({"resOutputsEvent": step("create", planning=True)}, None),
        (
            {"resourcePreEvent": step("create", "urn:pulumi:l::s::pulumi:pulumi:Stack::s-l")},
            None,
        ),
    ],
)
def test_each_step_that_changes_something_is_a_line(
    content: dict[str, Any], line: str | None
) -> None:
    assert EngineLog().take(event(**content)) == line


def test_errors_are_told_once_and_without_their_echoes() -> None:
    log = EngineLog()
    for message in (
        "Exception calling application: The server does not start.\n",
        "The server does not start.\n",
        "update failed\n",
        "an unhandled error occurred: Program exited with non-zero exit code: 1\n",
    ):
        log.take(error(message))
    log.take(error("registering resource", "debug"))
    assert log.reason == "The server does not start."


def test_the_executors_own_traceback_does_not_bury_the_error() -> None:
    log = EngineLog()
    log.take(error("Port 1 is in use.\nTraceback (most recent call last):\n  KeyboardInterrupt\n"))
    assert log.reason == "Port 1 is in use."


def test_an_error_that_is_only_an_echo_is_better_than_none() -> None:
    log = EngineLog()
    log.take(error("update failed\n"))
    assert log.reason == "update failed"


def test_a_policy_that_forbids_is_the_reason_and_one_that_advises_is_a_line() -> None:
    def policy(level: str, name: str) -> EngineEvent:
        told = {
            "policyName": name,
            "message": "<{%fg 1%}>do not<{%reset%}>",
            "color": "never",
            "policyPackName": "servestack",
            "policyPackVersion": "1",
            "policyPackVersionTag": "1",
            "enforcementLevel": level,
        }
        return event(policyEvent=told)

    log = EngineLog()
    assert log.take(policy("advisory", "cost-labels")) == "  policy cost-labels: do not"
    assert log.take(policy("mandatory", "public-bucket")) is None
    log.take(error("update failed"))
    assert log.reason == "policy public-bucket: do not"
    assert log.own_reasons == []
