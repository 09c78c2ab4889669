"""A stack for every field in every place: what the tests of refusals and of effects go through."""

from collections.abc import Mapping
from typing import Any, get_args

from infra.config import Platform, Target
from infra.config.refusals import Place
from infra.config.refusals.refusal import CLOUDS
from infra.config.values import LocalServerKind
from tests.config.aws_examples import AWS_EXAMPLES, ON_AWS
from tests.config.cloud_examples import BESIDE_MODELS, CLOUD_EXAMPLES
from tests.config.kubernetes_examples import FOLLOWING, KUBERNETES_EXAMPLES
from tests.config.release_examples import NAMES, RELEASE_EXAMPLES
from tests.config.vertex_examples import VERTEX_EXAMPLES

PLATFORMS: Mapping[Platform, Mapping[str, Any]] = {
    Platform.LOCAL: {},
    Platform.GCP: {
        "gcp": {
            "project": "example-ml",
            "region": "europe-west4",
            "billing_account": "000000-000000-000000",
        },
        "cluster": {},
    },
    Platform.AWS: {"aws": {"account": "123456789012", "region": "eu-central-1"}, "cluster": {}},
    Platform.KUBERNETES: {
        "kubernetes": {"context": "kind-kind"},
        "bucket": {"path": "/mnt/models"},
    },
}
TARGETS = {
    Platform.LOCAL: (Target.LOCAL,),
    Platform.GCP: (Target.KUBERNETES, Target.VERTEX),
    Platform.AWS: (Target.KUBERNETES, Target.SAGEMAKER),
    Platform.KUBERNETES: (Target.KUBERNETES,),
}
# A value that is right wherever the field is, and what else the field needs to stand beside it.
EXAMPLES: Mapping[str, tuple[Any, Mapping[str, Any]]] = {
    **CLOUD_EXAMPLES,
    **KUBERNETES_EXAMPLES,
    **RELEASE_EXAMPLES,
    **VERTEX_EXAMPLES,
    "platform": (None, {}),
    "bucket.path": ("/mnt/models", {}),
    "bucket.name": ("example-models", {}),
    "bucket.force_destroy": (True, {}),
    "local.server": ("docker", {}),
    "local.image": ("tensorflow/serving:2.19.0", {}),
    "local.bind_address": ("0.0.0.0", {}),  # noqa: S104 - read, not bound
    "gcp.project": ("example-ml", {}),
    "gcp.region": ("europe-west4", {}),
    **AWS_EXAMPLES,
    "aws.region": ("eu-central-1", {}),
    "kubernetes.context": ("kind-kind", {}),
    "kubernetes.namespace": ("models", {}),
    "models.*.target": (None, {}),
    "models.*.version": (2, {}),
    "models.*.canary.version": (3, {"version": 2, "canary": {"share": 10}}),
    "models.*.canary.share": (20, {"version": 2, "canary": {"version": 3}}),
    "models.*.labels": ({"stable": 2}, {"version": 2}),
    "models.*.strategy": ("hot", {"version": 2, "resources": {"memory": "4Gi"}}),
    "models.*.poll_seconds": (60, {"version": "latest"}),
    "models.*.replicas": (2, {}),
    "models.*.autoscaling.min_replicas": (1, {"autoscaling": {"max_replicas": 2}}),
    "models.*.autoscaling.max_replicas": (3, {"autoscaling": {"min_replicas": 1}}),
    "models.*.autoscaling.target_cpu_percent": (
        70,
        {"autoscaling": {"min_replicas": 1, "max_replicas": 2}},
    ),
    "models.*.resources.cpu": ("500m", {}),
    "models.*.resources.memory": ("2Gi", {}),
    "models.*.gpu.type": ("nvidia-l4", {}),
    "models.*.gpu.count": (2, {"gpu": {"type": "nvidia-l4"}}),
    "models.*.gpu.memory_fraction": (0.5, {"gpu": {"type": "nvidia-l4"}}),
    "models.*.batching.max_batch_size": (16, {}),
    "models.*.batching.batch_timeout_micros": (500, {}),
    "models.*.batching.max_enqueued_batches": (10, {}),
    "models.*.batching.num_batch_threads": (2, {}),
    "models.*.batching.allowed_batch_sizes": ([1, 32], {}),
    "models.*.warmup": (False, {}),
    "models.*.threads.intra_op": (2, {}),
    "models.*.threads.inter_op": (2, {}),
    "models.*.prefer_tflite_model": (True, {}),
    "models.*.ports.rest": (8501, {}),
    "models.*.ports.grpc": (8500, {}),
}
PLACES = [
    Place(platform=platform, target=target, server=server)
    for platform, targets in TARGETS.items()
    for target in targets
    for server in (get_args(LocalServerKind) if platform is Platform.LOCAL else ("process",))
]


def merged(base: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(base)
    for key, value in extra.items():
        inner = both.get(key)
        is_section = isinstance(value, Mapping) and isinstance(inner, Mapping)
        both[key] = merged(inner, value) if is_section and inner is not None else value
    return both


def nested(path: str, value: Any) -> dict[str, Any]:
    for key in reversed(path.split(".")):
        value = {key: value}
    return dict(value)


def stack_with(path: str, place: Place) -> dict[str, Any]:
    own = ON_AWS if place.platform is Platform.AWS else {}
    value, beside = own.get(path, EXAMPLES[path])
    raw = merged({"platform": str(place.platform)}, PLATFORMS[place.platform])
    if place.server == "docker":
        raw = merged(raw, {"local": {"server": "docker"}})
    if path.startswith("models."):
        raw = merged(raw, {"models": {"heart": {"target": str(place.target), **beside}}})
        for start, around in BESIDE_MODELS.items():
            if path.startswith(start) and place.platform in CLOUDS:
                raw = merged(raw, around)
        if path in FOLLOWING and place.platform is Platform.AWS and place.target == "kubernetes":
            raw = merged(raw, {"kubernetes": {"bucket": {"mountpoint": True}}})
    else:
        raw = merged(raw, beside)
    if value is not None:
        for pattern, name in NAMES.items():
            path = path.replace(pattern, name)
        raw = merged(raw, nested(path.replace("*", "heart"), value))
    if place.platform is Platform.KUBERNETES and "url" in raw["bucket"]:
        del raw["bucket"]["path"]
    if place.platform is Platform.AWS and path == "kubernetes.bucket.mountpoint":
        del raw["bucket"]  # it has its own, and may name no other
    return raw
