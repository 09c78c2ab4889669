"""The policy pack on the real engine, under our own language host."""

import os
import subprocess
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, unknown_checking_proxy

from infra.config.release_values import PolicyRule
from infra.policy.judging import EXEMPTED
from infra.policy.pack import plain
from infra.policy.subject import UNKNOWN
from tests.engine.harness import CHECKOUT, Project, create_project
from tools.engine.acquire import Engine, ensure_engine

PACK = CHECKOUT / "infra" / "policy"


def test_values_come_out_plain_and_what_is_not_known_is_marked() -> None:
    guarded: Mapping[str, Any] = unknown_checking_proxy(
        {"a": UNKNOWN_STRING_VALUE, "b": [{"c": 1}, UNKNOWN_STRING_VALUE], "d": "text"}
    )
    assert plain(guarded) == {"a": UNKNOWN, "b": [{"c": 1}, UNKNOWN], "d": "text"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose program declares, without a cloud, what some rules look at."""
    engine: Engine = ensure_engine(environ=os.environ, progress=print)
    directory = tmp_path_factory.mktemp("policy") / "project"
    project = create_project(directory, engine, os.environ, program=PROGRAM, stack="prod")
    (directory / ".venv").symlink_to(CHECKOUT / ".venv")
    return project


PROGRAM = """
import pulumi
from pulumi import dynamic

class Nothing(dynamic.ResourceProvider):
    def create(self, props):
        return dynamic.CreateResult("it", props)

class Server(dynamic.Resource, module="servestack", name="LocalServer"):
    pass

image = pulumi.Config().get("image")
Server(Nothing(), "heart", {"kind": "docker", "image": image})
"""


@pytest.fixture
def preview(project: Project) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(image: str, config: str, **options: Any) -> subprocess.CompletedProcess[str]:
        file = project.directory / "Pulumi.prod.yaml"
        salt = file.read_text().splitlines()[0]
        file.write_text(f"{salt}\nconfig:\n  toy:image: {image}\n{config}")
        return project.pulumi("preview", "--policy-pack", str(PACK), **options)

    return run


SOUND = """\
  servestack:platform: local
  servestack:environment: prod
  servestack:protected: true
"""


@pytest.mark.slow
@pytest.mark.engine
def test_a_sound_stack_passes(preview: Callable[..., Any]) -> None:
    done = preview("tensorflow/serving:2.19.1", SOUND)
    assert "servestack@v1.0.0" in done.stdout
    assert not any(str(rule) in done.stdout for rule in PolicyRule)


@pytest.mark.slow
@pytest.mark.engine
def test_what_breaks_rules_is_refused_with_each_rules_words(preview: Callable[..., Any]) -> None:
    done = preview(
        "tensorflow/serving", SOUND.replace("protected: true", "protected: false"), expect=1
    )
    assert "pinned-image" in done.stdout
    assert "The server runs tensorflow/serving, which is not pinned." in done.stdout
    assert "prod-protection" in done.stdout
    assert "servestack:protected is not set." in done.stdout


@pytest.mark.slow
@pytest.mark.engine
def test_what_is_exempt_is_told_and_passes(preview: Callable[..., Any]) -> None:
    exemption = (
        "  servestack:policy:\n    exemptions:\n      pinned-image:\n"
        "        reason: The image is built on this very machine\n        resources: [heart]\n"
    )
    done = preview("tensorflow/serving", SOUND + exemption)
    assert EXEMPTED in done.stdout
    assert "Exempt: The image is built on this very machine" in done.stdout
