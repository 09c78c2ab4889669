"""What each kind of AWS resource is: how the stand-in makes, finds, changes and removes it.

Each of these functions sends what the real plug-in would send. A kind without `read` is found as
long as its request was taken.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.standins.aws_api import Api, pascal
from tests.standins.provider import ResourceError

Properties = dict[str, Any]
Made = tuple[str, Properties]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind; `outputs` names what is known only after it was made."""

    create: Callable[[Api, Properties], Made]
    delete: Callable[[Api, str, Properties], object] = lambda *_: None
    read: Callable[[Api, str, Properties], Mapping[str, Any] | None] = lambda *_: {}
    update: Callable[[Api, str, Properties, Properties], object] | None = None
    replacing: frozenset[str] = frozenset()
    immutable: bool = False
    outputs: frozenset[str] = frozenset()
    defaults: Mapping[str, Any] = field(default_factory=dict)


def _listed(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


# --- S3


def _bucket(api: Api, given: Properties) -> Made:
    name = given["bucket"]
    region = api.client("s3").meta.region_name
    api.call(
        "s3",
        "CreateBucket",
        Bucket=name,
        CreateBucketConfiguration={"LocationConstraint": region} if region != "us-east-1" else None,
        ObjectLockEnabledForBucket=given.get("objectLockEnabled") or None,
    )
    return name, {"arn": f"arn:aws:s3:::{name}", "bucket": name}


def _objects(api: Api, bucket: str) -> list[Properties]:
    found = api.call("s3", "ListObjectVersions", Bucket=bucket)
    keys = (*found.get("Versions", []), *found.get("DeleteMarkers", []))
    return [{"Key": key["Key"], "VersionId": key["VersionId"]} for key in keys]


def _remove_bucket(api: Api, id_: str, given: Properties) -> None:
    if given.get("forceDestroy"):
        while found := _objects(api, id_):
            api.call("s3", "DeleteObjects", Bucket=id_, Delete={"Objects": found})
    api.call("s3", "DeleteBucket", Bucket=id_)


def _bucket_setting(operation: str, member: str, of: Callable[[Properties], Any]) -> Kind:
    def put(api: Api, given: Properties) -> Made:
        api.call("s3", operation, Bucket=given["bucket"], **{member: of(given)})
        return given["bucket"], {}

    return Kind(
        create=put,
        update=lambda api, _id, _old, new: put(api, new),
        replacing=frozenset({"bucket"}),
        read=_asked("s3", "HeadBucket", "Bucket"),
    )


def _lifecycle(given: Properties) -> Any:
    rules = []
    for rule in given["rules"]:
        said = {"ID": rule["id"], "Status": rule["status"], "Filter": pascal(rule["filter"])}
        if "abortIncompleteMultipartUpload" in rule:
            said["AbortIncompleteMultipartUpload"] = pascal(rule["abortIncompleteMultipartUpload"])
        if "noncurrentVersionExpiration" in rule:
            said["NoncurrentVersionExpiration"] = pascal(rule["noncurrentVersionExpiration"])
        if "expiration" in rule:
            said["Expiration"] = pascal(rule["expiration"])
        rules.append(said)
    return {"Rules": rules}


def _encryption(given: Properties) -> Any:
    return {
        "Rules": [
            {
                "ApplyServerSideEncryptionByDefault": {
                    name: value
                    for name, value in {
                        "SSEAlgorithm": rule["applyServerSideEncryptionByDefault"]["sseAlgorithm"],
                        "KMSMasterKeyID": rule["applyServerSideEncryptionByDefault"].get(
                            "kmsMasterKeyId"
                        ),
                    }.items()
                    if value
                },
                "BucketKeyEnabled": rule["bucketKeyEnabled"],
            }
            for rule in given["rules"]
        ]
    }


def _public_access(given: Properties) -> Any:
    return {
        "BlockPublicAcls": given["blockPublicAcls"],
        "BlockPublicPolicy": given["blockPublicPolicy"],
        "IgnorePublicAcls": given["ignorePublicAcls"],
        "RestrictPublicBuckets": given["restrictPublicBuckets"],
    }


def _bucket_policy(api: Api, given: Properties) -> Made:
    policy = json.loads(given["policy"])
    # moto denies whatever the conditions are, and is reached without TLS.
    allowed = [one for one in policy["Statement"] if one["Effect"] == "Allow"]
    if allowed:
        served = json.dumps({**policy, "Statement": allowed})
        api.call("s3", "PutBucketPolicy", Bucket=given["bucket"], Policy=served)
    return given["bucket"], {}


# --- IAM


def _role(api: Api, given: Properties) -> Made:
    made = api.call(
        "iam",
        "CreateRole",
        RoleName=given["name"],
        AssumeRolePolicyDocument=given["assumeRolePolicy"],
        Description=given.get("description"),
        PermissionsBoundary=given.get("permissionsBoundary"),
    )
    return given["name"], {"arn": made["Role"]["Arn"]}


def _change_role(api: Api, id_: str, old: Properties, new: Properties) -> None:
    if old["assumeRolePolicy"] != new["assumeRolePolicy"]:
        api.call(
            "iam",
            "UpdateAssumeRolePolicy",
            RoleName=id_,
            PolicyDocument=new["assumeRolePolicy"],
        )
    api.call("iam", "UpdateRole", RoleName=id_, Description=new.get("description"))


def _role_policy(api: Api, given: Properties) -> Made:
    api.call(
        "iam",
        "PutRolePolicy",
        RoleName=given["role"],
        PolicyName=given["name"],
        PolicyDocument=given["policy"],
    )
    return f"{given['role']}:{given['name']}", {}


def _remove_role_policy(api: Api, id_: str, _given: Properties) -> None:
    role, _, name = id_.partition(":")
    api.call("iam", "DeleteRolePolicy", RoleName=role, PolicyName=name)


def _attachment(api: Api, given: Properties) -> Made:
    # moto has Amazon's own policies only where it is asked to load them.
    api.call("iam", "GetRole", RoleName=given["role"])
    return f"{given['role']}-{given['policyArn']}", {}


def _oidc(api: Api, given: Properties) -> Made:
    made = api.call(
        "iam",
        "CreateOpenIDConnectProvider",
        Url=given["url"],
        ClientIDList=given["clientIdLists"],
        ThumbprintList=["0" * 40],
    )
    arn = made["OpenIDConnectProviderArn"]
    return arn, {"arn": arn}


def _user(api: Api, given: Properties) -> Made:
    made = api.call("iam", "CreateUser", UserName=given["name"])
    return given["name"], {"arn": made["User"]["Arn"]}


def _user_policy(api: Api, given: Properties) -> Made:
    api.call(
        "iam",
        "PutUserPolicy",
        UserName=given["user"],
        PolicyName=given["name"],
        PolicyDocument=given["policy"],
    )
    return f"{given['user']}:{given['name']}", {}


def _remove_user_policy(api: Api, id_: str, _given: Properties) -> None:
    user, _, name = id_.partition(":")
    api.call("iam", "DeleteUserPolicy", UserName=user, PolicyName=name)


def _access_key(api: Api, given: Properties) -> Made:
    made = api.call("iam", "CreateAccessKey", UserName=given["user"])["AccessKey"]
    return made["AccessKeyId"], {"secret": made["SecretAccessKey"], "status": "Active"}


# --- SageMaker


def _model(api: Api, given: Properties) -> Made:
    container = given["primaryContainer"]
    made = api.call(
        "sagemaker",
        "CreateModel",
        ModelName=given["name"],
        ExecutionRoleArn=given["executionRoleArn"],
        EnableNetworkIsolation=given.get("enableNetworkIsolation"),
        PrimaryContainer={
            "Image": container["image"],
            "ModelDataUrl": container["modelDataUrl"],
            "Environment": container["environment"],
        },
    )
    return given["name"], {"arn": made["ModelArn"]}


def _variant(given: Properties) -> Properties:
    said = pascal(given)
    if serverless := said.get("ServerlessConfig"):
        serverless["MemorySizeInMB"] = serverless.pop("MemorySizeInMb")
    return dict(said)


def _endpoint_config(api: Api, given: Properties) -> Made:
    asynchronous = pascal(given.get("asyncInferenceConfig"))
    if asynchronous:
        for key in ("S3OutputPath", "S3FailurePath"):
            output = asynchronous["OutputConfig"]
            if key in output:
                output[key] = output.pop(key)
    capture = given.get("dataCaptureConfig")
    made = api.call(
        "sagemaker",
        "CreateEndpointConfig",
        EndpointConfigName=given["name"],
        ProductionVariants=[_variant(one) for one in given["productionVariants"]],
        ShadowProductionVariants=[_variant(one) for one in given["shadowProductionVariants"]]
        if given.get("shadowProductionVariants")
        else None,
        AsyncInferenceConfig=asynchronous,
        DataCaptureConfig={
            "EnableCapture": capture["enableCapture"],
            "InitialSamplingPercentage": capture["initialSamplingPercentage"],
            "DestinationS3Uri": capture["destinationS3Uri"],
            "CaptureOptions": pascal(capture["captureOptions"]),
        }
        if capture
        else None,
    )
    return given["name"], {"arn": made["EndpointConfigArn"]}


def _endpoint(api: Api, given: Properties) -> Made:
    made = api.call(
        "sagemaker",
        "CreateEndpoint",
        EndpointName=given["name"],
        EndpointConfigName=given["endpointConfigName"],
        DeploymentConfig=_deployment(given),
    )
    return given["name"], {"arn": made["EndpointArn"]}


def _deployment(given: Properties) -> Any:
    said = pascal(given.get("deploymentConfig"))
    if said and (shifting := said.get("BlueGreenUpdatePolicy")):
        shifting["TrafficRoutingConfiguration"].setdefault("WaitIntervalInSeconds", 0)
    return said


def change_endpoint(api: Api, id_: str, _old: Properties, new: Properties) -> None:
    """Check the update, and make the endpoint anew: moto knows no update of one."""
    api.call(
        "sagemaker",
        "UpdateEndpoint",
        EndpointName=id_,
        EndpointConfigName=new["endpointConfigName"],
        DeploymentConfig=_deployment(new),
    )
    api.call("sagemaker", "DeleteEndpoint", EndpointName=id_)
    _endpoint(api, new)


def _read_endpoint(api: Api, id_: str, _: Properties) -> Mapping[str, Any] | None:
    found = api.finds("sagemaker", "DescribeEndpoint", EndpointName=id_)
    return None if found is None else {"endpointConfigName": found["EndpointConfigName"]}


# --- scaling, alarms, budgets, topics


def _scaling_place(given: Properties) -> Properties:
    return {
        "ServiceNamespace": given["serviceNamespace"],
        "ResourceId": given["resourceId"],
        "ScalableDimension": given["scalableDimension"],
    }


def _scaling_target(api: Api, given: Properties) -> Made:
    api.call(
        "application-autoscaling",
        "RegisterScalableTarget",
        **_scaling_place(given),
        MinCapacity=given["minCapacity"],
        MaxCapacity=given["maxCapacity"],
    )
    return given["resourceId"], {}


def _scaling_policy(api: Api, given: Properties) -> Made:
    api.call(
        "application-autoscaling",
        "PutScalingPolicy",
        PolicyName=given["name"],
        PolicyType=given["policyType"],
        **_scaling_place(given),
        TargetTrackingScalingPolicyConfiguration=pascal(
            given["targetTrackingScalingPolicyConfiguration"]
        ),
    )
    return given["name"], {}


def _scheduled_action(api: Api, given: Properties) -> Made:
    api.call(
        "application-autoscaling",
        "PutScheduledAction",
        ScheduledActionName=given["name"],
        Schedule=given["schedule"],
        Timezone=given["timezone"],
        **_scaling_place(given),
        ScalableTargetAction=pascal(given["scalableTargetAction"]),
    )
    return given["name"], {}


def _alarm(api: Api, given: Properties) -> Made:
    api.call(
        "cloudwatch",
        "PutMetricAlarm",
        AlarmName=given["name"],
        AlarmDescription=given["alarmDescription"],
        Namespace=given.get("namespace"),
        MetricName=given.get("metricName"),
        Dimensions=_dimensions(given) if "dimensions" in given else None,
        Metrics=[_metric_query(one) for one in given.get("metricQueries") or ()] or None,
        Statistic=given.get("statistic"),
        ExtendedStatistic=given.get("extendedStatistic"),
        ComparisonOperator=given["comparisonOperator"],
        Threshold=float(given["threshold"]),
        Period=given.get("period"),
        EvaluationPeriods=given["evaluationPeriods"],
        TreatMissingData=given["treatMissingData"],
        AlarmActions=given.get("alarmActions"),
        OKActions=given.get("okActions"),
    )
    return given["name"], {"arn": f"arn:aws:cloudwatch:alarm:{given['name']}"}


def _dimensions(given: Properties) -> list[Properties]:
    named = sorted(given["dimensions"].items())
    return [{"Name": name, "Value": value} for name, value in named]


def _metric_query(given: Properties) -> Properties:
    asked = {"Id": given["id"], "ReturnData": given.get("returnData", False)}
    if expression := given.get("expression"):
        return {**asked, "Expression": expression, "Label": given["label"]}
    metric = given["metric"]
    named = {"Namespace": metric["namespace"], "MetricName": metric["metricName"]}
    return asked | {
        "MetricStat": {
            "Metric": {**named, "Dimensions": _dimensions(metric)},
            "Period": metric["period"],
            "Stat": metric["stat"],
        }
    }


def _read_alarm(api: Api, id_: str, _: Properties) -> Mapping[str, Any] | None:
    found = api.call("cloudwatch", "DescribeAlarms", AlarmNames=[id_])["MetricAlarms"]
    return {} if found else None


def _dashboard(api: Api, given: Properties) -> Made:
    name = given["dashboardName"]
    told = api.call(
        "cloudwatch", "PutDashboard", DashboardName=name, DashboardBody=given["dashboardBody"]
    )
    if told.get("DashboardValidationMessages"):
        raise ResourceError(f"PutDashboard: {told['DashboardValidationMessages']}")
    return name, {"dashboardArn": f"arn:aws:cloudwatch::123456789012:dashboard/{name}"}


def _subscription(api: Api, given: Properties) -> Made:
    arn = api.call(
        "sns",
        "Subscribe",
        TopicArn=given["topic"],
        Protocol=given["protocol"],
        Endpoint=given["endpoint"],
        ReturnSubscriptionArn=True,
    )["SubscriptionArn"]
    # Nobody has followed the link in the mail yet.
    return arn, {"arn": arn, "pendingConfirmation": True}


def _budget(api: Api, given: Properties) -> Made:
    subscribers = {
        "subscriberEmailAddresses": "EMAIL",
        "subscriberSnsTopicArns": "SNS",
    }
    api.call(
        "budgets",
        "CreateBudget",
        AccountId=given["accountId"],
        Budget={
            "BudgetName": given["name"],
            "BudgetType": given["budgetType"],
            "TimeUnit": given["timeUnit"],
            "BudgetLimit": {"Amount": given["limitAmount"], "Unit": given["limitUnit"]},
            "CostFilters": {one["name"]: one["values"] for one in given["costFilters"]},
        },
        NotificationsWithSubscribers=[
            {
                "Notification": {
                    "NotificationType": one["notificationType"],
                    "ComparisonOperator": one["comparisonOperator"],
                    "Threshold": float(one["threshold"]),
                    "ThresholdType": one["thresholdType"],
                },
                "Subscribers": [
                    {"SubscriptionType": kind, "Address": address}
                    for key, kind in subscribers.items()
                    for address in one.get(key) or []
                ],
            }
            for one in given["notifications"]
        ],
    )
    return f"{given['accountId']}:{given['name']}", {}


def _remove_budget(api: Api, id_: str, _given: Properties) -> None:
    account, _, name = id_.partition(":")
    api.call("budgets", "DeleteBudget", AccountId=account, BudgetName=name)


def _change_budget(api: Api, id_: str, old: Properties, new: Properties) -> None:
    # moto knows no update of one.
    _remove_budget(api, id_, old)
    _budget(api, new)


def _topic(api: Api, given: Properties) -> Made:
    arn = api.call("sns", "CreateTopic", Name=given["name"])["TopicArn"]
    return arn, {"arn": arn}


def _topic_policy(api: Api, given: Properties) -> Made:
    api.call(
        "sns",
        "SetTopicAttributes",
        TopicArn=given["arn"],
        AttributeName="Policy",
        AttributeValue=given["policy"],
    )
    return given["arn"], {}


# --- network


def _ec2(
    operation: str,
    answer: tuple[str, ...],
    of: Callable[[Properties], Properties],
    remove: tuple[str, str],
    **more: Any,
) -> Kind:
    def create(api: Api, given: Properties) -> Made:
        found: Any = api.call("ec2", operation, **of(given))
        for key in answer:
            found = found[key]
        return str(found), {}

    return Kind(
        create=create,
        delete=lambda api, id_, _: api.call("ec2", remove[0], **{remove[1]: id_}),
        immutable=True,
        **more,
    )


def _vpc(api: Api, given: Properties) -> Made:
    made = api.call("ec2", "CreateVpc", CidrBlock=given["cidrBlock"])["Vpc"]["VpcId"]
    for name in ("EnableDnsSupport", "EnableDnsHostnames"):
        api.call(
            "ec2",
            "ModifyVpcAttribute",
            VpcId=made,
            **{name: {"Value": given[name[0].lower() + name[1:]]}},
        )
    return made, {"arn": f"arn:aws:ec2:vpc/{made}"}


def _internet_gateway(api: Api, given: Properties) -> Made:
    made = api.call("ec2", "CreateInternetGateway")["InternetGateway"]["InternetGatewayId"]
    api.call("ec2", "AttachInternetGateway", InternetGatewayId=made, VpcId=given["vpcId"])
    return made, {}


def _remove_internet_gateway(api: Api, id_: str, given: Properties) -> None:
    api.call("ec2", "DetachInternetGateway", InternetGatewayId=id_, VpcId=given["vpcId"])
    api.call("ec2", "DeleteInternetGateway", InternetGatewayId=id_)


def _route(api: Api, given: Properties) -> Made:
    api.call(
        "ec2",
        "CreateRoute",
        RouteTableId=given["routeTableId"],
        DestinationCidrBlock=given["destinationCidrBlock"],
        GatewayId=given.get("gatewayId"),
        NatGatewayId=given.get("natGatewayId"),
    )
    return f"{given['routeTableId']}_{given['destinationCidrBlock']}", {}


def _security_group(api: Api, given: Properties) -> Made:
    made = api.call(
        "ec2",
        "CreateSecurityGroup",
        GroupName=f"doors-{given['vpcId']}",
        Description=given["description"],
        VpcId=given["vpcId"],
    )["GroupId"]
    for rule in given.get("ingress", []):
        api.call(
            "ec2",
            "AuthorizeSecurityGroupIngress",
            GroupId=made,
            IpPermissions=[
                {
                    "IpProtocol": rule["protocol"],
                    "FromPort": rule["fromPort"],
                    "ToPort": rule["toPort"],
                    "IpRanges": [{"CidrIp": block} for block in rule["cidrBlocks"]],
                }
            ],
        )
    return made, {}


def _template_data(given: Properties) -> Any:
    device = given["blockDeviceMappings"][0]
    reservation = given.get("capacityReservationSpecification")
    data: Properties = {
        "BlockDeviceMappings": [
            {
                "DeviceName": device["deviceName"],
                "Ebs": {
                    "VolumeSize": device["ebs"]["volumeSize"],
                    "VolumeType": device["ebs"]["volumeType"],
                    "Encrypted": device["ebs"]["encrypted"] == "true",
                },
            }
        ],
        "MetadataOptions": pascal(given["metadataOptions"]),
    }
    if reservation:
        data["CapacityReservationSpecification"] = pascal(reservation)
    return data


def _launch_template(api: Api, given: Properties) -> Made:
    made = api.call(
        "ec2",
        "CreateLaunchTemplate",
        LaunchTemplateName=given["name"],
        LaunchTemplateData=_template_data(given),
    )["LaunchTemplate"]
    return made["LaunchTemplateId"], {"latestVersion": made["LatestVersionNumber"]}


# --- EKS


def _cluster(api: Api, given: Properties) -> Made:
    place = given["vpcConfig"]
    made = api.call(
        "eks",
        "CreateCluster",
        name=given["name"],
        version=given.get("version"),
        roleArn=given["roleArn"],
        resourcesVpcConfig={
            "subnetIds": place["subnetIds"],
            "endpointPublicAccess": place["endpointPublicAccess"],
            "endpointPrivateAccess": place["endpointPrivateAccess"],
            **(
                {"publicAccessCidrs": place["publicAccessCidrs"]}
                if "publicAccessCidrs" in place
                else {}
            ),
        },
        logging={"clusterLogging": [{"types": given["enabledClusterLogTypes"], "enabled": True}]},
        encryptionConfig=[
            {
                "resources": given["encryptionConfig"]["resources"],
                "provider": given["encryptionConfig"]["provider"],
            }
        ]
        if given.get("encryptionConfig")
        else None,
        accessConfig=given["accessConfig"],
        bootstrapSelfManagedAddons=given["bootstrapSelfManagedAddons"],
        deletionProtection=given["deletionProtection"],
    )["cluster"]
    return given["name"], cluster_outputs(made)


def cluster_outputs(found: Mapping[str, Any]) -> Properties:
    """Give what a program reads of a cluster."""
    issuer = found.get("identity", {}).get("oidc", {}).get("issuer")
    return {
        "arn": found["arn"],
        "endpoint": found["endpoint"],
        "certificateAuthority": {"data": found["certificateAuthority"]["data"]},
        "identities": [{"oidcs": [{"issuer": issuer}]}],
    }


def _node_group(api: Api, given: Properties) -> Made:
    api.call(
        "eks",
        "CreateNodegroup",
        clusterName=given["clusterName"],
        nodegroupName=given["nodeGroupName"],
        nodeRole=given["nodeRoleArn"],
        subnets=given["subnetIds"],
        amiType=given["amiType"],
        capacityType=given["capacityType"],
        # moto does not let a template name what is not the machine itself.
        instanceTypes=given["instanceTypes"],
        labels=given.get("labels"),
        taints=given.get("taints"),
        scalingConfig=given["scalingConfig"],
        updateConfig=given["updateConfig"],
    )
    group = f"eks-{given['nodeGroupName']}"
    return (
        f"{given['clusterName']}:{given['nodeGroupName']}",
        {"resources": [{"autoscalingGroups": [{"name": group}]}]},
    )


def _change_node_group(api: Api, id_: str, _old: Properties, new: Properties) -> None:
    cluster, _, name = id_.partition(":")
    sizes = new["scalingConfig"]
    api.call(
        "eks", "UpdateNodegroupConfig", clusterName=cluster, nodegroupName=name, scalingConfig=sizes
    )


def _remove_node_group(api: Api, id_: str, _given: Properties) -> None:
    cluster, _, name = id_.partition(":")
    api.call("eks", "DeleteNodegroup", clusterName=cluster, nodegroupName=name)


def _access_entry(api: Api, given: Properties) -> Made:
    api.call(
        "eks",
        "CreateAccessEntry",
        clusterName=given["clusterName"],
        principalArn=given["principalArn"],
    )
    return f"{given['clusterName']}:{given['principalArn']}", {}


def _access_policy(api: Api, given: Properties) -> Made:
    api.call(
        "eks",
        "AssociateAccessPolicy",
        clusterName=given["clusterName"],
        principalArn=given["principalArn"],
        policyArn=given["policyArn"],
        accessScope=given["accessScope"],
    )
    return f"{given['clusterName']}#{given['principalArn']}#{given['policyArn']}", {}


def _addon(api: Api, given: Properties) -> Made:
    api.call(
        "eks",
        "CreateAddon",
        clusterName=given["clusterName"],
        addonName=given["addonName"],
        resolveConflicts=given["resolveConflictsOnCreate"],
        podIdentityAssociations=[
            {"serviceAccount": one["serviceAccount"], "roleArn": one["roleArn"]}
            for one in given["podIdentityAssociations"]
        ]
        if given.get("podIdentityAssociations")
        else None,
    )
    return f"{given['clusterName']}:{given['addonName']}", {}


def _pod_identity(api: Api, given: Properties) -> Made:
    api.call(
        "eks",
        "CreatePodIdentityAssociation",
        clusterName=given["clusterName"],
        namespace=given["namespace"],
        serviceAccount=given["serviceAccount"],
        roleArn=given["roleArn"],
    )
    return f"{given['clusterName']}:{given['namespace']}:{given['serviceAccount']}", {}


def _scaling_tag(_api: Api, given: Properties) -> Made:
    tag = given["tag"]
    return f"{given['autoscalingGroupName']},{tag['key']}", {}


def _key(api: Api, given: Properties) -> Made:
    made = api.call("kms", "CreateKey", Description=given["description"])["KeyMetadata"]
    return made["KeyId"], {"arn": made["Arn"]}


def _named(service: str, remove: str, member: str) -> Callable[[Api, str, Properties], object]:
    return lambda api, id_, _: api.call(service, remove, **{member: id_})


def _asked(
    service: str, describe: str, member: str
) -> Callable[[Api, str, Properties], Mapping[str, Any] | None]:
    def ask(api: Api, id_: str, _: Properties) -> Mapping[str, Any] | None:
        return {} if api.finds(service, describe, **{member: id_}) is not None else None

    return ask


_ARN: Final = frozenset({"arn"})
KINDS: Final[Mapping[str, Kind]] = {
    "aws:s3/bucket:Bucket": Kind(
        create=_bucket,
        delete=_remove_bucket,
        read=_asked("s3", "HeadBucket", "Bucket"),
        update=lambda *_: None,
        replacing=frozenset({"bucket", "objectLockEnabled"}),
        outputs=_ARN,
    ),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _bucket_setting(
        "PutPublicAccessBlock", "PublicAccessBlockConfiguration", _public_access
    ),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": _bucket_setting(
        "PutBucketOwnershipControls",
        "OwnershipControls",
        lambda given: {"Rules": [pascal(given["rule"])]},
    ),
    "aws:s3/bucketPolicy:BucketPolicy": Kind(
        create=_bucket_policy,
        delete=_named("s3", "DeleteBucketPolicy", "Bucket"),
        update=lambda api, _id, _old, new: _bucket_policy(api, new),
        replacing=frozenset({"bucket"}),
    ),
    "aws:s3/bucketVersioning:BucketVersioning": _bucket_setting(
        "PutBucketVersioning",
        "VersioningConfiguration",
        lambda given: pascal(given["versioningConfiguration"]),
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (
        _bucket_setting("PutBucketEncryption", "ServerSideEncryptionConfiguration", _encryption)
    ),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": _bucket_setting(
        "PutBucketLifecycleConfiguration", "LifecycleConfiguration", _lifecycle
    ),
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": _bucket_setting(
        "PutObjectLockConfiguration",
        "ObjectLockConfiguration",
        lambda given: {
            "ObjectLockEnabled": given["objectLockEnabled"],
            "Rule": pascal(given["rule"]),
        },
    ),
    "aws:s3/bucketLogging:BucketLogging": _bucket_setting(
        "PutBucketLogging",
        "BucketLoggingStatus",
        lambda given: {
            "LoggingEnabled": {
                "TargetBucket": given["targetBucket"],
                "TargetPrefix": given["targetPrefix"],
            }
        },
    ),
    "aws:iam/role:Role": Kind(
        create=_role,
        delete=_named("iam", "DeleteRole", "RoleName"),
        read=_asked("iam", "GetRole", "RoleName"),
        update=_change_role,
        replacing=frozenset({"name"}),
        outputs=_ARN,
    ),
    "aws:iam/rolePolicy:RolePolicy": Kind(
        create=_role_policy,
        delete=_remove_role_policy,
        update=lambda api, _id, _old, new: _role_policy(api, new),
        replacing=frozenset({"name", "role"}),
    ),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": Kind(create=_attachment, immutable=True),
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": Kind(
        create=_oidc,
        delete=_named("iam", "DeleteOpenIDConnectProvider", "OpenIDConnectProviderArn"),
        immutable=True,
        outputs=_ARN,
    ),
    "aws:iam/user:User": Kind(
        create=_user, delete=_named("iam", "DeleteUser", "UserName"), immutable=True, outputs=_ARN
    ),
    "aws:iam/userPolicy:UserPolicy": Kind(
        create=_user_policy,
        delete=_remove_user_policy,
        update=lambda api, _id, _old, new: _user_policy(api, new),
        replacing=frozenset({"name", "user"}),
    ),
    "aws:iam/accessKey:AccessKey": Kind(
        create=_access_key,
        delete=lambda api, id_, given: api.call(
            "iam", "DeleteAccessKey", AccessKeyId=id_, UserName=given["user"]
        ),
        immutable=True,
        outputs=frozenset({"secret", "status"}),
    ),
    "aws:sagemaker/model:Model": Kind(
        create=_model,
        delete=_named("sagemaker", "DeleteModel", "ModelName"),
        read=_asked("sagemaker", "DescribeModel", "ModelName"),
        immutable=True,
        outputs=_ARN,
    ),
    "aws:sagemaker/endpointConfiguration:EndpointConfiguration": Kind(
        create=_endpoint_config,
        delete=_named("sagemaker", "DeleteEndpointConfig", "EndpointConfigName"),
        read=_asked("sagemaker", "DescribeEndpointConfig", "EndpointConfigName"),
        immutable=True,
        outputs=_ARN,
    ),
    "aws:sagemaker/endpoint:Endpoint": Kind(
        create=_endpoint,
        delete=_named("sagemaker", "DeleteEndpoint", "EndpointName"),
        read=_read_endpoint,
        update=change_endpoint,
        replacing=frozenset({"name"}),
        outputs=_ARN,
    ),
    "aws:appautoscaling/target:Target": Kind(
        create=_scaling_target,
        delete=lambda api, _id, given: api.call(
            "application-autoscaling", "DeregisterScalableTarget", **_scaling_place(given)
        ),
        update=lambda api, _id, _old, new: _scaling_target(api, new),
        replacing=frozenset({"resourceId"}),
    ),
    "aws:appautoscaling/policy:Policy": Kind(
        create=_scaling_policy,
        delete=lambda api, id_, given: api.call(
            "application-autoscaling",
            "DeleteScalingPolicy",
            PolicyName=id_,
            **_scaling_place(given),
        ),
        update=lambda api, _id, _old, new: _scaling_policy(api, new),
        replacing=frozenset({"name", "resourceId"}),
    ),
    "aws:appautoscaling/scheduledAction:ScheduledAction": Kind(
        create=_scheduled_action,
        delete=lambda api, id_, given: api.call(
            "application-autoscaling",
            "DeleteScheduledAction",
            ScheduledActionName=id_,
            **_scaling_place(given),
        ),
        update=lambda api, _id, _old, new: _scheduled_action(api, new),
        replacing=frozenset({"name", "resourceId"}),
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": Kind(
        create=_alarm,
        delete=lambda api, id_, _: api.call("cloudwatch", "DeleteAlarms", AlarmNames=[id_]),
        read=_read_alarm,
        update=lambda api, _id, _old, new: _alarm(api, new),
        replacing=frozenset({"name"}),
        outputs=_ARN,
    ),
    "aws:cloudwatch/dashboard:Dashboard": Kind(
        create=_dashboard,
        delete=lambda api, id_, _: api.call("cloudwatch", "DeleteDashboards", DashboardNames=[id_]),
        read=_asked("cloudwatch", "GetDashboard", "DashboardName"),
        update=lambda api, _id, _old, new: _dashboard(api, new),
        replacing=frozenset({"dashboardName"}),
        outputs=frozenset({"dashboardArn"}),
    ),
    "aws:sns/topicSubscription:TopicSubscription": Kind(
        create=_subscription,
        delete=_named("sns", "Unsubscribe", "SubscriptionArn"),
        immutable=True,
        outputs=_ARN,
    ),
    "aws:budgets/budget:Budget": Kind(
        create=_budget,
        delete=_remove_budget,
        update=_change_budget,
        replacing=frozenset({"name"}),
    ),
    "aws:sns/topic:Topic": Kind(
        create=_topic,
        delete=_named("sns", "DeleteTopic", "TopicArn"),
        immutable=True,
        outputs=_ARN,
    ),
    "aws:sns/topicPolicy:TopicPolicy": Kind(
        create=_topic_policy,
        update=lambda api, _id, _old, new: _topic_policy(api, new),
        replacing=frozenset({"arn"}),
    ),
    "aws:ec2/vpc:Vpc": Kind(
        create=_vpc,
        delete=_named("ec2", "DeleteVpc", "VpcId"),
        replacing=frozenset({"cidrBlock"}),
        update=lambda *_: None,
        outputs=_ARN,
    ),
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": Kind(
        create=lambda _api, given: (f"default-{given['vpcId']}", {}), immutable=True
    ),
    "aws:ec2/subnet:Subnet": _ec2(
        "CreateSubnet",
        ("Subnet", "SubnetId"),
        lambda given: {
            "VpcId": given["vpcId"],
            "CidrBlock": given["cidrBlock"],
            "AvailabilityZone": given["availabilityZone"],
        },
        ("DeleteSubnet", "SubnetId"),
    ),
    "aws:ec2/internetGateway:InternetGateway": Kind(
        create=_internet_gateway, delete=_remove_internet_gateway, immutable=True
    ),
    "aws:ec2/routeTable:RouteTable": _ec2(
        "CreateRouteTable",
        ("RouteTable", "RouteTableId"),
        lambda given: {"VpcId": given["vpcId"]},
        ("DeleteRouteTable", "RouteTableId"),
    ),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": _ec2(
        "AssociateRouteTable",
        ("AssociationId",),
        lambda given: {"RouteTableId": given["routeTableId"], "SubnetId": given["subnetId"]},
        ("DisassociateRouteTable", "AssociationId"),
    ),
    "aws:ec2/route:Route": Kind(
        create=_route,
        delete=lambda api, _id, given: api.call(
            "ec2",
            "DeleteRoute",
            RouteTableId=given["routeTableId"],
            DestinationCidrBlock=given["destinationCidrBlock"],
        ),
        immutable=True,
    ),
    "aws:ec2/eip:Eip": _ec2(
        "AllocateAddress",
        ("AllocationId",),
        lambda given: {"Domain": given["domain"]},
        ("ReleaseAddress", "AllocationId"),
    ),
    "aws:ec2/natGateway:NatGateway": _ec2(
        "CreateNatGateway",
        ("NatGateway", "NatGatewayId"),
        lambda given: {"SubnetId": given["subnetId"], "AllocationId": given["allocationId"]},
        ("DeleteNatGateway", "NatGatewayId"),
    ),
    "aws:ec2/vpcEndpoint:VpcEndpoint": Kind(
        create=lambda api, given: (
            api.call(
                "ec2",
                "CreateVpcEndpoint",
                VpcId=given["vpcId"],
                ServiceName=given["serviceName"],
                VpcEndpointType=given["vpcEndpointType"],
                RouteTableIds=given.get("routeTableIds"),
                SubnetIds=given.get("subnetIds"),
                SecurityGroupIds=given.get("securityGroupIds"),
                PrivateDnsEnabled=given.get("privateDnsEnabled"),
            )["VpcEndpoint"]["VpcEndpointId"],
            {},
        ),
        delete=lambda api, id_, _: api.call("ec2", "DeleteVpcEndpoints", VpcEndpointIds=[id_]),
        immutable=True,
    ),
    "aws:ec2/securityGroup:SecurityGroup": Kind(
        create=_security_group,
        delete=_named("ec2", "DeleteSecurityGroup", "GroupId"),
        immutable=True,
    ),
    "aws:ec2/launchTemplate:LaunchTemplate": Kind(
        create=_launch_template,
        delete=_named("ec2", "DeleteLaunchTemplate", "LaunchTemplateId"),
        immutable=True,
        outputs=frozenset({"latestVersion"}),
    ),
    "aws:eks/cluster:Cluster": Kind(
        create=_cluster,
        delete=_named("eks", "DeleteCluster", "name"),
        read=_asked("eks", "DescribeCluster", "name"),
        update=lambda *_: None,
        replacing=frozenset({"name", "roleArn", "encryptionConfig"}),
        outputs=frozenset({"arn", "endpoint", "certificateAuthority", "identities"}),
    ),
    "aws:eks/nodeGroup:NodeGroup": Kind(
        create=_node_group,
        delete=_remove_node_group,
        update=_change_node_group,
        replacing=frozenset(
            {
                *("amiType", "capacityType", "clusterName", "instanceTypes"),
                *("nodeGroupName", "nodeRoleArn", "subnetIds"),
            }
        ),
        outputs=frozenset({"resources"}),
    ),
    "aws:eks/addon:Addon": Kind(create=_addon, update=lambda *_: None),
    "aws:eks/accessEntry:AccessEntry": Kind(create=_access_entry, immutable=True),
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation": Kind(
        create=_access_policy, immutable=True
    ),
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": Kind(
        create=_pod_identity, update=lambda *_: None, replacing=frozenset({"clusterName"})
    ),
    "aws:autoscaling/tag:Tag": Kind(
        create=_scaling_tag,
        update=lambda *_: None,
        replacing=frozenset({"autoscalingGroupName"}),
    ),
    "aws:kms/key:Key": Kind(
        create=_key,
        delete=lambda api, id_, given: api.call(
            "kms",
            "ScheduleKeyDeletion",
            KeyId=id_,
            PendingWindowInDays=given["deletionWindowInDays"],
        ),
        update=lambda *_: None,
        outputs=_ARN,
    ),
}
