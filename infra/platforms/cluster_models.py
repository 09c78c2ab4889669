"""Models that Kubernetes serves: from a stack's configuration to components, on any platform.

A platform that has a cluster says what it knows of the place, and every model of target
`kubernetes` comes out the same. What the models may ask of the place is checked here, before
anything is declared.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import pulumi

from infra.compute.pools import GpuDemand, GpuPool, can_surge, fits_a_node, shortage
from infra.config import ModelConfig, StackConfig, Strategy, Target
from infra.errors import ServestackError
from infra.platforms.published import Manifests
from infra.platforms.serving import serving_settings
from infra.platforms.stack import RunningStack, ServedModel
from infra.serving.tf_serving.args import (
    CanaryArgs,
    ClusterAccess,
    EventScaling,
    Exposure,
    GatewayRoute,
    GpuPlacement,
    Ingress,
    KubernetesModelArgs,
    PodPlacement,
    Scaling,
)
from infra.serving.tf_serving.capacity import memory
from infra.serving.tf_serving.component import KubernetesModel
from infra.serving.tf_serving.conversion import Conversion, ConversionArgs
from infra.serving.tf_serving.servers import GRPC_PORT, REST_PORT, share_given
from infra.serving.tf_serving.shares import ReplicaShare, replica_share, stable_pods_for
from infra.serving.tf_serving.sources import ModelSource, base_path, is_billed_by_look

SERVER_IMAGE: Final = "tensorflow/serving:2.19.1"
GPU_SERVER_IMAGE: Final = "tensorflow/serving:2.19.1-gpu"
_DEFAULT_CPU: Final = "1"


@dataclass(frozen=True, kw_only=True)
class ClusterPlace:
    """What a platform knows of the cluster that its models go to.

    `source` is how the stack's bucket comes to pods. `annotations` gives each model's service
    account what a cloud knows it by, by the model's name; none where roles are granted directly.
    """

    namespace: str
    source: ModelSource
    access: ClusterAccess
    pools: tuple[GpuPool, ...] = ()
    annotations: Mapping[str, Mapping[str, pulumi.Input[str]]] = field(default_factory=dict)


def cluster_models(config: StackConfig) -> Mapping[str, ModelConfig]:
    """Give the models that Kubernetes serves, by name; those without a version only exist."""
    return {
        name: model
        for name, model in config.models.items()
        if model.target is Target.KUBERNETES and model.version is not None
    }


def declare_cluster_models(
    stack: RunningStack,
    place: ClusterPlace,
    manifests: Manifests,
    opts: Callable[[str], pulumi.ResourceOptions],
) -> Mapping[str, ServedModel]:
    """Declare every model that Kubernetes serves.

    `opts` gives a model's options: the cluster's provider, and what has to be there before.
    """
    planned = cluster_model_args(stack, place, manifests)
    models: dict[str, ServedModel] = {}
    for name, args in planned.items():
        for message in notices(name, args):
            pulumi.log.info(message)
        served = KubernetesModel(name, args, opts(name))
        output = {"rest": served.rest, "grpc": served.grpc, "log": served.log, **served.more}
        models[name] = ServedModel(component=served, output=output)
    return models


def cluster_model_args(
    stack: RunningStack, place: ClusterPlace, manifests: Manifests
) -> Mapping[str, KubernetesModelArgs]:
    """Decide every model's arguments."""
    require_room(stack, place.pools, manifests)
    models = {} if stack.config.paused else cluster_models(stack.config)
    demands = [demand for model in models.values() for demand in _demands(model)]
    return {
        name: _args(stack, name, model, place, manifests, demands) for name, model in models.items()
    }


def declare_conversions(
    stack: RunningStack,
    place: ClusterPlace,
    manifests: Manifests,
    opts: Callable[[str], pulumi.ResourceOptions],
) -> None:
    """Declare what makes versions for TensorRT. What it publishes is for the next release."""
    for name, model in {} if stack.config.paused else stack.config.models.items():
        conversion, pool = model.kubernetes.conversion, _pool_of(model, place.pools)
        if conversion is None or pool is None:
            continue
        Conversion(
            name,
            ConversionArgs(
                stack=stack.name,
                namespace=place.namespace,
                of=manifests[name, conversion.of],
                to=conversion.to,
                source=place.source,
                pool=pool,
                precision=str(conversion.precision),  # type: ignore[arg-type] # the same words
                publisher_image=conversion.publisher_image,
                convert_image=conversion.image,
                service_account_annotations=place.annotations.get(name, {}),
            ),
            opts(name),
        )


def require_room(stack: RunningStack, pools: Sequence[GpuPool], manifests: Manifests) -> None:
    """Refuse, all at once, models that find no GPU in the cluster or no room in their memory.

    To be asked before anything is declared, so that nothing is made half.
    """
    problems = [
        f"{stack.file_name}: servestack:{key}: {problem}"
        for key, problem in room_problems(stack.config, pools, manifests)
    ]
    if problems:
        raise ServestackError("\n".join(problems))


def room_problems(
    config: StackConfig, pools: Sequence[GpuPool], manifests: Manifests
) -> Iterator[tuple[str, str]]:
    """Give each key that asks for more than there is, and what to write instead."""
    models = cluster_models(config)
    demands = [demand for model in models.values() for demand in _demands(model)]
    for name, model in models.items():
        for key, problem in (
            *_gpu_problems(model, pools, demands),
            *_memory_problems(name, model, manifests),
            *_runtime_problems(name, model, manifests),
        ):
            yield f"models.{name}.{key}", problem


def notices(name: str, args: KubernetesModelArgs) -> Iterator[str]:
    """Say at a preview what a user would not expect of what was asked for."""
    share = share_given(args)
    if share is not None and not share.is_near:
        yield _share_notice(name, share)
    if args.gpu is not None and not args.gpu.surge:
        yield (
            f"{name}: pool {args.gpu.pool.accelerator} has no GPU to spare, so an old pod ends "
            "before a new one starts. With one pod the model does not answer meanwhile."
        )
    if args.strategy == "poll" and is_billed_by_look(args.source):
        seconds = args.settings.poll_seconds or 1
        lists = 30 * 86_400 // seconds * args.scaling.max_replicas
        yield (
            f"{name}: looking for new versions every {seconds} s makes up to {lists:,} list "
            "requests a month, which the bucket's owner pays (about 0.05 USD for 10,000)."
        )


def _share_notice(name: str, share: ReplicaShare) -> str:
    needed = stable_pods_for(share.wanted_percent)
    near = replica_share(stable=needed, share_percent=share.wanted_percent)
    return (
        f"{name}: the canary is to have {share.wanted_percent} % and gets {share.percent:g} %: "
        f"{share.canary} of {share.stable + share.canary} pods, and nothing but their number "
        f"divides. replicas: {needed} makes it {near.percent:g} %; a Gateway gives it its share "
        "to the percent (servestack:kubernetes.gateway)."
    )


def _args(
    stack: RunningStack,
    name: str,
    model: ModelConfig,
    place: ClusterPlace,
    manifests: Manifests,
    demands: list[GpuDemand],
) -> KubernetesModelArgs:
    own = model.kubernetes
    stable = manifests[name, model.pinned_version] if model.pinned_version else None
    resources = model.resources
    return KubernetesModelArgs(
        stack=stack.name,
        namespace=place.namespace,
        settings=serving_settings(
            name,
            model,
            versions=model.pinned_versions,
            rest_port=REST_PORT,
            grpc_port=GRPC_PORT,
            base_path=base_path(place.source, name),
        ),
        stable=stable,
        canary=(
            CanaryArgs(published=manifests[name, model.canary.version], share=model.canary.share)
            if model.canary
            else None
        ),
        source=place.source,
        image=own.image or (GPU_SERVER_IMAGE if model.gpu else SERVER_IMAGE),
        access=place.access,
        strategy=str(model.strategy or "pod"),  # type: ignore[arg-type] # the same three words
        cpu=(resources.cpu if resources else None) or _DEFAULT_CPU,
        memory=resources.memory if resources else None,
        scaling=_scaling(model),
        gpu=_gpu(model, place, demands),
        service_account_annotations=place.annotations.get(name, {}),
        exposure=_exposure(stack.config, name, model),
        placement=PodPlacement(
            spread=str(own.spread),  # type: ignore[arg-type] # the same three words
            priority_class=own.priority_class,
            node_labels=own.node_labels,
            disruption_budget=own.disruption_budget,
        ),
        scrape=str(own.scrape),  # type: ignore[arg-type] # the same three words
        drain_seconds=own.drain_seconds,
        image_pull_secret=own.image_pull_secret,
    )


def _scaling(model: ModelConfig) -> Scaling | EventScaling:
    keda, load, scaling = model.kubernetes.keda, model.kubernetes.load, model.autoscaling
    if keda is not None:
        return EventScaling(**keda.model_dump())
    if scaling is None:
        pods = model.replicas or 1
        return Scaling(min_replicas=pods, max_replicas=pods)
    return Scaling(
        min_replicas=scaling.min_replicas,
        max_replicas=scaling.max_replicas,
        cpu_percent=scaling.target_cpu_percent,
        **(load.model_dump() if load else {}),
    )


def _exposure(config: StackConfig, name: str, model: ModelConfig) -> Exposure:
    own, gateway = model.kubernetes, config.kubernetes.gateway
    return Exposure(
        service_type=str(own.service_type),  # type: ignore[arg-type] # the same three words
        service_annotations=own.service_annotations,
        headless=own.headless,
        ingress=Ingress(**own.ingress.model_dump()) if own.ingress else None,
        gateway=(
            GatewayRoute(
                gateway=gateway.name,
                gateway_namespace=gateway.namespace,
                rest_host=f"{name}.{gateway.domain}",
                # Two kinds of routes may not share a host name; no model is named with two hyphens
                # and this, so that none is in the way.
                grpc_host=f"{name}--grpc.{gateway.domain}",
                scheme="https" if gateway.tls else "http",
            )
            if gateway
            else None
        ),
        client_namespaces=own.client_namespaces,
        network_policy=own.network_policy,
    )


def _gpu(model: ModelConfig, place: ClusterPlace, demands: list[GpuDemand]) -> GpuPlacement | None:
    if model.gpu is None:
        return None
    pool = _pool(place.pools, model.gpu.type)
    if pool is None:
        raise AssertionError(model.gpu.type)  # refused before
    surge = can_surge(pool, demands, gpus_per_replica=model.gpu.count)
    return GpuPlacement(pool=pool, gpus=model.gpu.count, surge=surge)


def _pool_of(model: ModelConfig, pools: Sequence[GpuPool]) -> GpuPool | None:
    return None if model.gpu is None else _pool(pools, model.gpu.type)


def _pool(pools: Sequence[GpuPool], accelerator: str) -> GpuPool | None:
    return next((pool for pool in pools if pool.accelerator == accelerator), None)


def _demands(model: ModelConfig) -> Iterator[GpuDemand]:
    if model.gpu is None:
        return
    scaling = _scaling(model)
    pods = scaling.max_replicas + (1 if model.canary else 0)
    yield GpuDemand(accelerator=model.gpu.type, gpus_per_replica=model.gpu.count, replicas=pods)


def _gpu_problems(
    model: ModelConfig, pools: Sequence[GpuPool], demands: list[GpuDemand]
) -> Iterator[tuple[str, str]]:
    if model.gpu is None:
        return
    pool = _pool(pools, model.gpu.type)
    if pool is None:
        known = ", ".join(pool.accelerator for pool in pools)
        there = f"its GPUs are: {known}" if known else "it has no GPU nodes"
        yield (
            "gpu.type",
            (
                f"{model.gpu.type} is not to be had in the cluster ({there}). Write one "
                "that is there, add such nodes, or remove the section"
            ),
        )
        return
    if not fits_a_node(pool, gpus_per_replica=model.gpu.count):
        yield (
            "gpu.count",
            (
                f"a pod wants {model.gpu.count} GPUs and a node of {pool.accelerator} has "
                f"{pool.schedulable_per_node}. Write at most: count: {pool.schedulable_per_node}"
            ),
        )
    short = shortage(pool, demands)
    if short is not None:
        yield (
            "gpu.type",
            (
                f"all models together ask for {short.asked} of {pool.accelerator}, and the "
                f"grown pool has {short.offered}. Let it grow further, or ask for fewer replicas"
            ),
        )


def _memory_problems(
    name: str, model: ModelConfig, manifests: Manifests
) -> Iterator[tuple[str, str]]:
    configured = model.resources.memory if model.resources else None
    if configured is None:
        return
    is_hot = model.strategy is Strategy.HOT
    for version in model.pinned_versions:
        size_bytes = manifests[name, version].size_bytes
        needed = memory((size_bytes,) * (2 if is_hot else 1), configured)
        if needed.is_enough:
            continue
        held = "two versions at once" if is_hot else f"version {version}"
        least_mib = -(-needed.least_bytes // 1024**2)
        yield (
            "resources.memory",
            f"{configured} is too little for {held}; server and model take "
            f"{least_mib}Mi before the first request. Write at least: memory: {least_mib}Mi"
            + (", or write: strategy: pod" if is_hot else ", or remove the line"),
        )


def _runtime_problems(
    name: str, model: ModelConfig, manifests: Manifests
) -> Iterator[tuple[str, str]]:
    """Find versions for TensorRT before a server without it that would fail to load them."""
    if model.kubernetes.image is not None:
        return
    for version in model.pinned_versions:
        if manifests[name, version].labels.get("runtime") == "tensorrt":
            yield (
                "kubernetes.image",
                (
                    f"version {version} is for TensorRT, which {GPU_SERVER_IMAGE} has not. "
                    "Name one that has it, of TF Serving up to 2.17"
                ),
            )
