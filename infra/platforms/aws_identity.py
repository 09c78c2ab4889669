"""Who may serve, publish and deploy on AWS: roles, and what the bucket grants them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pulumi
import pulumi_aws as aws

from infra.config import Target
from infra.config.aws_values import PodIdentity
from infra.config.sections.identity import GithubConfig
from infra.identity.aws import AwsRole, AwsRoleArgs
from infra.identity.aws_bucket_policies import archive_reading, results_writing
from infra.identity.aws_duties import releasing, sagemaker_running
from infra.identity.aws_policies import document
from infra.identity.aws_trust import (
    GITHUB_HOST,
    trust_github,
    trust_pods,
    trust_principals,
    trust_service,
    trust_service_account,
)
from infra.names import namespace_name, service_account_name
from infra.platforms.aws_place import AwsPlace

if TYPE_CHECKING:
    # It brings the SDKs of networks and Kubernetes, which take seconds.
    from infra.compute.eks import EksCluster

# Amazon's own policies that let look at every setting, and at no content.
_LOOKING: Final = ("SecurityAudit", "job-function/ViewOnlyAccess")


@dataclass(frozen=True, kw_only=True)
class Server:
    """Who serves a model: a role, and the grants that its server waits for.

    `annotations` are those of the pods' service account, where the cluster's tokens are used.
    """

    role_arn: str
    grants: Sequence[pulumi.Resource]
    annotations: Mapping[str, pulumi.Input[str]]


def serving_roles(place: AwsPlace, cluster: "EksCluster | None") -> dict[str, Server]:
    """Declare who serves each model, and let them read it; by model's name."""
    config = place.stack.config
    if config.identity.per_model:
        groups: list[tuple[str, Target, tuple[str, ...]]] = [
            (name, model.target, (name,)) for name, model in config.models.items()
        ]
    else:
        shared: dict[Target, list[str]] = {}
        for name, model in config.models.items():
            shared.setdefault(model.target, []).append(name)
        groups = [(str(target), target, tuple(names)) for target, names in shared.items()]
    servers: dict[str, Server] = {}
    for group, target, models in groups:
        one = group if config.identity.per_model else None
        if target is Target.SAGEMAKER:
            servers |= dict.fromkeys(models, _endpoint_role(place, group, one))
        elif cluster is not None:
            servers |= dict.fromkeys(models, _pod_role(place, cluster, group, one, models))
    return servers


def _endpoint_role(place: AwsPlace, group: str, model: str | None) -> Server:
    name = place.role_name("endpoint", group)
    role = AwsRole(
        group,
        AwsRoleArgs(
            name=name,
            description=f"Serves {group} of {place.stack.name} on SageMaker",
            trust=document(trust_service("sagemaker.amazonaws.com", account=place.account)),
            allows=sagemaker_running(
                account=place.account,
                region=place.region,
                partition=place.partition,
                endpoint=f"{group}-*" if model else "*",
            ),
            boundary=place.boundary,
        ),
        place.options(),
    )
    grant = place.bucket.grant(
        f"{group}-serves",
        role.name,
        [*archive_reading(place.bucket.place, model), *results_writing(place.bucket.place, model)],
    )
    return Server(role_arn=place.role_arn(name), grants=[role, grant], annotations={})


def _pod_role(
    place: AwsPlace,
    cluster: "EksCluster",
    group: str,
    model: str | None,
    models: Sequence[str],
) -> Server:
    config = place.stack.config
    namespace = config.kubernetes.namespace or namespace_name(place.stack.name)
    accounts = [service_account_name(one) for one in models]
    name = place.role_name("pods", group)
    irsa = config.aws.pod_identity is PodIdentity.IRSA
    if irsa:
        trust = pulumi.Output.all(cluster.issuer_arn, cluster.issuer).apply(
            lambda known: document(
                [
                    statement
                    for account in accounts
                    for statement in trust_service_account(
                        provider_arn=known[0],
                        issuer=known[1].removeprefix("https://"),
                        namespace=namespace,
                        service_account=account,
                    )
                ]
            )
        )
    else:
        trust = pulumi.Output.from_input(
            document(trust_pods(cluster_arn=cluster.arn, account=place.account))
        )
    role = AwsRole(
        group,
        AwsRoleArgs(
            name=name,
            description=f"Serves {group} of {place.stack.name} in the cluster",
            trust=trust,
            boundary=place.boundary,
        ),
        place.options(),
    )
    grants: list[pulumi.Resource] = [
        role,
        *place.bucket.grant_read(group, role.name, prefix=model),
    ]
    if not irsa:
        grants += [
            aws.eks.PodIdentityAssociation(
                account,
                aws.eks.PodIdentityAssociationArgs(
                    cluster_name=cluster.name,
                    namespace=namespace,
                    service_account=account,
                    role_arn=role.arn,
                ),
                pulumi.ResourceOptions(parent=role, depends_on=cluster.ready),
            )
            for account in accounts
        ]
    return Server(
        role_arn=place.role_arn(name),
        grants=grants,
        annotations={"eks.amazonaws.com/role-arn": role.arn} if irsa else {},
    )


def publishers(place: AwsPlace) -> Mapping[str, Any]:
    """Declare who may publish; give the outputs that tell of it."""
    identity = place.stack.config.identity
    told: dict[str, Any] = {}
    if identity.publishers:
        role = AwsRole(
            "publisher",
            AwsRoleArgs(
                name=place.role_name("publish"),
                description=f"Publishes models of {place.stack.name}",
                trust=document(trust_principals(identity.publishers)),
                boundary=place.boundary,
            ),
            place.options(),
        )
        place.bucket.grant_write("publisher", role.name)
        told["publisher"] = role.arn
    if identity.publisher_key:
        told |= _publisher_key(place)
    return told


def _publisher_key(place: AwsPlace) -> Mapping[str, Any]:
    """Make a user with a key, since somebody asked for one; the policy pack says so too."""
    options = pulumi.ResourceOptions(provider=place.provider)
    user = aws.iam.User(
        "publisher",
        aws.iam.UserArgs(
            name=place.role_name("publisher"),
            permissions_boundary=place.boundary,
        ),
        options,
    )
    aws.iam.UserPolicy(
        "publisher",
        aws.iam.UserPolicyArgs(
            name="publishes",
            user=user.name,
            policy=document(place.bucket.publishing(None)),
        ),
        options,
    )
    key = aws.iam.AccessKey("publisher", aws.iam.AccessKeyArgs(user=user.name), options)
    return {
        "publisher_key_id": key.id,
        "publisher_key": pulumi.Output.secret(key.secret),
    }


def ci(
    place: AwsPlace, cluster: "EksCluster | None", serving: Mapping[str, Server]
) -> Mapping[str, Any]:
    """Let CI in, if the configuration names it; give the outputs that its workflow needs."""
    found = place.stack.config.identity.ci
    if found is None or found.github is None:
        return {}
    provider = f"arn:{place.partition}:iam::{place.account}:oidc-provider/{GITHUB_HOST}"
    after: list[pulumi.Resource] = []
    if place.stack.config.aws.github_provider:
        after.append(
            aws.iam.OpenIdConnectProvider(
                "github",
                aws.iam.OpenIdConnectProviderArgs(
                    url=f"https://{GITHUB_HOST}", client_id_lists=["sts.amazonaws.com"]
                ),
                pulumi.ResourceOptions(provider=place.provider),
            )
        )
    preview = _ci_role(place, "preview", found.github, provider, after)
    deploy = _ci_role(place, "deploy", found.github, provider, after, serving=serving)
    for name, role in (("ci-preview", preview), ("ci-deploy", deploy)):
        place.bucket.grant_read(name, role.name)
    if cluster is not None:
        cluster.admit("ci-deploy", deploy.arn)
    return {"ci": {"preview": preview.arn, "deploy": deploy.arn}}


def _ci_role(
    place: AwsPlace,
    what: str,
    github: GithubConfig,
    provider: str,
    after: Sequence[pulumi.Resource],
    serving: Mapping[str, Server] | None = None,
) -> AwsRole:
    deploys = serving is not None
    models = place.stack.config.models.items()
    on_sagemaker = [name for name, model in models if model.target is Target.SAGEMAKER]
    allows = (
        releasing(
            account=place.account,
            region=place.region,
            partition=place.partition,
            bucket=place.bucket.place,
            roles=sorted({serving[name].role_arn for name in on_sagemaker}),
        )
        if serving is not None
        else []
    )
    return AwsRole(
        f"ci-{what}",
        AwsRoleArgs(
            name=place.role_name(what),
            description=f"CI of {place.stack.name}: {what}",
            trust=document(
                trust_github(
                    provider_arn=provider,
                    repository=github.repository,
                    environment=github.environment if deploys else None,
                )
            ),
            allows=allows,
            managed=[f"arn:{place.partition}:iam::aws:policy/{name}" for name in _LOOKING],
            boundary=place.boundary,
        ),
        place.options(*after),
    )
