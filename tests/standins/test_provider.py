"""The base of the stand-ins on the real engine: a program meets it as it would meet a plug-in."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.engine.harness import Project
from tests.standins.launchers import with_stand_ins
from tests.standins.values import UNKNOWN, from_struct, to_struct

PROGRAM = """
import pulumi

class Thing(pulumi.CustomResource):
    def __init__(self, name, props, opts=None):
        props = {"owner": None, "stamp": None, **props}
        super().__init__("toy:index:Thing", name, props, opts)

class ToyProvider(pulumi.ProviderResource):
    def __init__(self, name, directory):
        super().__init__("toy", name, {"directory": directory})

config = pulumi.Config()
provider = ToyProvider("toy", config.require("directory"))
thing = Thing(
    "thing", config.require_object("thing"), pulumi.ResourceOptions(provider=provider)
)
counted = pulumi.runtime.invoke("toy:index:count", {}, pulumi.InvokeOptions(provider=provider))
pulumi.export("count", counted.value["count"])
pulumi.export("pass", config.get_secret("pass"))
"""


@pytest.fixture
def toys(tmp_path: Path) -> Path:
    (tmp_path / "toys").mkdir()
    return tmp_path / "toys"


class Toys:
    """A project with one thing in it, whose properties a test sets."""

    def __init__(self, project: Project, journal: Path) -> None:
        self.project = project
        self.journal = journal

    def set(self, **thing: Any) -> None:
        for name, value in {"file": "one", **thing}.items():
            self.project.pulumi("config", "set", "--path", f"thing.{name}", "--", str(value))

    def calls(self) -> list[str]:
        return [json.loads(line)["call"] for line in self.journal.read_text().splitlines()]


@pytest.fixture
def stack(make_project: Callable[..., Project], tmp_path: Path, toys: Path) -> Toys:
    journal = tmp_path / "journal"
    environ = with_stand_ins(
        ["toy"], directory=tmp_path / "plugins", environ=os.environ, journal=journal
    )
    project = make_project(
        program=PROGRAM, config=f"toy:directory: {toys}\ntoy:thing: {{file: one}}", environ=environ
    )
    return Toys(project, journal)


@pytest.mark.slow
@pytest.mark.engine
def test_a_resource_goes_through_its_whole_life(stack: Toys, toys: Path) -> None:
    project = stack.project
    preview = project.pulumi("preview")
    assert "toy:index:Thing thing create" in preview.stdout
    assert list(toys.iterdir()) == []

    project.up()
    assert json.loads((toys / "one").read_text()) == {"file": "one", "colour": "grey"}
    project.expect_no_changes()

    stack.set(size=4, colour="red")
    project.up()
    assert json.loads((toys / "one").read_text())["size"] == 4
    assert stack.calls() == ["create", "update"]

    (toys / "one").write_text(json.dumps({"file": "one", "colour": "blue", "size": 4}))
    assert "1 updated" in project.pulumi("refresh", "--yes", "--skip-preview").stdout
    assert "colour" in project.pulumi("preview", "--diff").stdout
    project.up()

    stack.set(file="two")
    project.up()
    assert stack.calls()[-2:] == ["delete", "create"]
    assert [file.name for file in toys.iterdir()] == ["two"]

    project.destroy()
    assert list(toys.iterdir()) == []


@pytest.mark.slow
@pytest.mark.engine
def test_what_the_cloud_refuses_is_told_in_its_own_words(stack: Toys, toys: Path) -> None:
    project = stack.project
    (toys / "one").write_text("{}")
    assert "one exists already" in project.pulumi("preview", expect=1).stdout
    (toys / "one").unlink()

    stack.set(size=-1)
    assert "must not be negative" in project.pulumi("preview", expect=1).stdout

    stack.set(size=1, colour="black")
    assert "it is too dark" in project.up(expect=1).stdout
    thing = next(found for found in project.resources() if found["type"] == "toy:index:Thing")
    assert thing["initErrors"] == ["it is too dark"]

    stack.set(colour="white")
    project.up()
    assert stack.calls() == ["create", "update"]


def test_properties_come_back_as_they_went() -> None:
    properties: dict[str, Any] = {
        "text": "t",
        "none": None,
        "whole": 80,
        "part": 0.5,
        "yes": True,
        "list": [1, {"a": UNKNOWN}, []],
        "empty": {},
        "unknown": UNKNOWN,
    }
    back = from_struct(to_struct(properties))
    assert back == properties
    assert isinstance(back["whole"], int)
