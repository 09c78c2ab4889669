"""A stack in a cluster that exists: a namespace, the way to the bucket, and the models."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pulumi
from pulumi_kubernetes import Provider

from infra.compute.api_server import ApiServer
from infra.compute.pools import GpuPool, GpuSharing, Toleration
from infra.compute.questions import Found, Wanted, ask, found_pools
from infra.config import StackConfig
from infra.errors import ServestackError
from infra.names import digested, namespace_name
from infra.platforms.cluster_models import (
    ClusterPlace,
    cluster_models,
    declare_cluster_models,
    declare_conversions,
    room_problems,
)
from infra.platforms.cluster_namespace import declare_namespace
from infra.platforms.cluster_needs import lacking, wanted_of
from infra.platforms.observing import watch_in_cluster
from infra.platforms.published import require_published
from infra.platforms.stack import RunningStack, StackOutputs, configured_outputs
from infra.serving.tf_serving.args import ClusterAccess
from infra.serving.tf_serving.bucket_volume import (
    BucketVolume,
    BucketVolumeArgs,
    MountpointBucket,
    NodeDirectory,
)
from infra.serving.tf_serving.sources import (
    FetchFromS3,
    ModelSource,
    MountedClaim,
    ReadFromGcs,
)
from infra.storage.directory import bucket_path
from infra.storage.published import PublishedModels

_CLAIM: Final = "models"


def declare(stack: RunningStack) -> StackOutputs:
    """Declare the namespace, the bucket's volume and the models."""
    config = stack.config
    bucket = _bucket_url(stack)
    namespace = config.kubernetes.namespace or namespace_name(stack.name)
    wanted = wanted_of(config, namespace)
    with ThreadPoolExecutor(1) as asking:
        # The bucket and the cluster are asked at the same time.
        answer = asking.submit(ask_cluster, config.kubernetes.context, wanted)
        manifests = require_published(config, stack.file_name, PublishedModels(bucket))
        found = answer.result()
    pools = (*_declared_pools(config), *found_pools(found.nodes))
    _require(
        stack,
        (*lacking(config, stack.name, wanted, found), *room_problems(config, pools, manifests)),
    )
    provider = Provider("cluster", context=config.kubernetes.context)
    before: list[pulumi.Resource] = []
    if config.kubernetes.create_namespace:
        before.append(declare_namespace(stack.name, namespace, provider))
    volume = _volume(stack, namespace)
    if volume is not None:
        before.append(
            BucketVolume(
                "models",
                volume,
                pulumi.ResourceOptions(providers=[provider], depends_on=list(before)),
            )
        )
    place = ClusterPlace(
        namespace=namespace,
        source=_source(config),
        access=ClusterAccess(context=config.kubernetes.context),
        pools=pools,
        annotations=dict.fromkeys(
            cluster_models(config), config.kubernetes.service_account_annotations
        ),
    )

    def options(_: str) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(providers=[provider], depends_on=before)

    declare_conversions(stack, place, manifests, options)
    served = declare_cluster_models(stack, place, manifests, options)
    models = configured_outputs(config)
    for name, model in served.items():
        models[name] |= model.output
    shown = watch_in_cluster(
        stack.name,
        config,
        namespace,
        after=[model.component for model in served.values()],
        opts=options(""),
    )
    return StackOutputs(bucket=bucket, models=models, more={"namespace": namespace, **shown})


def ask_cluster(context: str | None, wanted: Wanted) -> Found:
    """Ask the cluster that the context names."""
    return ask(ApiServer(kubeconfig=None, context=context), wanted)


def _require(stack: RunningStack, problems: Sequence[tuple[str, str]]) -> None:
    """Refuse, before anything is declared, whatever the cluster cannot give."""
    if problems:
        raise ServestackError(
            "\n".join(f"{stack.file_name}: servestack:{key}: {what}" for key, what in problems)
        )


def _bucket_url(stack: RunningStack) -> str:
    bucket = stack.config.bucket
    if bucket.url is not None:
        return bucket.url
    path = bucket_path(bucket.path, checkout=stack.checkout, home=stack.home, stack=stack.name)
    return path.as_uri()


def _source(config: StackConfig) -> ModelSource:
    url, way = config.bucket.url, config.kubernetes.bucket
    if url is None:
        return MountedClaim(claim=way.claim or _CLAIM)
    if url.startswith("gs://"):
        return ReadFromGcs(url=url)
    if way.mountpoint:
        return MountedClaim(claim=_CLAIM, of_store=True)
    return FetchFromS3(url=url, endpoint=way.endpoint, region=way.region, secret=way.secret)


def _volume(stack: RunningStack, namespace: str) -> BucketVolumeArgs | None:
    """Give the volume that shows the bucket to pods, where they neither fetch nor read it."""
    config = stack.config
    url, way = config.bucket.url, config.kubernetes.bucket
    # A volume is nobody's namespace's, and two stacks may be in one cluster.
    name = digested(f"servestack-{namespace}", of=f"{stack.name}\0{namespace}", limit=63)
    if url is not None:
        if not way.mountpoint:
            return None
        place = MountpointBucket(url=url, region=way.region)
        return BucketVolumeArgs(volume=name, claim=_CLAIM, namespace=namespace, place=place)
    if way.claim is not None:
        return None
    path = way.node_path or str(
        bucket_path(config.bucket.path, checkout=stack.checkout, home=stack.home, stack=stack.name)
    )
    return BucketVolumeArgs(
        volume=name, claim=_CLAIM, namespace=namespace, place=NodeDirectory(path=path)
    )


def _declared_pools(config: StackConfig) -> tuple[GpuPool, ...]:
    return tuple(
        GpuPool(
            accelerator=pool.accelerator,
            gpus_per_node=pool.gpus_per_node,
            max_nodes=pool.max_nodes,
            node_labels=pool.node_labels,
            tolerations=tuple(Toleration(key=key) for key in pool.taints),
            sharing=(
                GpuSharing(clients_per_gpu=pool.clients_per_gpu) if pool.clients_per_gpu else None
            ),
        )
        for pool in config.kubernetes.gpu_pools.values()
    )
