"""Bringing a stack to other releases: what is told, and kept in the history, when it fails."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from infra.releases.errors import OperationFailedError
from infra.releases.model_release import ModelRelease
from infra.releases.preview import Preview
from infra.releases.rollout import plan_rollout, read_stack, roll_out
from infra.releases.workspace import Changes, StackEngine

REFUSAL = "The update of stack local failed:\nPort 18777 is in use by another program."


class StubbornEngine:
    """Refuses every update, and keeps what the history would have been told."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def up(self, message: str) -> Mapping[str, Any]:
        self.messages.append(message)
        raise OperationFailedError(REFUSAL)

    def preview_changes(self) -> Changes:
        return Changes(count=1, preview=Preview())


def test_a_failure_that_stands_against_the_way_back_too_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.local.yaml"
    path.write_text("config:\n  servestack:platform: local\n  servestack:models:\n    heart: {}\n")
    before = path.read_bytes()
    plan = plan_rollout(read_stack(path), {"heart": ModelRelease(version=2)}, {})
    engine = StubbornEngine()

    with pytest.raises(OperationFailedError) as failed:
        roll_out(cast("StackEngine", engine), plan, message="heart: not served → 2")

    assert str(failed.value) == (
        f"{REFUSAL}\nPulumi.local.yaml is as it was before. But the stack could not be brought "
        "back to it. Try: servestack up -s local"
    )
    assert engine.messages[1] == (
        "Put back after a failed update: Port 18777 is in use by another program."
    )
    assert path.read_bytes() == before
