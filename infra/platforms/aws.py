"""A stack on AWS: bucket, identities, cluster, models, alarms and budget.

The order is the one in which things need each other; what one of them is like is said by the
modules beside this one, which take the configuration apart.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pulumi
import pulumi_aws as aws

from infra.aws_names import alarm_name, bucket_name
from infra.config.rules.aws import unchecked
from infra.labels import STACK_LABEL, stack_labels
from infra.observe.aws_budget import AwsBudget, AwsBudgetArgs
from infra.platforms.aws_archives import read_archives
from infra.platforms.aws_identity import ci, publishers, serving_roles
from infra.platforms.aws_observe import watch_on_sagemaker
from infra.platforms.aws_place import AwsPlace
from infra.platforms.published import Manifests, require_published
from infra.platforms.stack import RunningStack, ServedModel, StackOutputs, configured_outputs
from infra.storage.published import PublishedModels
from infra.storage.s3 import S3ModelBucket, S3ModelBucketArgs

if TYPE_CHECKING:
    from infra.compute.eks import EksCluster


def declare(stack: RunningStack) -> StackOutputs:
    """Declare everything; give the bucket, the models, and who was let in."""
    for note in unchecked(stack.config):
        pulumi.log.info(f"{stack.file_name}: {note}")
    config = stack.config
    # The configuration refuses a stack without them.
    account, region = str(config.aws.account), str(config.aws.region)
    name = config.bucket.name or bucket_name(account=account, region=region, stack=stack.name)
    bucket = PublishedModels(f"s3://{name}")
    manifests = require_published(config, stack.file_name, bucket)
    endpoints = read_archives(stack, bucket, manifests)
    place = _place(stack, account, region, name, manifests)
    cluster = _cluster(place)
    servers = serving_roles(place, cluster)
    models = configured_outputs(config)
    outputs: dict[str, object] = {}
    served: dict[str, ServedModel] = {}
    shown: Mapping[str, object] = {}
    if cluster is not None:
        from infra.platforms.aws_cluster import (  # noqa: PLC0415 as in _cluster
            cluster_outputs,
            serve_in_cluster,
        )

        in_cluster, shown = serve_in_cluster(place, cluster, servers)
        served |= in_cluster
        outputs |= cluster_outputs(place, cluster)
    if endpoints:
        # Amazon's SDK for SageMaker takes a second to load, and not every stack has an endpoint.
        from infra.platforms.aws_sagemaker import serve_on_sagemaker  # noqa: PLC0415

        served |= serve_on_sagemaker(place, endpoints, servers)
    for name, model in served.items():
        models[name] |= model.output
    managed = watch_on_sagemaker(place, served)
    if managed and shown:
        # Of two dashboards the one in the cluster has the longer name.
        shown = {"cluster_dashboard": shown["dashboard"]}
    outputs |= {**shown, **managed, **publishers(place), **ci(place, cluster, servers)}
    outputs |= _budget(place)
    return StackOutputs(bucket=place.bucket.url, models=models, more=outputs)


def _cluster(place: AwsPlace) -> "EksCluster | None":
    if place.stack.config.cluster is None:
        return None
    # The SDKs for networks and clusters take seconds to load, and not every stack has one.
    from infra.platforms.aws_cluster import declare_cluster  # noqa: PLC0415

    return declare_cluster(place, place.stack.config.cluster)


def _place(
    stack: RunningStack, account: str, region: str, name: str, manifests: Manifests
) -> AwsPlace:
    config = stack.config
    provider = aws.Provider(
        "aws",
        aws.ProviderArgs(
            region=region,
            # Whoever is logged in to another account is stopped before anything is touched.
            allowed_account_ids=[account],
            default_tags=aws.ProviderDefaultTagsArgs(tags=stack_labels(stack.name, config.labels)),
        ),
    )
    bucket = S3ModelBucket(
        "models",
        S3ModelBucketArgs(
            name=name,
            account=account,
            region=region,
            force_destroy=config.bucket.force_destroy,
            keep_deleted_days=config.bucket.keep_deleted_days,
            abandoned_upload_days=config.bucket.abandoned_upload_days,
            retention_days=config.bucket.retention_days,
            kms_key=config.bucket.kms_key,
            access_log_days=config.bucket.access_log_days,
        ),
        pulumi.ResourceOptions(providers=[provider]),
    )
    return AwsPlace(
        stack=stack,
        account=account,
        region=region,
        provider=provider,
        bucket=bucket,
        manifests=manifests,
    )


def _budget(place: AwsPlace) -> dict[str, object]:
    config, stack = place.stack.config, place.stack.name
    budget = config.budget
    if budget is None:
        return {}
    tags = stack_labels(stack, config.labels)
    made = AwsBudget(
        "budget",
        AwsBudgetArgs(
            name=alarm_name("servestack", stack, "budget"),
            account=place.account,
            partition=place.partition,
            tag=(STACK_LABEL, tags[STACK_LABEL]),
            monthly=budget.monthly,
            currency=budget.currency or "USD",
            thresholds=budget.thresholds,
            forecast_thresholds=budget.forecast_thresholds,
            emails=budget.emails,
            topic=alarm_name("servestack", stack, "budget") if budget.topic else None,
        ),
        place.options(),
    )
    return {} if made.topic is None else {"budget_topic": made.topic}
