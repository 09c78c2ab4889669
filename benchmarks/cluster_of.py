"""Releases on a real Kubernetes node under load, and previews of many models; run by cluster.py.

Runs in the project's own environment, as root: `python benchmarks/cluster_of.py CLIENTS ROUNDS`,
figures as JSON.
"""

import collections
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from infra.serving.tf_serving.sources import FETCH_IMAGE
from tests.cluster.fixtures import SERVING_TAGS
from tests.cluster.images import rclone_image, serving_image
from tests.cluster.load import LoadOn
from tests.cluster.serving_stack import PROGRAM, ServingStack
from tests.engine.harness import create_project
from tests.standins.kubernetes.client import Client
from tests.standins.launchers import with_stand_ins
from tools.cluster.control_plane import Cluster, control_plane
from tools.cluster.fake_nodes import run_fake_nodes
from tools.cluster.node import RealNode, real_node
from tools.cluster.programs import ensure_cluster_programs
from tools.engine.acquire import ensure_engine

NAMESPACE: Final = "models"
COUNTS: Final = (1, 25, 50, 100)
_PAUSE_SECONDS: Final = 0.1
_LIMIT_SECONDS: Final = 900


def say(text: str) -> None:
    """Tell how far the run is."""
    print(text, file=sys.stderr, flush=True)


def stack_on(cluster: Cluster, directory: Path) -> ServingStack:
    """Make a stack whose cluster is this one."""
    environ = with_stand_ins(["kubernetes"], directory=directory / "plugins", environ=os.environ)
    project = create_project(
        directory / "project",
        ensure_engine(environ=os.environ, progress=say),
        {**environ, "KUBECONFIG": str(cluster.kubeconfig)},
        program=PROGRAM,
    )
    project.timeout_seconds = _LIMIT_SECONDS
    bucket = directory / "bucket"
    bucket.mkdir()
    return ServingStack(
        project=project,
        bucket=bucket,
        namespace=NAMESPACE,
        api=Client(str(cluster.kubeconfig)),
        context="test",
        kubernetes={},
    )


@contextmanager
def on_a_node(directory: Path) -> Iterator[tuple[ServingStack, RealNode]]:
    """Run a node that has the images which pods name, and a stack on it with three versions."""
    programs = ensure_cluster_programs(with_node=True, environ=os.environ, progress=say)
    images = [
        *(serving_image(tag) for tag in SERVING_TAGS),
        rclone_image(f"docker.io/{FETCH_IMAGE}"),
    ]
    with real_node(programs, images, directory / "node" / "state") as node:
        stack = stack_on(node.cluster, directory)
        stack.publish_answering(str(stack.bucket), directory / "models", 1, 2)
        stack.publish(3)  # nothing that a server could load
        yield stack, node


def heart(version: int, **more: Any) -> Mapping[str, Any]:
    """Give a model of two small pods."""
    return {
        "version": version,
        "replicas": 2,
        "resources": {"cpu": "400m", "memory": "1Gi"},
        **more,
    }


def canary(share: int, version: int = 2, *, beside: int = 1) -> Mapping[str, Any]:
    """Give it with a canary."""
    return heart(beside, canary={"version": version, "share": share})


def releases(directory: Path, clients: int) -> list[dict[str, Any]]:
    """Release under load, one thing after the other; give what the clients saw of each."""
    # What is done, the model then, and whether it comes up.
    steps = (
        ("release, 1 → 2", heart(2), True),
        ("roll back, 2 → 1", heart(1), True),
        ("canary of version 2, 10 %", canary(10), True),
        ("canary, 50 %", canary(50), True),
        ("canary abandoned", heart(1), True),
        ("canary, 50 %, again", canary(50), True),
        ("canary taken over: 100 %", heart(2), True),
        ("canary of version 3, which cannot load", canary(33, 3, beside=2), False),
        ("canary abandoned", heart(2), True),
        ("release of version 3, which cannot load", heart(3), False),
        ("roll back to 1", heart(1), True),
    )
    seen = []
    with on_a_node(directory) as (stack, node):
        stack.up(heart=heart(1))
        service = f"/api/v1/namespaces/{NAMESPACE}/services/heart"
        address = stack.api.call("GET", service)["spec"]["clusterIP"]
        url = f"http://{address}:8501/v1/models/heart:predict"
        for name, model, comes_up in steps:
            say(name)
            load = LoadOn(
                node.inside(),
                url,
                body={"instances": [0.0]},
                clients=clients,
                pause_seconds=_PAUSE_SECONDS,
            )
            with load:
                began = time.perf_counter()
                said = stack.up(heart=model, expect=0 if comes_up else None)
                took = time.perf_counter() - began
                if "canary" not in model:
                    # Its pods answer for a while yet, and none of these answers may be lost.
                    stack.until_only("heart")
            versions: collections.Counter[str] = collections.Counter()
            for text, count in load.outcome.answers.items():
                versions[text.partition("[")[2].partition(".")[0]] += count
            seen.append(
                {
                    "step": name,
                    "seconds": took,
                    "answers": versions,
                    "failures": load.outcome.failures,
                    "error": "" if comes_up else error_of(said),
                }
            )
        stack.project.destroy()
    return seen


def error_of(said: str) -> str:
    """Give the reason with which an update ended."""
    reasons = (line.partition("error: ")[2] for line in said.splitlines())
    return next((each for each in reasons if "does not come up" in each), "")[:600]


def previews(directory: Path, rounds: int) -> dict[int, list[float]]:
    """Preview stacks of many models that are not there yet, by turns."""
    programs = ensure_cluster_programs(with_node=False, environ=os.environ, progress=say)
    seen: dict[int, list[float]] = {count: [] for count in COUNTS}
    with control_plane(programs, directory / "control" / "state") as cluster:
        run_fake_nodes(cluster)
        stack = stack_on(cluster, directory)
        for number in range(COUNTS[-1]):
            stack.publish(1, model=f"model-{number}")
        for number in range(rounds):
            for count in COUNTS if number % 2 == 0 else reversed(COUNTS):
                say(f"preview of {count} models")
                stack.configure(
                    **{f"model-{each}": {"version": 1, "replicas": 2} for each in range(count)}
                )
                began = time.perf_counter()
                stack.project.pulumi("preview")
                seen[count].append(time.perf_counter() - began)
    return seen


def main() -> None:
    """Print the figures."""
    clients, rounds = int(sys.argv[1]), int(sys.argv[2])
    with tempfile.TemporaryDirectory(prefix="cluster-") as name:
        directories = [Path(name, part) for part in ("previews", "releases")]
        for each in directories:
            each.mkdir()
            # Pods read their models as a user that is nobody here.
            each.chmod(0o755)
        Path(name).chmod(0o755)
        figures = {
            "previews": previews(directories[0], rounds),
            "releases": releases(directories[1], clients),
        }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
