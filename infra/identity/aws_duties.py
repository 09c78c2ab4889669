"""What services and CI may do besides reading and writing a bucket. Pure."""

from collections.abc import Sequence

from infra.identity.aws_bucket_policies import BucketPlace
from infra.identity.aws_policies import Statement


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
            sid="ChangeDashboard",
            why="show a model that comes, and no more one that went",
            actions=[
                "cloudwatch:DeleteDashboards",
                "cloudwatch:GetDashboard",
                "cloudwatch:PutDashboard",
            ],
            resources=[f"arn:{partition}:cloudwatch::{account}:dashboard/servestack-*"],
        ),
        Statement(
            sid="ChangeBucketSettings",
            why="change its log, tags and encryption; not who may read, nor what is deleted when",
            actions=[
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
