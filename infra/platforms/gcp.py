"""A stack on Google Cloud: services, bucket, identities, cluster, models, and who is told.

The order is the one in which things need each other; what one of them is like is said by the
modules beside this one, which take the configuration apart.
"""

from collections.abc import Mapping

import pulumi
import pulumi_gcp as gcp

from infra.compute.gke import GkeCluster
from infra.config import StackConfig, Target
from infra.config.rules.gcp import continent_of, unchecked
from infra.gcp_names import bucket_name
from infra.labels import stack_labels
from infra.names import namespace_name
from infra.platforms.cluster_models import ClusterPlace, declare_cluster_models
from infra.platforms.cluster_namespace import declare_namespace
from infra.platforms.gcp_cluster import (
    cluster_location,
    cluster_pools,
    declare_cluster,
    log_link,
)
from infra.platforms.gcp_identity import Server, ci, publishers, serving_identities
from infra.platforms.gcp_observe import observe
from infra.platforms.gcp_place import GcpPlace
from infra.platforms.gcp_vertex import serve_on_vertex
from infra.platforms.published import require_published
from infra.platforms.stack import RunningStack, ServedModel, StackOutputs, configured_outputs
from infra.project.gcp_services import GcpServices, NeededServices, needed_services
from infra.serving.tf_serving.args import ClusterAccess
from infra.serving.tf_serving.sources import ReadFromGcs
from infra.storage.gcs import GcsModelBucket, GcsModelBucketArgs
from infra.storage.published import PublishedModels


def declare(stack: RunningStack) -> StackOutputs:
    """Declare everything; give the bucket, the models, and who was let in."""
    for note in unchecked(stack.config):
        pulumi.log.info(f"{stack.file_name}: {note}")
    place = _place(stack)
    config = stack.config
    cluster = declare_cluster(place)
    namespace = config.kubernetes.namespace or namespace_name(stack.name)
    servers = serving_identities(place, namespace, cluster)
    models = configured_outputs(config)
    served = {
        **_serve_in_cluster(place, namespace, cluster, servers),
        **serve_on_vertex(place, _of(config, Target.VERTEX), servers),
    }
    for name, model in served.items():
        models[name] |= model.output
    outputs = {
        **_cluster_outputs(place, cluster),
        **publishers(place),
        **ci(place, cluster, servers),
        **observe(place, namespace, after=[model.component for model in served.values()]),
    }
    return StackOutputs(bucket=place.bucket.url, models=models, more=outputs)


def _place(stack: RunningStack) -> GcpPlace:
    config = stack.config
    # The configuration refuses a stack without them.
    project, region = str(config.gcp.project), str(config.gcp.region)
    labels = stack_labels(stack.name, config.labels)
    name = config.bucket.name or bucket_name(project=project, stack=stack.name)
    manifests = require_published(config, stack.file_name, PublishedModels(f"gs://{name}"))
    provider = gcp.Provider(
        "gcp",
        gcp.ProviderArgs(
            project=project,
            region=region,
            # The service that keeps budgets asks a user which project asks; others need not know.
            billing_project=project if config.budget else None,
            user_project_override=True if config.budget else None,
        ),
    )
    services = GcpServices(
        "services",
        project=project,
        services=needed_services(_needs(config)),
        opts=pulumi.ResourceOptions(providers=[provider]),
    )
    location = config.bucket.location or region
    bucket = GcsModelBucket(
        "models",
        GcsModelBucketArgs(
            name=name,
            project=project,
            location=location,
            multi_region=continent_of(location) if "+" in location else None,
            force_destroy=config.bucket.force_destroy,
            keep_deleted_days=config.bucket.keep_deleted_days,
            abandoned_upload_days=config.bucket.abandoned_upload_days,
            retention_days=config.bucket.retention_days,
            kms_key=config.bucket.kms_key,
            access_log_days=config.bucket.access_log_days,
            hierarchical_namespace=config.bucket.hierarchical_namespace,
            labels=labels,
        ),
        pulumi.ResourceOptions(providers=[provider], depends_on=[services]),
    )
    return GcpPlace(
        stack=stack,
        project=project,
        region=region,
        provider=provider,
        labels=labels,
        before=[services],
        bucket=bucket,
        manifests=manifests,
    )


def _needs(config: StackConfig) -> NeededServices:
    ci_comes = config.identity.ci is not None and config.identity.ci.github is not None
    return NeededServices(
        cluster=config.cluster is not None,
        image_streaming=config.cluster is not None and config.cluster.image_streaming,
        vertex=bool(_of(config, Target.VERTEX)),
        federation=ci_comes,
        impersonation=config.identity.impersonation,
        kms=config.bucket.kms_key is not None,
        budget=config.budget is not None,
        observe=config.observe.is_wanted,
        topic=config.budget is not None and config.budget.topic,
    )


def _of(config: StackConfig, target: Target) -> tuple[str, ...]:
    return tuple(name for name, model in config.models.items() if model.target is target)


def _serve_in_cluster(
    place: GcpPlace,
    namespace: str,
    cluster: GkeCluster | None,
    servers: Mapping[str, Server],
) -> Mapping[str, ServedModel]:
    if cluster is None:
        return {}
    before = list(cluster.ready)
    if place.stack.config.kubernetes.create_namespace:
        before.append(declare_namespace(place.stack.name, namespace, cluster.provider))
    served = declare_cluster_models(
        place.stack,
        ClusterPlace(
            namespace=namespace,
            source=ReadFromGcs(url=place.bucket.address),
            access=ClusterAccess(kubeconfig=cluster.kubeconfig),
            pools=cluster_pools(place.stack.config),
            annotations={name: server.identity.annotations for name, server in servers.items()},
        ),
        place.manifests,
        lambda name: pulumi.ResourceOptions(
            providers=[cluster.provider],
            depends_on=[*before, servers[name].identity, *servers[name].grants],
        ),
    )
    return {
        name: model.telling(log=log_link(place, cluster, namespace=namespace, model=name))
        for name, model in served.items()
    }


def _cluster_outputs(place: GcpPlace, cluster: GkeCluster | None) -> dict[str, object]:
    if cluster is None:
        return {}
    config = place.stack.config
    return {
        "cluster": {
            "name": cluster.name,
            "location": cluster_location(config),
            "project": place.project,
        }
    }
