"""A program of one model on Vertex AI, told by `model.json` beside it what the model shall be."""

import json
from pathlib import Path
from typing import Any

import pulumi

from infra.serving.vertex.component import VertexModel, VertexModelArgs
from infra.serving.vertex.specs import Machine, Place, Scaling
from tests.vertex.specs import container, deployment_spec, endpoint_spec, version_spec


def declare(wanted: dict[str, Any]) -> None:
    """Declare the model; `versions` maps each version to its percentage of the requests."""
    place = Place(project="example-ml", region="europe-west4", api_host=wanted["api_host"])
    shares = {int(version): share for version, share in wanted["versions"].items()}
    options = wanted.get("container", {})
    versions = tuple(
        version_spec(
            place,
            version,
            container=container(version, **options),
            description=wanted.get("description", "words"),
        )
        for version in sorted(shares)
    )
    deployments = tuple(
        deployment_spec(
            place,
            spec.version,
            key=spec.key,
            machine=Machine(type=wanted.get("machine", "n1-standard-2")),
            scaling=Scaling(
                min_replicas=1, max_replicas=wanted.get("max_replicas", 2), cpu_percent=60
            ),
            drain_seconds=wanted.get("drain_seconds", 1),
        )
        for spec in versions
    )
    model = VertexModel(
        "heart",
        VertexModelArgs(
            endpoint=endpoint_spec(place),
            versions=versions,
            deployments=() if wanted.get("paused") else deployments,
            split={} if wanted.get("paused") else shares,
            stable=min(shares),
            canary=max(shares) if len(shares) > 1 else None,
        ),
    )
    pulumi.export("dns", model.dns)


def main() -> None:
    declare(json.loads(Path("model.json").read_text()))
