"""Identities on Google Cloud: of servers, of publishers, and of GitHub's workflows.

By default a role is granted to those who come, by name, without a service account in between. What
they may read or write is the bucket's to grant; this module says who they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import pulumi
import pulumi_gcp as gcp

from infra.identity.gcp_members import (
    BUCKET_PERMISSIONS,
    GITHUB_ISSUER,
    Deployed,
    acting_role,
    acting_workload,
    deploy_permissions,
    deploy_roles,
    environment_member,
    preview_roles,
    repository_condition,
    repository_member,
    workload_member,
)

SERVING_TYPE: Final = "servestack:identity:GcpServingIdentity"
PUBLISHERS_TYPE: Final = "servestack:identity:GcpPublishers"
GITHUB_TYPE: Final = "servestack:identity:GcpGithub"

# By this annotation GKE lets a Kubernetes service account act as one of Google Cloud.
ACTS_AS: Final = "iam.gke.io/gcp-service-account"


@dataclass(frozen=True, kw_only=True)
class GcpServingIdentityArgs:
    """Whose servers these are.

    `kubernetes_accounts` are the service accounts of their pods; there are none where a service
    runs servers itself, and needs an account to run them as. `account_id` names a service account
    of Google Cloud to act as; without it roles go to the pods directly: to those of the one service
    account, or with `whole_namespace` to all that are there.
    """

    project: str
    project_number: pulumi.Input[str]
    namespace: str = ""
    kubernetes_accounts: tuple[str, ...] = ()
    account_id: str | None = None
    title: str = ""
    whole_namespace: bool = False


class GcpServingIdentity(pulumi.ComponentResource):
    """Who reads a model, or all of them: `member` is what roles are granted to.

    Where it is a service account, `account` is its full name and `email` its address.
    """

    member: pulumi.Output[str]
    account: pulumi.Output[str] | None
    email: pulumi.Output[str] | None
    annotations: Mapping[str, pulumi.Output[str]]

    def __init__(
        self,
        name: str,
        args: GcpServingIdentityArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(SERVING_TYPE, name, None, opts)
        if args.account_id is None:
            pods_of = None if args.whole_namespace else args.kubernetes_accounts[0]
            self.account = None
            self.email = None
            self.annotations = {}
            self.member = pulumi.Output.from_input(args.project_number).apply(
                lambda number: workload_member(
                    project=args.project,
                    number=number,
                    namespace=args.namespace,
                    account=pods_of,
                )
            )
        else:
            account = _service_account(name, args.project, args.account_id, args.title, self)
            for kubernetes_account in args.kubernetes_accounts:
                gcp.serviceaccount.IAMMember(
                    f"{name}-{kubernetes_account}-acts",
                    gcp.serviceaccount.IAMMemberArgs(
                        service_account_id=account.name,
                        role="roles/iam.workloadIdentityUser",
                        member=acting_workload(
                            project=args.project,
                            namespace=args.namespace,
                            account=kubernetes_account,
                        ),
                    ),
                    pulumi.ResourceOptions(parent=self),
                )
            self.account = account.name
            self.email = account.email
            self.annotations = {ACTS_AS: account.email}
            self.member = account.member
        self.register_outputs({"member": self.member})


@dataclass(frozen=True, kw_only=True)
class GcpPublishersArgs:
    """Who may publish; `impersonation` lets them act as one account, `key` makes a key for it."""

    project: str
    principals: tuple[str, ...]
    account_id: str
    title: str = ""
    impersonation: bool = False
    key: bool = False


class GcpPublishers(pulumi.ComponentResource):
    """Who may publish: `members` are what roles are granted to, each by a name that stays."""

    members: Mapping[str, pulumi.Input[str]]
    account: pulumi.Output[str] | None
    key: pulumi.Output[str] | None

    def __init__(
        self, name: str, args: GcpPublishersArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(PUBLISHERS_TYPE, name, None, opts)
        direct = {} if args.impersonation else {text: text for text in args.principals}
        self.members = direct
        self.account = None
        self.key = None
        if args.key or (args.impersonation and args.principals):
            account = _service_account(name, args.project, args.account_id, args.title, self)
            self.account = account.email
            self.members = {**direct, name: account.member}
            for principal in args.principals if args.impersonation else ():
                gcp.serviceaccount.IAMMember(
                    f"{principal}-acts",
                    gcp.serviceaccount.IAMMemberArgs(
                        service_account_id=account.name,
                        role=acting_role(principal),
                        member=principal,
                    ),
                    pulumi.ResourceOptions(parent=self),
                )
            if args.key:
                made = gcp.serviceaccount.Key(
                    name,
                    gcp.serviceaccount.KeyArgs(service_account_id=account.name),
                    pulumi.ResourceOptions(parent=self, additional_secret_outputs=["privateKey"]),
                )
                self.key = pulumi.Output.secret(made.private_key)
        self.register_outputs({"account": self.account})


@dataclass(frozen=True, kw_only=True)
class GcpGithubArgs:
    """A repository whose workflows are let in.

    Every workflow may preview what is `deployed`; jobs in `environment` may change it as well. With
    `impersonation` the account ids name the two accounts that they act as. `acts_as` are accounts
    that the stack's servers and nodes run as, by a name that stays.
    """

    project: str
    pool_id: str
    repository: str
    environment: str
    deployed: Deployed
    project_role_id: str
    bucket_role_id: str
    repository_id: str | None = None
    impersonation: bool = False
    preview_account_id: str = ""
    deploy_account_id: str = ""
    acts_as: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)


class GcpGithub(pulumi.ComponentResource):
    """GitHub's workflows: `provider` is what `google-github-actions/auth` asks for.

    `bucket_role` is what a deployer needs on the stack's bucket, which grants it.
    """

    provider: pulumi.Output[str]
    bucket_role: pulumi.Output[str]
    members: Mapping[str, pulumi.Output[str]]
    accounts: Mapping[str, pulumi.Output[str]]

    def __init__(
        self, name: str, args: GcpGithubArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(GITHUB_TYPE, name, None, opts)
        pool = gcp.iam.WorkloadIdentityPool(
            name,
            gcp.iam.WorkloadIdentityPoolArgs(
                project=args.project,
                workload_identity_pool_id=args.pool_id,
                display_name="CI of servestack",
                description=f"Workflows of {args.repository} on GitHub",
            ),
            pulumi.ResourceOptions(parent=self),
        )
        provider = gcp.iam.WorkloadIdentityPoolProvider(
            name,
            gcp.iam.WorkloadIdentityPoolProviderArgs(
                project=args.project,
                workload_identity_pool_id=pool.workload_identity_pool_id,
                workload_identity_pool_provider_id="github",
                display_name="GitHub",
                attribute_mapping={
                    "google.subject": "assertion.sub",
                    "attribute.repository": "assertion.repository",
                },
                attribute_condition=repository_condition(args.repository, args.repository_id),
                oidc=gcp.iam.WorkloadIdentityPoolProviderOidcArgs(issuer_uri=GITHUB_ISSUER),
            ),
            pulumi.ResourceOptions(parent=self),
        )
        self.provider = provider.name
        comers = {
            "preview": pool.name.apply(lambda full: repository_member(full, args.repository)),
            "deploy": pool.name.apply(
                lambda full: environment_member(full, args.repository, args.environment)
            ),
        }
        self.accounts = {}
        self.members = comers
        if args.impersonation:
            self._act(name, args, comers)
        self._grant_roles(name, args)
        self.bucket_role = self._custom_role(
            f"{name}-bucket", args.project, args.bucket_role_id, BUCKET_PERMISSIONS
        )
        for account, account_name in args.acts_as.items():
            gcp.serviceaccount.IAMMember(
                f"{name}-uses-{account}",
                gcp.serviceaccount.IAMMemberArgs(
                    service_account_id=account_name,
                    role="roles/iam.serviceAccountUser",
                    member=self.members["deploy"],
                ),
                pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({"provider": self.provider})

    def _act(
        self, name: str, args: GcpGithubArgs, comers: Mapping[str, pulumi.Output[str]]
    ) -> None:
        ids = {"preview": args.preview_account_id, "deploy": args.deploy_account_id}
        made = {
            kind: _service_account(f"{name}-{kind}", args.project, ids[kind], f"CI: {kind}", self)
            for kind in comers
        }
        for kind, account in made.items():
            gcp.serviceaccount.IAMMember(
                f"{name}-{kind}-acts",
                gcp.serviceaccount.IAMMemberArgs(
                    service_account_id=account.name,
                    role="roles/iam.workloadIdentityUser",
                    member=comers[kind],
                ),
                pulumi.ResourceOptions(parent=self),
            )
        self.members = {kind: account.member for kind, account in made.items()}
        self.accounts = {kind: account.email for kind, account in made.items()}

    def _grant_roles(self, name: str, args: GcpGithubArgs) -> None:
        reads = tuple(preview_roles(args.deployed))
        granted = {"preview": reads, "deploy": (*reads, *deploy_roles(args.deployed))}
        for kind, roles in granted.items():
            for role in roles:
                self._role(f"{name}-{kind}-{role.removeprefix('roles/')}", args, role, kind)
        own = self._custom_role(
            f"{name}-deploy", args.project, args.project_role_id, deploy_permissions(args.deployed)
        )
        self._role(f"{name}-deploy-own", args, own, "deploy")

    def _custom_role(
        self, name: str, project: str, role_id: str, permissions: Sequence[str]
    ) -> pulumi.Output[str]:
        role = gcp.projects.IAMCustomRole(
            name,
            gcp.projects.IAMCustomRoleArgs(
                project=project,
                role_id=role_id,
                title=f"servestack: {name}",
                permissions=sorted(permissions),
            ),
            pulumi.ResourceOptions(parent=self),
        )
        return role.name

    def _role(self, name: str, args: GcpGithubArgs, role: pulumi.Input[str], kind: str) -> None:
        gcp.projects.IAMMember(
            name,
            gcp.projects.IAMMemberArgs(project=args.project, role=role, member=self.members[kind]),
            pulumi.ResourceOptions(parent=self),
        )


def _service_account(
    name: str, project: str, account_id: str, title: str, parent: pulumi.Resource
) -> gcp.serviceaccount.Account:
    return gcp.serviceaccount.Account(
        name,
        gcp.serviceaccount.AccountArgs(
            project=project, account_id=account_id, display_name=title or name
        ),
        pulumi.ResourceOptions(parent=parent),
    )
