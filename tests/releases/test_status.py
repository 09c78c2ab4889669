"""A model's three sides, compared; share, replicas and since when."""

import json
from typing import Any

from infra.releases.history import parse_history
from infra.releases.model_release import Canary, ModelRelease
from infra.releases.status import ModelStatus, model_statuses
from infra.releases.tables import status_table
from tests.releases.test_history import record, serving

TRIAL = ModelRelease(version=1, canary=Canary(version=2, share=10))
OUTPUT: dict[str, Any] = {
    "target": "kubernetes",
    "version": 1,
    "canary": {"version": 2, "share": 10},
    "share": 25.0,
    "rest": None,
    "tracks": {
        "stable": {"version": 1, "replicas": 3, "rest": None},
        "canary": {"version": 2, "replicas": 1, "rest": None},
    },
}


def status(configured: ModelRelease, output: dict[str, Any], *history: Any) -> ModelStatus:
    releases = parse_history(json.dumps(history[::-1]))
    (found,) = model_statuses(
        {"heart": configured}, {"models": {"heart": output}}, releases, stack="dev"
    )
    return found


def test_share_and_replicas_are_what_came_out() -> None:
    found = status(TRIAL, OUTPUT)
    assert (found.share, found.replicas) == (25.0, {1: 3, 2: 1})
    assert found.problem is None
    assert found.unreachable == "heart has no address that could be asked"
    row = status_table([found]).splitlines()[1]
    assert "25 %" in row
    assert "1: 3, 2: 1" in row


def test_numbers_that_the_engine_made_floats_are_versions_all_the_same() -> None:
    output = {**OUTPUT, "version": 1.0, "canary": {"version": 2.0, "share": 10.0}}
    assert status(TRIAL, output).deployed == TRIAL


def test_since_is_the_first_of_the_updates_that_deployed_the_same() -> None:
    models = {"heart": {"version": 1, "canary": {"version": 2, "share": 10}}}
    records = [
        record(models),
        record(serving(heart=1)),
        record(models),
        record(serving(heart=9), result="failed"),
        record(models),
        record(models, kind="refresh"),
    ]
    for minute, one in enumerate(records):
        one["startTime"] = f"2026-11-21T07:{minute:02}:00.000Z"
    found = status(TRIAL, OUTPUT, *records)
    assert found.since is not None
    assert found.since.minute == 2


def test_what_differs_is_told_whatever_answers() -> None:
    found = status(ModelRelease(version=2), OUTPUT)
    assert "is not deployed" in str(found.problem)
    assert found.unreachable == "heart has no address that could be asked"
    (gone,) = model_statuses({}, {"models": {"heart": OUTPUT}}, stack="dev")
    assert "not configured any more" in str(gone.problem)
    (missing,) = model_statuses({"heart": TRIAL}, {}, stack="dev")
    assert missing.problem == "not deployed; run: servestack up -s dev"
    (declared,) = model_statuses({"heart": ModelRelease()}, {}, stack="dev")
    assert declared.problem is None
