"""The stack `dev` in front of a stand-in for Google, previewed by turns with empty programs.

Runs in the project's own environment: `python benchmarks/preview_of.py ROUNDS`, figures as JSON.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import requests

from model_export.layout import manifest_path
from model_export.manifest import Manifest, dump_manifest
from tests.engine.harness import CHECKOUT
from tests.gcp.harness import GcpStack, make_gcp_stack
from tests.gcp.test_loading import PROGRAM
from tests.stores.clouds import Cloud, running_cloud
from tools.engine.acquire import ensure_engine

SDKS: Final = ("pulumi", "pulumi_gcp", "pulumi_kubernetes")
# What a program with the same resources has to load of them, and what reads its bucket.
_LOADED: Final = ("pulumi_gcp.", "pulumi_kubernetes.", "google.cloud.storage")


def seconds_of(stack: GcpStack, *arguments: str) -> dict[str, float]:
    """Preview; give seconds on the clock, and on the processor by all that it starts."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    stack.pulumi("preview", "--expect-no-changes", *arguments)
    clock = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"clock": clock, "processor": used}


def loaded_modules(stack: GcpStack) -> list[str]:
    """Give what the stack's program loads of the SDKs, as an import of each package."""
    config = {
        f"servestack:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in stack.config.items()
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=CHECKOUT,
        env={**os.environ, **stack.environment, "PULUMI_CONFIG": json.dumps(config)},
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted(name for name in done.stdout.split() if name.startswith(_LOADED))


@contextmanager
def stack_of_dev(directory: Path) -> Iterator[GcpStack]:
    """Bring the whole stack up, with two models served and a bucket that has them."""
    (directory / "content").mkdir()
    with running_cloud("gs", directory / "content") as cloud:
        stack = make_gcp_stack(
            directory / "stack",
            ensure_engine(environ=os.environ, progress=lambda _: None),
            "dev",
            directory / "types.json",
            cloud.environment(),
        )
        stack.up()
        publish_records(cloud, stack.cloud.one("gcp:storage/bucket:Bucket").id)
        models = stack.config["models"]
        stack.change(models={name: {**model, "version": 1} for name, model in models.items()})
        stack.up()
        yield stack


def publish_records(cloud: Cloud, bucket: str) -> None:
    """Put a version of each model into the bucket, as far as a preview reads it."""
    for name in ("heart", "digits"):
        manifest = Manifest(
            model=name,
            version=1,
            files=(),
            signatures={},
            tensorflow_version="2.20.0",
            created_at=datetime.now(tz=UTC),
            created_by="benchmark",
        )
        requests.post(
            f"{cloud.endpoint}/upload/storage/v1/b/{bucket}/o",
            params={"uploadType": "media", "name": manifest_path(name, 1)},
            data=dump_manifest(manifest),
            timeout=30,
        ).raise_for_status()


def measure(stack: GcpStack, rounds: int) -> Mapping[str, Any]:
    """Take turns; each first one is not counted."""
    program = (stack.directory / "__main__.py").read_text()
    modules = loaded_modules(stack)
    programs = {
        "stack": program,
        "empty": f"import {', '.join(SDKS)}\n",
        "empty, same modules": "".join(f"import {name}\n" for name in (*SDKS, *modules)),
    }
    stack.pulumi("stack", "select", "--create", "--stack", "empty")
    (stack.directory / "Pulumi.empty.yaml").write_bytes(stack.file.read_bytes())
    seen: dict[str, list[dict[str, float]]] = {name: [] for name in programs}
    for number in range(rounds + 1):
        for name, text in programs.items():
            (stack.directory / "__main__.py").write_text(text)
            where = "dev" if name == "stack" else "empty"
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
    with tempfile.TemporaryDirectory(prefix="preview-") as name, stack_of_dev(Path(name)) as stack:
        print(json.dumps(measure(stack, int(sys.argv[1]))))


if __name__ == "__main__":
    main()
