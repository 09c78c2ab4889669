"""How Google Cloud names who comes from a cluster or from GitHub, and what they may do. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

GITHUB_ISSUER: Final = "https://token.actions.githubusercontent.com"
NODE_ROLE: Final = "roles/container.defaultNodeServiceAccount"
IMAGE_ROLE: Final = "roles/artifactregistry.reader"
# Reads a bucket's settings, not what is in it.
BUCKET_READER: Final = "roles/storage.bucketViewer"


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


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """What of a stack a preview reads and an update changes, besides what each has."""

    cluster: bool = False
    vertex: bool = False
    mails: bool = False
    dashboard: bool = False
    alerts: bool = False
    topic: bool = False


def preview_roles(deployed: Deployed) -> Iterator[str]:
    """Give what reads all settings, and who has which role; no content of buckets or secrets."""
    yield "roles/browser"
    yield "roles/iam.securityReviewer"
    yield "roles/iam.serviceAccountViewer"
    yield "roles/iam.workloadIdentityPoolViewer"
    yield "roles/iam.roleViewer"
    # Also needed of who asks in the name of the project.
    yield "roles/serviceusage.serviceUsageConsumer"
    if deployed.cluster:
        yield "roles/container.viewer"
        yield "roles/compute.networkViewer"
    if deployed.vertex:
        yield "roles/aiplatform.viewer"
    if deployed.mails:
        yield "roles/monitoring.notificationChannelViewer"
    if deployed.dashboard:
        yield "roles/monitoring.dashboardViewer"
    if deployed.alerts:
        yield "roles/monitoring.alertPolicyViewer"
    if deployed.topic:
        yield "roles/pubsub.viewer"


def deploy_roles(deployed: Deployed) -> Iterator[str]:
    """Give what changes what runs in a stack, beside the permissions of `deploy_permissions`."""
    if deployed.cluster:
        yield "roles/container.developer"
    if deployed.vertex:
        yield "roles/aiplatform.user"
    if deployed.mails:
        yield "roles/monitoring.notificationChannelEditor"
    if deployed.dashboard:
        yield "roles/monitoring.dashboardEditor"
    if deployed.alerts:
        yield "roles/monitoring.alertPolicyEditor"


def deploy_permissions(deployed: Deployed) -> tuple[str, ...]:
    """Give what an update does to the project beside that, one by one: no ready role is so narrow.

    Nothing in here lets a deployer give itself more. So a person does the stack's first update,
    and changes to CI, to the network, to the budget and to service accounts.
    """
    pools = ("container.clusters.update", "container.operations.get", "container.operations.list")
    return ("serviceusage.services.enable", *(pools if deployed.cluster else ()))


# What an update does to the bucket: its settings, and the folders that models are read from.
BUCKET_PERMISSIONS: Final = (
    "storage.buckets.get",
    "storage.buckets.getIamPolicy",
    "storage.buckets.update",
    "storage.managedFolders.create",
    "storage.managedFolders.delete",
    "storage.managedFolders.get",
    "storage.managedFolders.getIamPolicy",
    "storage.managedFolders.list",
    "storage.managedFolders.setIamPolicy",
)
