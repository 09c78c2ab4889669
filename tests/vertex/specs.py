"""Specs as a stack of one model would have them, each with what a test wants to be different."""

from typing import Any

from infra.serving.settings import ServingSettings
from infra.serving.vertex.container import tf_serving_container
from infra.serving.vertex.specs import (
    AliasesSpec,
    ContainerSpec,
    DeploymentSpec,
    EndpointSpec,
    Machine,
    Owner,
    Place,
    Scaling,
    TrafficSpec,
    VersionSpec,
)

OWNER = Owner(stack="dev", model="heart")
IMAGE = "europe-west4-docker.pkg.dev/example-ml/servestack/tensorflow/serving:2.19.1"
ENDPOINT_ID = "123456789"
PLACE = Place(project="example-ml", region="europe-west4")


def container(version: int, **options: Any) -> ContainerSpec:
    settings = ServingSettings(
        model="heart",
        base_path="gs://example-models/heart",
        versions=(version,),
        rest_port=0,
        grpc_port=0,
        **options,
    )
    return tf_serving_container(settings, image=IMAGE, size_bytes=1_000_000)


def version_spec(place: Place = PLACE, version: int = 1, **changes: Any) -> VersionSpec:
    known: dict[str, Any] = {
        "place": place,
        "owner": OWNER,
        "model_id": "dev_heart",
        "version": version,
        "digest": f"sha256:{version:x}".ljust(71, "0"),
        "container": container(version),
        "description": f"version {version}",
        "labels": {"team": "vision"},
    }
    return VersionSpec(**(known | changes))


def endpoint_spec(place: Place = PLACE, **changes: Any) -> EndpointSpec:
    known: dict[str, Any] = {
        "place": place,
        "owner": OWNER,
        "endpoint_id": ENDPOINT_ID,
        "labels": {"team": "vision"},
    }
    return EndpointSpec(**(known | changes))


def deployment_spec(place: Place = PLACE, version: int = 1, **changes: Any) -> DeploymentSpec:
    known: dict[str, Any] = {
        "place": place,
        "owner": OWNER,
        "endpoint_id": ENDPOINT_ID,
        "model_id": "dev_heart",
        "key": version_spec(place, version).key,
        "machine": Machine(type="n1-standard-2"),
        "scaling": Scaling(min_replicas=1, max_replicas=2, cpu_percent=60),
        "service_account": "serving@example-ml.iam.gserviceaccount.com",
    }
    return DeploymentSpec(**(known | changes))


def traffic_spec(place: Place = PLACE, **split: int) -> TrafficSpec:
    """Split by version: `v1=100`."""
    ids = {name: deployment_spec(place, int(name[1:])).deployed_id for name in split}
    return TrafficSpec(
        place=place,
        owner=OWNER,
        endpoint_id=ENDPOINT_ID,
        split={ids[name]: share for name, share in split.items()},
    )


def aliases_spec(place: Place = PLACE, **aliases: int) -> AliasesSpec:
    return AliasesSpec(
        place=place,
        owner=OWNER,
        model_id="dev_heart",
        aliases={alias: version_spec(place, at).key for alias, at in aliases.items()},
    )
