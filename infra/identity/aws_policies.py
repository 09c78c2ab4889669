"""What each identity on AWS may do, and who may be it, as IAM's documents. Pure.

Every document is made here, so that one test can look at all of them with strict eyes, and the
table in docs/aws.md is made of the reasons that stand beside the statements.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from model_export.layout import ARCHIVES

GITHUB_HOST: Final = "token.actions.githubusercontent.com"
# Where SageMaker writes answers and captured requests, below a model.
RESULTS: Final = ".sagemaker"
_POLICY_VERSION: Final = "2012-10-17"

Conditions = Mapping[str, Mapping[str, str | Sequence[str]]]


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One thing that is allowed, or denied, and why."""

    sid: str
    why: str
    actions: Sequence[str]
    resources: Sequence[str] = ()
    not_resources: Sequence[str] = ()
    principal: Mapping[str, str | Sequence[str]] | None = None
    conditions: Conditions = field(default_factory=dict)
    effect: str = "Allow"


def document(statements: Sequence[Statement]) -> str:
    """Write a policy; equal statements give equal text, so that no preview sees a change."""
    return json.dumps(
        {"Version": _POLICY_VERSION, "Statement": [_plain(one) for one in statements]},
        sort_keys=True,
    )


def _plain(statement: Statement) -> dict[str, Any]:
    said: dict[str, Any] = {
        "Sid": statement.sid,
        "Effect": statement.effect,
        "Action": list(statement.actions),
    }
    if statement.resources:
        # One is written as AWS gives it back, so that no refresh sees a change.
        only = len(statement.resources) == 1
        said["Resource"] = statement.resources[0] if only else list(statement.resources)
    if statement.not_resources:
        said["NotResource"] = list(statement.not_resources)
    if statement.principal is not None:
        said["Principal"] = statement.principal
    if statement.conditions:
        said["Condition"] = statement.conditions
    return said


@dataclass(frozen=True, kw_only=True)
class BucketPlace:
    """A bucket as policies name it: its ARN, and the key that encrypts it if it is somebody's."""

    arn: str
    region: str
    kms_key: str | None = None


def _below(prefix: str | None, path: str = "*") -> str:
    return f"{prefix}/{path}" if prefix else path


def reading(bucket: BucketPlace, prefix: str | None) -> list[Statement]:
    """Let list and read, all of the bucket or below a prefix."""
    return [
        Statement(
            sid="ReadVersions",
            why="read the files of published versions",
            actions=["s3:GetObject"],
            resources=[f"{bucket.arn}/{_below(prefix)}"],
        ),
        _listing(bucket, prefix),
        *_decrypting(bucket),
    ]


def archive_reading(bucket: BucketPlace, model: str | None) -> list[Statement]:
    """Let read a model's archives, or all of them, and nothing else."""
    prefix = f"{model or '*'}/{ARCHIVES}"
    return [
        Statement(
            sid="ReadArchives",
            why="fetch model.tar.gz when an instance starts",
            actions=["s3:GetObject"],
            resources=[f"{bucket.arn}/{prefix}/*"],
        ),
        _listing(bucket, prefix),
        *_decrypting(bucket),
    ]


def publishing(bucket: BucketPlace, prefix: str | None) -> list[Statement]:
    """Let publish as well, but neither change nor delete what is published.

    Who writes over an object is stopped by the bucket's own policy; to delete, only scaffolding and
    archives, which can be made anew, are allowed.
    """
    leftovers = ("*/.publishing/*", f"*/{ARCHIVES}/*")
    if prefix:
        leftovers = (f"{prefix}/.publishing/*", f"{prefix}/{ARCHIVES}/*")
    return [
        *reading(bucket, prefix)[:2],
        Statement(
            sid="PublishVersions",
            why="create the files of a version, large ones in parts",
            actions=[
                "s3:PutObject",
                "s3:AbortMultipartUpload",
                "s3:ListMultipartUploadParts",
            ],
            resources=[f"{bucket.arn}/{_below(prefix)}"],
        ),
        Statement(
            sid="FindUnfinishedUploads",
            why="go on with an upload that was cut off",
            actions=["s3:ListBucketMultipartUploads"],
            resources=[bucket.arn],
        ),
        Statement(
            sid="ClearScaffolding",
            why="remove its own claims, and archives that are to be made anew",
            actions=["s3:DeleteObject"],
            resources=[f"{bucket.arn}/{path}" for path in leftovers],
        ),
        *_decrypting(bucket, also_encrypt=True),
    ]


def results_writing(bucket: BucketPlace, model: str | None) -> list[Statement]:
    """Let SageMaker keep answers and captured requests, and batch jobs read and write there."""
    results = f"{model or '*'}/{RESULTS}"
    return [
        Statement(
            sid="KeepResults",
            why="write captured requests, and answers of asynchronous and batch requests",
            actions=["s3:PutObject", "s3:GetObject"],
            resources=[f"{bucket.arn}/{results}/*"],
        ),
        Statement(
            sid="ListResults",
            why="find the input of a batch, and where answers go",
            actions=["s3:ListBucket"],
            resources=[bucket.arn],
            conditions={"StringLike": {"s3:prefix": [f"{results}/*"]}},
        ),
        Statement(
            sid="LocateBucket",
            why="SageMaker asks where the bucket is before it writes",
            actions=["s3:GetBucketLocation"],
            resources=[bucket.arn],
        ),
        *(
            [
                Statement(
                    sid="EncryptResults",
                    why="write into a bucket with a key of its own",
                    actions=["kms:GenerateDataKey"],
                    resources=[bucket.kms_key],
                    conditions=_through_s3(bucket.region),
                )
            ]
            if bucket.kms_key
            else []
        ),
    ]


def sagemaker_running(
    *, account: str, region: str, partition: str, endpoint: str
) -> list[Statement]:
    """Let a container be fetched, and say what it does."""
    logs = f"arn:{partition}:logs:{region}:{account}:log-group:/aws/sagemaker/"
    return [
        Statement(
            sid="FetchImage",
            why="fetch the container's image from Amazon's registry or yours",
            actions=["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            resources=[f"arn:{partition}:ecr:{region}:*:repository/*"],
        ),
        Statement(
            sid="FetchImageToken",
            why="a registry's token is never of one repository",
            actions=["ecr:GetAuthorizationToken"],
            resources=["*"],
        ),
        Statement(
            sid="WriteLogs",
            why="write the logs of the endpoint's containers and of batch jobs",
            actions=["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
            resources=[
                f"{logs}Endpoints/{endpoint}",
                f"{logs}Endpoints/{endpoint}:log-stream:*",
                f"{logs}TransformJobs",
                f"{logs}TransformJobs:log-stream:*",
            ],
        ),
        Statement(
            sid="TellMetrics",
            why="tell what the containers use",
            actions=["cloudwatch:PutMetricData"],
            resources=["*"],
            conditions={"StringLike": {"cloudwatch:namespace": ["/aws/sagemaker/*"]}},
        ),
    ]


def node_autoscaling(*, account: str, region: str, partition: str, cluster: str) -> list[Statement]:
    """Let the cluster autoscaler look at groups of nodes, and resize those of its own cluster."""
    groups = f"arn:{partition}:autoscaling:{region}:{account}:autoScalingGroup:*"
    return [
        Statement(
            sid="LookAtGroups",
            why="see which groups there are and what their nodes would have",
            actions=[
                "autoscaling:DescribeAutoScalingGroups",
                "autoscaling:DescribeAutoScalingInstances",
                "autoscaling:DescribeLaunchConfigurations",
                "autoscaling:DescribeScalingActivities",
                "autoscaling:DescribeTags",
                "ec2:DescribeImages",
                "ec2:DescribeInstanceTypes",
                "ec2:DescribeLaunchTemplateVersions",
                "ec2:GetInstanceTypesFromInstanceRequirements",
            ],
            resources=["*"],
        ),
        Statement(
            sid="LookAtOwnGroups",
            why="see which labels and taints a node would have before there is one",
            actions=["eks:DescribeNodegroup"],
            resources=[f"arn:{partition}:eks:{region}:{account}:nodegroup/{cluster}/*/*"],
        ),
        Statement(
            sid="ResizeOwnGroups",
            why="add and remove nodes of this cluster only",
            actions=[
                "autoscaling:SetDesiredCapacity",
                "autoscaling:TerminateInstanceInAutoScalingGroup",
            ],
            resources=[f"{groups}:autoScalingGroupName/*"],
            conditions={
                "StringEquals": {f"aws:ResourceTag/k8s.io/cluster-autoscaler/{cluster}": "owned"}
            },
        ),
    ]


def releasing(
    *, account: str, region: str, partition: str, bucket: BucketPlace, roles: Sequence[str]
) -> list[Statement]:
    """Let an update of CI change what serves, and nothing by which it could give itself more.

    Not in here, so that a person has to do it: the stack's first update, roles and their policies,
    the network, the cluster itself and its keys, the budget.
    """
    here = f"{region}:{account}"
    return [
        Statement(
            sid="ChangeEndpoints",
            why="release, roll back and remove models on SageMaker",
            actions=[
                "sagemaker:AddTags",
                *(f"sagemaker:Create{kind}" for kind in ("Model", "EndpointConfig", "Endpoint")),
                *(f"sagemaker:Delete{kind}" for kind in ("Model", "EndpointConfig", "Endpoint")),
                "sagemaker:UpdateEndpoint",
            ],
            resources=[
                f"arn:{partition}:sagemaker:{here}:{kind}/*"
                for kind in ("model", "endpoint-config", "endpoint")
            ],
        ),
        Statement(
            sid="ChangeScaling",
            why="change how many instances serve",
            actions=[
                "application-autoscaling:DeleteScalingPolicy",
                "application-autoscaling:DeleteScheduledAction",
                "application-autoscaling:DeregisterScalableTarget",
                "application-autoscaling:PutScalingPolicy",
                "application-autoscaling:PutScheduledAction",
                "application-autoscaling:RegisterScalableTarget",
                "application-autoscaling:TagResource",
            ],
            resources=[f"arn:{partition}:application-autoscaling:{here}:scalable-target/*"],
        ),
        Statement(
            sid="ChangeAlarms",
            why="change what rings",
            actions=[
                "cloudwatch:DeleteAlarms",
                "cloudwatch:PutMetricAlarm",
                "cloudwatch:TagResource",
            ],
            resources=[f"arn:{partition}:cloudwatch:{here}:alarm:servestack-*"],
        ),
        Statement(
            sid="ChangeBucketSettings",
            why="change how long deleted objects and logs are kept; not who may read",
            actions=[
                "s3:PutLifecycleConfiguration",
                "s3:PutBucketLogging",
                "s3:PutBucketTagging",
                "s3:PutBucketVersioning",
                "s3:PutEncryptionConfiguration",
            ],
            resources=[bucket.arn],
        ),
        Statement(
            sid="ResizeNodes",
            why="change the groups of nodes of the stack's cluster",
            actions=["eks:UpdateNodegroupConfig", "eks:UpdateNodegroupVersion", "eks:TagResource"],
            resources=[f"arn:{partition}:eks:{here}:nodegroup/*/*/*"],
        ),
        *(
            [
                Statement(
                    sid="HandOnServingRoles",
                    why="start endpoints by the roles that stand ready, and by no other",
                    actions=["iam:PassRole"],
                    resources=sorted(roles),
                    conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
                )
            ]
            if roles
            else []
        ),
    ]


def bucket_protection(arn: str, *, immutable: bool) -> list[Statement]:
    """Deny what nobody may: plain text on the wire, and writing over what is published."""
    everything = [arn, f"{arn}/*"]
    statements = [
        Statement(
            sid="OnlyEncryptedConnections",
            why="nothing crosses a network in plain text",
            effect="Deny",
            principal={"AWS": "*"},
            actions=["s3:*"],
            resources=everything,
            conditions={"Bool": {"aws:SecureTransport": "false"}},
        )
    ]
    if immutable:
        statements.append(
            Statement(
                sid="OnlyNewObjects",
                why="a published version never changes: an object is created only where none is",
                effect="Deny",
                principal={"AWS": "*"},
                actions=["s3:PutObject"],
                not_resources=[f"{arn}/*/{RESULTS}/*"],
                conditions={
                    "Null": {"s3:if-none-match": "true"},
                    # The parts of an upload have no such header; its completion has.
                    "Bool": {"s3:ObjectCreationOperation": "true"},
                },
            )
        )
    return statements


def log_delivery(arn: str, *, source_arn: str, account: str) -> list[Statement]:
    """Let S3 write the access logs of one bucket into another."""
    return [
        Statement(
            sid="WriteAccessLogs",
            why="S3 itself writes the log of the model bucket, and of no other",
            principal={"Service": "logging.s3.amazonaws.com"},
            actions=["s3:PutObject"],
            resources=[f"{arn}/*"],
            conditions={
                "ArnLike": {"aws:SourceArn": source_arn},
                "StringEquals": {"aws:SourceAccount": account},
            },
        )
    ]


def trust_service(service: str, *, account: str, source: str | None = None) -> list[Statement]:
    """Let a service of Amazon act, for this account only."""
    conditions: dict[str, Mapping[str, str]] = {"StringEquals": {"aws:SourceAccount": account}}
    if source:
        conditions["ArnLike"] = {"aws:SourceArn": source}
    return [
        Statement(
            sid="TrustService",
            why="the service acts for this account and for nobody who tricks it into it",
            principal={"Service": service},
            actions=["sts:AssumeRole"],
            conditions=conditions,
        )
    ]


def trust_instances(service: str) -> list[Statement]:
    """Let a service of Amazon act; EKS and EC2 pass no source that could be looked at."""
    return [
        Statement(
            sid="TrustService",
            why="control planes and nodes come to their role through their service",
            principal={"Service": service},
            actions=["sts:AssumeRole"],
        )
    ]


def trust_pods(*, cluster_arn: str, account: str) -> list[Statement]:
    """Let pods act through EKS Pod Identity, of one cluster only."""
    return [
        Statement(
            sid="TrustPods",
            why="pods of this cluster come to their role by their service account",
            principal={"Service": "pods.eks.amazonaws.com"},
            actions=["sts:AssumeRole", "sts:TagSession"],
            conditions={
                "StringEquals": {"aws:SourceAccount": account},
                "ArnEquals": {"aws:SourceArn": cluster_arn},
            },
        )
    ]


def trust_service_account(
    *, provider_arn: str, issuer: str, namespace: str, service_account: str
) -> list[Statement]:
    """Let one service account act by the cluster's own tokens (IRSA)."""
    return [
        Statement(
            sid="TrustServiceAccount",
            why="one service account of this cluster, known by the cluster's tokens",
            principal={"Federated": provider_arn},
            actions=["sts:AssumeRoleWithWebIdentity"],
            conditions={
                "StringEquals": {
                    f"{issuer}:sub": f"system:serviceaccount:{namespace}:{service_account}",
                    f"{issuer}:aud": "sts.amazonaws.com",
                }
            },
        )
    ]


def trust_principals(principals: Sequence[str]) -> list[Statement]:
    """Let named roles and users act."""
    return [
        Statement(
            sid="TrustPublishers",
            why="those whom servestack:identity.publishers names",
            principal={"AWS": sorted(principals)},
            actions=["sts:AssumeRole"],
        )
    ]


def trust_github(
    *, provider_arn: str, repository: str, environment: str | None = None
) -> list[Statement]:
    """Let a repository's workflows act: any of them, or its jobs in one environment."""
    subject = (
        f"repo:{repository}:environment:{environment}" if environment else f"repo:{repository}:*"
    )
    operator = "StringEquals" if environment else "StringLike"
    conditions: dict[str, dict[str, str]] = {
        "StringEquals": {f"{GITHUB_HOST}:aud": "sts.amazonaws.com"}
    }
    conditions.setdefault(operator, {})[f"{GITHUB_HOST}:sub"] = subject
    return [
        Statement(
            sid="TrustGithub",
            why=f"jobs of {repository}"
            + (f" in the environment {environment}" if environment else ", on any branch"),
            principal={"Federated": provider_arn},
            actions=["sts:AssumeRoleWithWebIdentity"],
            conditions=conditions,
        )
    ]


def _listing(bucket: BucketPlace, prefix: str | None) -> Statement:
    return Statement(
        sid="ListVersions",
        why="find which versions and files there are",
        actions=["s3:ListBucket"],
        resources=[bucket.arn],
        conditions={"StringLike": {"s3:prefix": [f"{prefix}/*"]}} if prefix else {},
    )


def _decrypting(bucket: BucketPlace, *, also_encrypt: bool = False) -> list[Statement]:
    if bucket.kms_key is None:
        return []
    return [
        Statement(
            sid="UseKey",
            why="read, and if it publishes write, in a bucket with a key of its own",
            actions=["kms:Decrypt", *(["kms:GenerateDataKey"] if also_encrypt else [])],
            resources=[bucket.kms_key],
            conditions=_through_s3(bucket.region),
        )
    ]


def _through_s3(region: str) -> Conditions:
    suffix = ".cn" if region.startswith("cn-") else ""
    return {"StringEquals": {"kms:ViaService": f"s3.{region}.amazonaws.com{suffix}"}}
