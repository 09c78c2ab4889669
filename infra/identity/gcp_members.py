"""How Google Cloud names who comes from a cluster or from GitHub, and what they may do. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

GITHUB_ISSUER: Final = "https://token.actions.githubusercontent.com"
NODE_ROLE: Final = "roles/container.defaultNodeServiceAccount"
IMAGE_ROLE: Final = "roles/artifactregistry.reader"
# What a preview reads: all settings, and who has which role; no content of buckets or secrets.
# The last is needed of who asks in the name of the project.
PREVIEW_ROLES: Final = (
    "roles/viewer",
    "roles/iam.securityReviewer",
    "roles/serviceusage.serviceUsageConsumer",
)


@dataclass(frozen=True, kw_only=True)
class Role:
    """A role, and on which condition it holds, in the language of IAM's conditions."""

    name: str
    title: str = ""
    condition: str | None = None


def workload_pool(project: str) -> str:
    """Name the pool of identities that all clusters of a project share."""
    return f"{project}.svc.id.goog"


def workload_member(*, project: str, number: str, namespace: str, account: str | None) -> str:
    """Name the pods of a service account in a namespace; without one, all pods of it."""
    pool = (
        f"iam.googleapis.com/projects/{number}/locations/global/workloadIdentityPools/"
        f"{workload_pool(project)}"
    )
    if account is None:
        return f"principalSet://{pool}/namespace/{namespace}"
    return f"principal://{pool}/subject/ns/{namespace}/sa/{account}"


def acting_workload(*, project: str, namespace: str, account: str) -> str:
    """Name the same pods as those who act as a service account of Google Cloud."""
    return f"serviceAccount:{workload_pool(project)}[{namespace}/{account}]"


def acting_role(principal: str) -> str:
    """Give the role by which a principal may act as a service account."""
    is_federated = principal.startswith(("principal://", "principalSet://"))
    return (
        "roles/iam.workloadIdentityUser" if is_federated else "roles/iam.serviceAccountTokenCreator"
    )


def repository_member(pool: str, repository: str) -> str:
    """Name every workflow of a repository; `pool` is the pool's full name."""
    return f"principalSet://iam.googleapis.com/{pool}/attribute.repository/{repository}"


def environment_member(pool: str, repository: str, environment: str) -> str:
    """Name the jobs of a repository in one of its environments."""
    subject = f"repo:{repository}:environment:{environment}"
    return f"principal://iam.googleapis.com/{pool}/subject/{subject}"


def repository_condition(repository: str, repository_id: str | None) -> str:
    """Say whose tokens are taken at all, in the language of attribute conditions."""
    named = f"assertion.repository == '{repository}'"
    return (
        named
        if repository_id is None
        else f"{named} && assertion.repository_id == '{repository_id}'"
    )


def deploy_roles(*, bucket: str, cluster: bool, vertex: bool, budget: bool) -> Iterator[Role]:
    """Give what an update does, and nothing by which a deployer could give itself more.

    Not in here, so that a person has to do it: the stack's first update, changes to CI itself, to
    the budget, and to service accounts.
    """
    yield Role(name="roles/viewer")
    yield Role(name="roles/iam.securityReviewer")
    yield Role(name="roles/serviceusage.serviceUsageAdmin")
    yield Role(
        name="roles/storage.admin",
        title="only the stack's buckets",
        condition=f'resource.name.startsWith("projects/_/buckets/{bucket}")',
    )
    if cluster:
        yield Role(name="roles/container.admin")
        yield Role(name="roles/compute.networkAdmin")
        allowed = f"['{NODE_ROLE}', '{IMAGE_ROLE}']"
        yield Role(
            name="roles/resourcemanager.projectIamAdmin",
            title="only the roles of nodes",
            condition="api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', [])"
            f".hasOnly({allowed})",
        )
    if vertex:
        yield Role(name="roles/aiplatform.admin")
    if budget:
        yield Role(name="roles/monitoring.notificationChannelEditor")
