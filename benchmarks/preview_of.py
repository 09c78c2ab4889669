"""A stack in front of a stand-in for its cloud, previewed by turns with empty programs.

Runs in the project's own environment: `python benchmarks/preview_of.py dev|aws-dev ROUNDS`, figures
as JSON.
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import requests
from clock import clocked

from model_export.layout import manifest_path
from model_export.manifest import dump_manifest
from tests.aws.harness import AwsStack, make_aws_stack
from tests.aws.moto_server import moto_server
from tests.engine.harness import CHECKOUT, Project
from tests.gcp.harness import GcpStack, make_gcp_stack
from tests.small_models import bare_manifest, make_saved_model
from tests.stores.clouds import Cloud, running_cloud
from tools.engine.acquire import Engine, ensure_engine

SDKS: Final = {
    "dev": ("pulumi", "pulumi_gcp", "pulumi_kubernetes"),
    "aws-dev": ("pulumi", "pulumi_aws", "pulumi_kubernetes"),
}
# What a program with the same resources has to load of them, and what reads its bucket.
_LOADED: Final = (
    "pulumi_gcp.",
    "pulumi_aws.",
    "pulumi_kubernetes.",
    "google.cloud.storage",
    "boto3",
    "botocore.",
)
_TELL_LOADED: Final = """
import atexit, sys
from pathlib import Path

atexit.register(lambda: Path("loaded").write_text("\\n".join(sys.modules)))
"""
_NO_WAITING: Final = """
from infra.serving.tf_serving import rollout

rollout.wait_for_rollout = lambda *_, **__: None
"""

BenchStack = GcpStack | AwsStack


def seconds_of(stack: BenchStack, *arguments: str) -> dict[str, float]:
    """Preview; give seconds on the clock, and on the processor by all that it starts."""
    with clocked() as seconds:
        stack.pulumi("preview", "--expect-no-changes", *arguments)
    return seconds


def loaded_modules(stack: BenchStack) -> list[str]:
    """Give what the stack's program loads of the SDKs and of the bucket's client."""
    program = stack.directory / "__main__.py"
    text = program.read_text()
    program.write_text(_TELL_LOADED + text)
    stack.expect_no_changes()
    program.write_text(text)
    loaded = (stack.directory / "loaded").read_text().split()
    return sorted(name for name in loaded if name.startswith(_LOADED))


@contextmanager
def gcp_stack(directory: Path) -> Iterator[GcpStack]:
    """Bring the stack `dev` up, and a bucket that has its models."""
    (directory / "content").mkdir()
    with running_cloud("gs", directory / "content") as cloud:
        stack = make_gcp_stack(
            directory / "stack", the_engine(), "dev", directory / "types.json", cloud.environment()
        )
        stack.up()
        publish_records(cloud, stack.cloud.one("gcp:storage/bucket:Bucket").id)
        yield stack


@contextmanager
def aws_stack(directory: Path) -> Iterator[AwsStack]:
    """Bring the stack `aws-dev` up, and a bucket that has its models."""
    with moto_server(directory) as url:
        stack = make_aws_stack(
            directory / "stack", the_engine(), "aws-dev", url, directory / "types.json"
        )
        stack.up()
        (bucket,) = (found["Name"] for found in stack.aws("s3").list_buckets()["Buckets"])
        model = make_saved_model(
            directory / "saved",
            tensorflow="2.18.1",
            files={"variables/variables.data-00000-of-00001": b"weights"},
        )
        for name in ("heart", "digits"):
            stack.model_export(
                *("publish", str(model), "--model", name, "--version", "1"),
                *("--store", f"s3://{bucket}", "--archive"),
            )
        yield stack


def the_engine() -> Engine:
    """Find the engine that the project has."""
    return ensure_engine(environ=os.environ, progress=lambda _: None)


@contextmanager
def serving(name: str, directory: Path) -> Iterator[BenchStack]:
    """Give the whole stack with version 1 of both models served."""
    making = gcp_stack if name == "dev" else aws_stack
    with making(directory) as stack:
        models = {name: {**model, "version": 1} for name, model in stack.config["models"].items()}
        stack.configure({**stack.config, "models": models})
        with no_waiting(stack, directory / "patience"):
            stack.up()
        yield stack


@contextmanager
def no_waiting(stack: Project, directory: Path) -> Iterator[None]:
    """Take every roll-out for done while this holds: behind the stand-ins there is no cluster."""
    directory.mkdir()
    (directory / "sitecustomize.py").write_text(_NO_WAITING)
    before = stack.environment
    stack.environment = {**before, "PYTHONPATH": f"{directory}:{CHECKOUT}"}
    yield
    stack.environment = before


def publish_records(cloud: Cloud, bucket: str) -> None:
    """Put a version of each model into the bucket, as far as a preview reads it."""
    for name in ("heart", "digits"):
        requests.post(
            f"{cloud.endpoint}/upload/storage/v1/b/{bucket}/o",
            params={"uploadType": "media", "name": manifest_path(name, 1)},
            data=dump_manifest(bare_manifest(name, 1)),
            timeout=30,
        ).raise_for_status()


def measure(stack: BenchStack, rounds: int) -> Mapping[str, Any]:
    """Take turns; each first one is not counted."""
    program = (stack.directory / "__main__.py").read_text()
    modules, sdks = loaded_modules(stack), SDKS[stack.stack]
    programs = {
        "stack": program,
        "empty": f"import {', '.join(sdks)}\n",
        "empty, same modules": "".join(f"import {name}\n" for name in (*sdks, *modules)),
    }
    stack.pulumi("stack", "select", "--create", "--stack", "empty")
    (stack.directory / "Pulumi.empty.yaml").write_bytes(stack.file.read_bytes())
    (stack.directory / "__main__.py").write_text(programs["empty"])
    stack.up("--stack", "empty")
    seen: dict[str, list[dict[str, float]]] = {name: [] for name in programs}
    for number in range(rounds + 1):
        for name, text in programs.items():
            (stack.directory / "__main__.py").write_text(text)
            where = stack.stack if name == "stack" else "empty"
            took = seconds_of(stack, "--stack", where)
            if number:
                seen[name].append(took)
    (stack.directory / "__main__.py").write_text(program)
    resources = sum(
        not found["type"].startswith(("pulumi:", "servestack:")) for found in stack.resources()
    )
    return {"rounds": seen, "resources": resources, "modules": len(modules)}


def main() -> None:
    """Print the figures."""
    name, rounds = sys.argv[1], int(sys.argv[2])
    with tempfile.TemporaryDirectory(prefix="preview-") as home, serving(name, Path(home)) as stack:
        print(json.dumps(measure(stack, rounds)))


if __name__ == "__main__":
    main()
