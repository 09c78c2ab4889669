"""What a cluster's settings must be to each other and to the models that it serves. Pure."""

from collections.abc import Iterator
from typing import Final

from infra.config.model import LATEST, ModelConfig, StackConfig
from infra.config.problems import Finding
from infra.config.sections.kubernetes_model import KedaConfig, LoadMetricsConfig
from infra.config.values import Platform, Strategy, Target
from infra.names import MODEL_SUFFIXES

_ONLY_S3: Final = ("mountpoint", "endpoint", "region", "secret")
_ONLY_DIRECTORIES: Final = ("node_path", "claim")


def kubernetes_findings(stack: StackConfig) -> Iterator[Finding]:
    """Give every rule that the place breaks, and the models that Kubernetes serves."""
    if stack.platform is Platform.KUBERNETES:
        yield from _bucket(stack)
        yield from _pools(stack)
    served = {
        name: model for name, model in stack.models.items() if model.target is Target.KUBERNETES
    }
    for name, model in served.items():
        yield from _name(name, stack)
        yield from _strategy(("models", name), model, stack)
        yield from _scaling(("models", name), model, stack)
        yield from _conversion(("models", name), model, stack)


def _bucket(stack: StackConfig) -> Iterator[Finding]:
    bucket, way = stack.bucket, stack.kubernetes.bucket
    if bucket.url is not None and bucket.path is not None:
        yield Finding(
            at=("bucket", "path"),
            rule=f"the bucket is {bucket.url} already",
            remedy="Remove one of the two",
        )
    is_s3 = bucket.url is not None and bucket.url.startswith("s3://")
    for key in way.model_fields_set & set(_ONLY_S3) if not is_s3 else ():
        yield Finding(
            at=("kubernetes", "bucket", key),
            rule="it is for a bucket on s3://, and this one is not",
            remedy="Remove the line, or write for example: servestack:bucket.url: s3://models",
        )
    for key in way.model_fields_set & set(_ONLY_DIRECTORIES) if bucket.url else ():
        yield Finding(
            at=("kubernetes", "bucket", key),
            rule=f"it is for a bucket that is a directory, and this one is {bucket.url}",
            remedy="Remove the line",
        )
    if way.claim is not None and way.node_path is not None:
        yield Finding(
            at=("kubernetes", "bucket", "node_path"),
            rule="the claim says already where the directory is",
            remedy="Remove one of the two",
        )
    if way.mountpoint:
        for key in way.model_fields_set & {"endpoint", "secret"}:
            yield Finding(
                at=("kubernetes", "bucket", key),
                rule="the Mountpoint driver is told its store and its keys where it is installed",
                remedy="Remove the line, or the line mountpoint",
            )


def _pools(stack: StackConfig) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for name, pool in stack.kubernetes.gpu_pools.items():
        if pool.accelerator in seen:
            yield Finding(
                at=("kubernetes", "gpu_pools", name, "accelerator"),
                rule=f"{pool.accelerator} is what {seen[pool.accelerator]} is called already",
                remedy="Give one of them another name, and write it as the models' gpu.type",
            )
        seen.setdefault(pool.accelerator, name)
        if not pool.node_labels:
            yield Finding(
                at=("kubernetes", "gpu_pools", name, "node_labels"),
                rule="without a label no node is known to be of the pool",
                remedy="Write for example: node_labels: {pool: l4}",
            )


def _name(name: str, stack: StackConfig) -> Iterator[Finding]:
    for suffix in MODEL_SUFFIXES:
        owner = name.removesuffix(f"-{suffix}")
        other = stack.models.get(owner)
        if owner != name and other is not None and other.target is Target.KUBERNETES:
            yield Finding(
                at=("models", name),
                rule=f"{name} is the name of an object of models.{owner} too",
                remedy="Give one of the two models another name",
            )


def _strategy(at: tuple[str, ...], model: ModelConfig, stack: StackConfig) -> Iterator[Finding]:
    if model.strategy is Strategy.HOT and model.canary is not None:
        yield Finding(
            at=(*at, "canary"),
            rule="one server gives what names no version to the highest that it has, so that hot "
            "cannot give a canary its share",
            remedy="Remove the canary, or write: strategy: pod",
        )
    if model.strategy is Strategy.HOT and (model.resources is None or not model.resources.memory):
        yield Finding(
            at=(*at, "resources", "memory"),
            rule="is missing: a running server gets no more, and hot holds two versions at once",
            remedy="Write what two versions need, for example: memory: 4Gi",
        )
    follows = model.strategy is Strategy.HOT or model.version == LATEST
    if follows and _is_fetched(stack):
        key = "version" if model.version == LATEST else "strategy"
        yield Finding(
            at=(*at, key),
            rule="a pod fetches its version from s3:// before it starts, and none after",
            remedy="Name the version and write: strategy: pod, or mount the bucket: "
            "servestack:kubernetes.bucket.mountpoint: true",
        )


def _is_fetched(stack: StackConfig) -> bool:
    is_s3 = stack.bucket.url is not None and stack.bucket.url.startswith("s3://")
    return (is_s3 or stack.platform is Platform.AWS) and not stack.kubernetes.bucket.mountpoint


def _scaling(at: tuple[str, ...], model: ModelConfig, stack: StackConfig) -> Iterator[Finding]:
    if model.kubernetes.keda is not None:
        yield from _keda(at, model, stack, model.kubernetes.keda)
    elif model.kubernetes.load is not None:
        yield from _load(at, model, model.kubernetes.load)


def _keda(
    at: tuple[str, ...], model: ModelConfig, stack: StackConfig, keda: KedaConfig
) -> Iterator[Finding]:
    for key in ("replicas", "autoscaling"):
        if getattr(model, key) is not None:
            yield Finding(
                at=(*at, key),
                rule="KEDA decides the number of pods already",
                remedy="Remove it, or remove the section kubernetes.keda",
            )
    if model.kubernetes.load is not None:
        yield Finding(
            at=(*at, "kubernetes", "load"),
            rule="KEDA decides the number of pods already",
            remedy="Remove it, or remove the section kubernetes.keda",
        )
    if keda.min_replicas > keda.max_replicas:
        yield Finding(
            at=(*at, "kubernetes", "keda", "min_replicas"),
            rule=f"{keda.min_replicas} is more than max_replicas: {keda.max_replicas}",
            remedy=f"Write at most: min_replicas: {keda.max_replicas}",
        )
    if model.canary is not None and stack.kubernetes.gateway is None:
        yield Finding(
            at=(*at, "canary"),
            rule="KEDA changes the number of pods, and nothing else gives a canary its share",
            remedy="Remove the canary or the section kubernetes.keda, or name a Gateway: "
            "servestack:kubernetes.gateway",
        )


def _load(at: tuple[str, ...], model: ModelConfig, load: LoadMetricsConfig) -> Iterator[Finding]:
    if model.autoscaling is None:
        yield Finding(
            at=(*at, "kubernetes", "load"),
            rule="a load is measured where the number of pods follows it",
            remedy="Write for example: autoscaling: {min_replicas: 1, max_replicas: 4}",
        )
    if load.requests_per_second is None and load.gpu_duty_cycle_percent is None:
        yield Finding(
            at=(*at, "kubernetes", "load"),
            rule="it names no load",
            remedy="Write requests_per_second or gpu_duty_cycle_percent, or remove the section",
        )
    if load.gpu_duty_cycle_percent is not None and model.gpu is None:
        yield Finding(
            at=(*at, "kubernetes", "load", "gpu_duty_cycle_percent"),
            rule="the model has no GPU",
            remedy="Remove the line, or write for example: gpu: {type: nvidia-l4}",
        )


def _conversion(at: tuple[str, ...], model: ModelConfig, stack: StackConfig) -> Iterator[Finding]:
    conversion = model.kubernetes.conversion
    if conversion is None:
        return
    here = (*at, "kubernetes", "conversion")
    if conversion.of == conversion.to:
        yield Finding(
            at=(*here, "to"),
            rule=f"{conversion.to} is the version that is converted; a version never changes",
            remedy=f"Write a number that is free, for example: to: {conversion.of + 1}",
        )
    if model.gpu is None:
        yield Finding(
            at=here,
            rule="engines are built on the GPU that will serve, and the model has none",
            remedy="Write for example: gpu: {type: nvidia-l4}",
        )
    if stack.kubernetes.bucket.mountpoint:
        yield Finding(
            at=here,
            rule="the result is published into the bucket, and this one is mounted to be read",
            remedy="Remove the section, or the line servestack:kubernetes.bucket.mountpoint",
        )
