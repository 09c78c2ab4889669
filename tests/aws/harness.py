"""A stack of AWS on the real engine, in front of a stand-in that speaks to moto.

The committed program and stack files in a directory of their own; what would be Amazon's is moto's.
"""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from model_export.cli import main
from tests.aws.moto_server import CREDENTIALS, REGION
from tests.engine.harness import CHECKOUT, STACK_FILE_HEAD, Project
from tests.standins.aws import FAULTS_VARIABLE
from tests.standins.gcp_cloud import CLOUD_VARIABLE
from tests.standins.launchers import with_stand_ins
from tests.standins.sdk_types import TYPES_VARIABLE
from tools.engine.acquire import Engine
from tools.engine.environment import engine_environment


@dataclass(kw_only=True)
class AwsStack(Project):
    """The checkout's program on one of its stack files, or on a configuration of a test's own."""

    stack: str
    url: str

    @property
    def file(self) -> Path:
        return self.directory / f"Pulumi.{self.stack}.yaml"

    @property
    def config(self) -> dict[str, Any]:
        """The stack's own settings, as they are in its file."""
        document = YAML(typ="safe", pure=True).load(self.file)["config"]
        return {key.removeprefix("servestack:"): value for key, value in document.items()}

    def configure(self, config: Mapping[str, Any]) -> None:
        """Write the stack file anew, with these settings."""
        document = {f"servestack:{key}": value for key, value in config.items()}
        # JSON is YAML too, and no schedule with stars in it is wrapped to begin a line.
        self.file.write_text(f"{STACK_FILE_HEAD}config: {json.dumps(document, indent=2)}\n")

    def model(self, **heart: Any) -> None:
        """Write the model `heart` anew; the rest of the file stays."""
        config = self.config
        config["models"] = {**config.get("models", {}), "heart": heart}
        self.configure(config)

    def told(self, *arguments: str) -> str:
        """Run the engine, which must fail, and give all that it said."""
        failed = self.pulumi(*arguments, expect=None)
        told = failed.stdout + failed.stderr
        assert failed.returncode != 0, told
        assert "Traceback" not in told, told
        return told

    def faults(self, faults: Mapping[str, str]) -> None:
        """Order what fails from now on."""
        Path(self.environment[FAULTS_VARIABLE]).write_text(json.dumps(faults))

    def calls(self) -> list[tuple[str, str, str]]:
        """Give what was really done since the last time: the call, the type, the name."""
        journal = self.directory / "journal"
        lines = journal.read_text().splitlines() if journal.exists() else []
        journal.unlink(missing_ok=True)
        done = [json.loads(line) for line in lines]
        # Amazon's by their last name alone: Kubernetes has roles too.
        short = [(call, call["type"].removeprefix("aws:").rpartition(":")) for call in done]
        return [
            (call["call"], kind if call["type"].startswith("aws:") else call["type"], call["name"])
            for call, (_, _, kind) in short
        ]

    def aws(self, service: str) -> Any:
        """Give Amazon's own client of the same account."""
        make: Any = boto3.session.Session(
            CREDENTIALS["AWS_ACCESS_KEY_ID"],
            CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            region_name=REGION,
        ).client
        return make(service, endpoint_url=self.url)

    def model_export(self, *arguments: str) -> str:
        """Run our other command against the same account."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": self.url}.items():
                patch.setenv(name, value)
            done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 0, done.output
        return done.output


def make_aws_stack(directory: Path, engine: Engine, stack: str, url: str, types: Path) -> AwsStack:
    directory.mkdir(parents=True)
    for name in ("Pulumi.yaml", f"Pulumi.{stack}.yaml", "__main__.py"):
        shutil.copy(CHECKOUT / name, directory / name)
    (directory / ".venv").symlink_to(CHECKOUT / ".venv")
    file = directory / f"Pulumi.{stack}.yaml"
    file.write_text(STACK_FILE_HEAD + file.read_text())
    home = directory / ".servestack"
    (home / "state").mkdir(parents=True)
    objects = directory / "objects"
    objects.mkdir()
    environment = with_stand_ins(
        {"aws": "aws", "kubernetes": "kubernetes_echo"},
        directory=directory / "plugins",
        environ=engine_environment(
            checkout=CHECKOUT,
            stack_is_local=True,
            engine=engine,
            environ={**os.environ, "SERVESTACK_HOME": str(home), "PULUMI_STACK": stack},
        ),
        journal=directory / "journal",
    )
    environment |= {
        **CREDENTIALS,
        "AWS_ENDPOINT_URL": url,
        FAULTS_VARIABLE: str(directory / "faults.json"),
        TYPES_VARIABLE: str(types),
        CLOUD_VARIABLE: str(objects),
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }
    made = AwsStack(
        directory=directory, environment=environment, engine=engine, stack=stack, url=url
    )
    made.pulumi("stack", "select", "--create", "--stack", stack)
    return made
