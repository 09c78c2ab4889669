"""Who may read, publish and deploy on Google Cloud: identities, and what the bucket grants them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from infra.compute.gke import GkeCluster
from infra.config import Target
from infra.config.sections.identity import GithubConfig
from infra.gcp_names import custom_role_id, federation_id, service_account_id
from infra.identity.gcp import (
    GcpGithub,
    GcpGithubArgs,
    GcpPublishers,
    GcpPublishersArgs,
    GcpServingIdentity,
    GcpServingIdentityArgs,
)
from infra.identity.gcp_members import BUCKET_READER, Deployed
from infra.names import service_account_name
from infra.platforms.gcp_observe import mailed
from infra.platforms.gcp_place import GcpPlace


@dataclass(frozen=True, kw_only=True)
class Server:
    """Who serves a model, and the grants that its server waits for."""

    identity: GcpServingIdentity
    grants: Sequence[pulumi.Resource]
    # Its address, known before it is made; empty where it is no service account.
    planned_email: str = ""


def serving_identities(
    place: GcpPlace, namespace: str, cluster: GkeCluster | None
) -> dict[str, Server]:
    """Declare who serves each model, and let them read it; by model's name.

    Vertex AI runs its servers as service accounts, so there each identity is one. Pods are let in
    as themselves, unless the configuration wants accounts there too.
    """
    config = place.stack.config
    servers: dict[str, Server] = {}
    shared: dict[Target, list[str]] = {}
    for name, model in config.models.items():
        shared.setdefault(model.target, []).append(name)
    groups = (
        [(name, model.target, (name,)) for name, model in config.models.items()]
        if config.identity.per_model
        else [(str(target), target, tuple(names)) for target, names in shared.items()]
    )
    for group, target, models in groups:
        in_cluster = target is Target.KUBERNETES
        acts = config.identity.impersonation or not in_cluster
        one = config.identity.per_model
        account = service_account_id("serve", stack=place.stack.name, model=group)
        identity = GcpServingIdentity(
            group,
            GcpServingIdentityArgs(
                project=place.project,
                project_number=place.project_number,
                namespace=namespace if in_cluster else "",
                kubernetes_accounts=tuple(map(service_account_name, models)) if in_cluster else (),
                account_id=account if acts else None,
                title=f"Serves {', '.join(models)} of {place.stack.name}"[:100],
                whole_namespace=not one,
            ),
            # The pool of the project's clusters is there once one of them is.
            place.options(*(cluster.ready[:1] if cluster and in_cluster else ())),
        )
        grants = place.bucket.grant_read(
            group,
            identity.member,
            prefix=group if one else None,
            after=cluster.ready[:1] if cluster and in_cluster else (),
        )
        email = f"{account}@{place.project}.iam.gserviceaccount.com" if acts else ""
        servers |= dict.fromkeys(
            models, Server(identity=identity, grants=grants, planned_email=email)
        )
    return servers


def publishers(place: GcpPlace) -> Mapping[str, Any]:
    """Declare who may publish; give the outputs that tell of it."""
    identity = place.stack.config.identity
    if not identity.publishers and not identity.publisher_key:
        return {}
    made = GcpPublishers(
        "publisher",
        GcpPublishersArgs(
            project=place.project,
            principals=identity.publishers,
            account_id=service_account_id("publish", stack=place.stack.name),
            title=f"Publishes models of {place.stack.name}",
            impersonation=identity.impersonation,
            key=identity.publisher_key,
        ),
        place.options(),
    )
    for name, member in made.members.items():
        place.bucket.grant_write(name, member)
    told = {"publisher": made.account, "publisher_key": made.key}
    return {name: value for name, value in told.items() if value is not None}


def ci(
    place: GcpPlace, cluster: GkeCluster | None, serving: Mapping[str, Server]
) -> Mapping[str, Any]:
    """Let CI in, if the configuration names it; give the outputs that its workflow needs."""
    found = place.stack.config.identity.ci
    if found is None or found.github is None:
        return {}
    made = _github(place, found.github, cluster, serving)
    place.bucket.grant_read("ci-preview", made.members["preview"])
    place.bucket.grant_role("ci-preview-settings", made.members["preview"], BUCKET_READER)
    place.bucket.grant_read("ci-deploy", made.members["deploy"])
    place.bucket.grant_role("ci-deploy-settings", made.members["deploy"], made.bucket_role)
    return {"ci": {"provider": made.provider, "service_accounts": made.accounts}}


def _github(
    place: GcpPlace,
    github: GithubConfig,
    cluster: GkeCluster | None,
    serving: Mapping[str, Server],
) -> GcpGithub:
    config, stack = place.stack.config, place.stack.name
    accounts: dict[str, pulumi.Input[str]] = {
        name: server.identity.account
        for name, server in serving.items()
        if server.identity.account is not None
    }
    if cluster is not None:
        accounts["nodes"] = cluster.node_account
    return GcpGithub(
        "ci",
        GcpGithubArgs(
            project=place.project,
            pool_id=federation_id(stack, repository=github.repository),
            repository=github.repository,
            repository_id=github.repository_id,
            environment=github.environment,
            deployed=Deployed(
                cluster=cluster is not None,
                vertex=any(model.target is Target.VERTEX for model in config.models.values()),
                mails=bool(mailed(config)),
                dashboard=config.observe.dashboard,
                alerts=config.observe.alerts is not None,
                topic=config.budget is not None and config.budget.topic,
            ),
            project_role_id=custom_role_id(stack, of="deploy"),
            bucket_role_id=custom_role_id(stack, of="bucket"),
            impersonation=config.identity.impersonation,
            preview_account_id=service_account_id("preview", stack=stack),
            deploy_account_id=service_account_id("deploy", stack=stack),
            acts_as=accounts,
        ),
        place.options(),
    )
