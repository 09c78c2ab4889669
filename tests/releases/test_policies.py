"""What policies say of a change: from a preview's resources and the new configuration."""

from datetime import date
from typing import Any

import pytest

from infra.config import StackConfig, parse_stack
from infra.policy.judging import EXEMPTED, Finding
from infra.releases.policies import advice, findings, refusal
from infra.releases.preview import Preview, preview_of_document
from tests.config.examples import PLATFORMS
from tests.releases.test_preview import DEPLOYMENT, HIDDEN, read, step

TODAY = date(2026, 11, 26)
UNKNOWN_TO_THE_ENGINE = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
PLACES = {platform.value: place for platform, place in PLATFORMS.items()}


def config(platform: str = "kubernetes", **stack: Any) -> StackConfig:
    return parse_stack({"platform": platform, **PLACES[platform], **stack}, source="x")


def pods(image: object) -> dict[str, Any]:
    container = {
        "name": "server",
        "image": image,
        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
        "readinessProbe": {"httpGet": {}},
        "livenessProbe": {"httpGet": {}},
        "securityContext": {"runAsNonRoot": True, "allowPrivilegeEscalation": False},
    }
    return {"spec": {"template": {"spec": {"containers": [container]}}}}


def rules(preview: Preview | None, stack: StackConfig) -> list[str]:
    return [finding.rule for finding in findings("dev", stack, preview, TODAY)]


def test_what_is_made_is_judged_under_its_own_type_and_name() -> None:
    (found,) = findings("dev", config(), read(step("create", new=pods("serving:latest"))), TODAY)
    assert (found.rule, found.level, found.resource) == ("pinned-image", "mandatory", "heart")


def test_what_goes_away_is_not_judged_though_a_refresh_has_told_of_it() -> None:
    moving = pods("serving:latest")
    gone = read(step("refresh", DEPLOYMENT, moving, moving), step("delete", DEPLOYMENT, moving))
    assert rules(gone, config()) == []


@pytest.mark.parametrize("image", [UNKNOWN_TO_THE_ENGINE, "[secret]", HIDDEN])
def test_of_what_cannot_be_seen_nothing_is_said(image: object) -> None:
    assert rules(read(step("create", new=pods(image))), config()) == []


def test_without_a_preview_the_configuration_is_judged() -> None:
    production = config(environment="prod", models={"heart": {"version": "latest"}})
    expected = ["prod-protection", "prod-replicas", "prod-pinned-version"]
    assert rules(None, production) == expected
    assert rules(preview_of_document('{"steps": []}'), production) == expected


def test_advice_is_told_in_few_lines() -> None:
    found = [
        *(
            Finding(rule=EXEMPTED, level="advisory", text=f"text {number}", resource="x")
            for number in range(5)
        ),
        Finding(rule="pod-probes", level="mandatory", text="no", resource="x"),
    ]
    assert list(advice(found)) == [
        *(f"policy exempted: text {number}" for number in range(3)),
        "policy exempted: and 2 more",
    ]


def test_a_way_past_is_told_only_to_who_goes_back() -> None:
    found = [Finding(rule="prod-budget", level="mandatory", text="None. Write it.", resource="dev")]
    forth, back = (refusal(found, "Pulumi.dev.yaml", is_way_back=way) for way in (False, True))
    assert "  prod-budget (dev): None. Write it.\n" in forth
    assert "servestack:policy.exemptions in Pulumi.dev.yaml" in forth
    assert back == f"{forth}\nTo go back at once, all the same: --without-policies REASON"
