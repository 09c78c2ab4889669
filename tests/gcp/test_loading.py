"""A preview loads what it declares with, and none of what is only big."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

CHECKOUT = Path(__file__).parents[2]

# The program of the whole stack `dev`, and then what it has loaded.
PROGRAM = """
import sys
from tests.declaring import declare
from tests.standins.gcp_kinds import KINDS
from infra.program import main

def outputs(type_, inputs):
    return KINDS[type_].outputs(KINDS[type_].id(inputs), inputs) if type_ in KINDS else {}

made = declare(main, outputs_of=outputs, stack="dev")
assert made.of_type("gcp:compute/network:Network"), "this is not the whole stack"
print(*sys.modules)
"""


@pytest.mark.slow
def test_the_program_of_a_stack_on_google_cloud_loads_only_what_it_uses() -> None:

    config = YAML(typ="safe", pure=True).load(CHECKOUT / "Pulumi.dev.yaml")["config"]
    plain = {
        key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=CHECKOUT,
        env={**os.environ, "PULUMI_CONFIG": json.dumps(plain)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "pulumi_gcp.container.cluster" in loaded
    for big in (
        "pulumi_gcp.compute.network",
        "pulumi_aws",
        "pulumi_kubernetes.autoscaling.v2.HorizontalPodAutoscaler",
        "pulumi_kubernetes.batch.v1.Job",
        "tensorflow",
        "google.cloud.aiplatform",
        "google.cloud.aiplatform_v1",
        "google.cloud.storage",
        "boto3",
    ):
        assert big not in loaded, big
