"""One run of the stack program with so many models on Kubernetes, under mocks; run by program.py.

Prints JSON: how long the program took, on the clock and on the processor, and what it declared.
Needs the project's environment and its tests' package on the path.
"""

import gc
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import infra.platforms.kubernetes
from infra.compute.questions import Found, Wanted
from infra.program import main
from model_export.layout import manifest_path
from model_export.manifest import dump_manifest
from tests.declaring import declare
from tests.small_models import bare_manifest


def publish(bucket: Path, model: str) -> None:
    """Put a version into the bucket that has a manifest and no files."""
    path = bucket / manifest_path(model, 1)
    path.parent.mkdir(parents=True)
    path.write_bytes(dump_manifest(bare_manifest(model, 1)))


def everything(_: str | None, __: Wanted) -> Found:
    """Answer for a cluster that lacks nothing, without asking one."""
    return Found(
        minor=34,
        namespace=None,
        missing_kinds={},
        missing_objects=frozenset(),
        missing_metrics=frozenset(),
        nodes=(),
    )


def run(count: int) -> dict[str, float]:
    """Run the program once."""
    gc.disable()  # as the program's own __main__.py does
    names = [f"model-{number}" for number in range(count)]
    with tempfile.TemporaryDirectory() as directory:
        for name in names:
            publish(Path(directory), name)
        models = {name: {"version": 1, "replicas": 2} for name in names}
        os.environ["PULUMI_CONFIG"] = json.dumps(
            {
                "servestack:platform": "kubernetes",
                "servestack:bucket": json.dumps({"path": directory}),
                "servestack:kubernetes": json.dumps({"context": "none"}),
                "servestack:models": json.dumps(models),
            }
        )
        infra.platforms.kubernetes.ask_cluster = everything
        began, processor = time.perf_counter(), time.process_time()
        made = declare(main)
        return {
            "seconds": round(time.perf_counter() - began, 3),
            "processor_seconds": round(time.process_time() - processor, 3),
            "resources": len(made.resources),
            "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        }


if __name__ == "__main__":
    print(json.dumps(run(int(sys.argv[1]))))
