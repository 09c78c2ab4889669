"""What the stand-in knows of each kind of Google Cloud's resources: ids, answers, replacements.

As the API and the real plug-in have them; what is not in here the stand-in does not make.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.standins.values import UNKNOWN

Inputs = Mapping[str, Any]

# The number of every project, by its name.
CERTIFICATE: Final = base64.b64encode(b"the certificate of a stand-in").decode()
REGION_ZONES: Final = ("a", "b", "c")


def project_number(project: str) -> int:
    """Give the number that a project has."""
    return 100_000_000_000 + int(hashlib.sha256(project.encode()).hexdigest()[:8], 16)


def digits(*parts: str, count: int = 18) -> str:
    """Give a number that always is the same for the same parts."""
    found = int(hashlib.sha256("\0".join(parts).encode()).hexdigest(), 16)
    return str(found)[:count]


def account_email(inputs: Inputs) -> str:
    """Give a service account's address."""
    return f"{inputs['accountId']}@{inputs['project']}.iam.gserviceaccount.com"


def _nothing(_id: str, _inputs: Inputs) -> dict[str, Any]:
    return {}


def _none(_inputs: Inputs) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of resource.

    `replacing` are the inputs that cannot be changed in place. `needs` gives the ids of what has to
    be there before, and what may not go while this is there if it `holds` them.
    """

    service: str
    id: Callable[[Inputs], str]
    outputs: Callable[[str, Inputs], dict[str, Any]] = _nothing
    replacing: frozenset[str] = frozenset()
    needs: Callable[[Inputs], tuple[str, ...]] = _none
    holds: bool = False
    immutable: bool = False
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def member_id(start: Callable[[Inputs], str]) -> Callable[[Inputs], str]:
    """Name a member of a policy: what it is of, the role, who, and the condition."""

    def give(inputs: Inputs) -> str:
        condition = inputs.get("condition") or {}
        parts = (start(inputs), inputs["role"], inputs["member"], condition.get("title", ""))
        return "/".join(filter(None, parts))

    return give


def _members(
    service: str,
    start: Callable[[Inputs], str],
    needs: Callable[[Inputs], tuple[str, ...]] = _none,
) -> Kind:
    return Kind(
        service=service,
        id=member_id(start),
        outputs=lambda _id, _inputs: {"etag": "BwYk="},
        needs=needs,
        immutable=True,
    )


def _bucket_outputs(_id: str, inputs: Inputs) -> dict[str, Any]:
    return {
        "url": f"gs://{inputs['name']}",
        "selfLink": f"https://www.googleapis.com/storage/v1/b/{inputs['name']}",
        "projectNumber": project_number(inputs["project"]),
        "effectiveLabels": {**inputs.get("labels", {}), "goog-pulumi-provisioned": "true"},
        "timeCreated": "2026-01-01T00:00:00.000Z",
    }


def _account_outputs(id_: str, inputs: Inputs) -> dict[str, Any]:
    email = account_email(inputs)
    return {
        "email": email,
        "member": f"serviceAccount:{email}",
        "name": id_,
        "uniqueId": digits(id_, count=21),
    }


def _key_outputs(id_: str, inputs: Inputs) -> dict[str, Any]:
    document = {"type": "service_account", "client": inputs["serviceAccountId"], "id": id_}
    return {
        "name": id_,
        "privateKey": base64.b64encode(json.dumps(document).encode()).decode(),
        "validBefore": "9999-12-31T23:59:59Z",
    }


def _cluster_outputs(id_: str, inputs: Inputs) -> dict[str, Any]:
    endpoints = dict(inputs.get("controlPlaneEndpointsConfig") or {})
    dns = dict(endpoints.get("dnsEndpointConfig") or {})
    dns["endpoint"] = f"gke-{digits(id_, count=12)}.{inputs['location']}.gke.goog"
    return {
        "endpoint": "203.0.113.10",
        "masterAuth": {"clusterCaCertificate": CERTIFICATE},
        "controlPlaneEndpointsConfig": {**endpoints, "dnsEndpointConfig": dns},
        "masterVersion": "1.34.1-gke.1000000",
        "selfLink": f"https://container.googleapis.com/v1/{id_}",
    }


def _pool_id(inputs: Inputs) -> str:
    return (
        f"projects/{inputs['project']}/locations/global/workloadIdentityPools/"
        f"{inputs['workloadIdentityPoolId']}"
    )


def _numbered(id_: str, inputs: Inputs) -> dict[str, Any]:
    start = f"projects/{inputs['project']}/"
    number = project_number(inputs["project"])
    return {"name": f"projects/{number}/{id_.removeprefix(start)}", "state": "ACTIVE"}


def _cluster_place(inputs: Inputs) -> str:
    return f"projects/{inputs['project']}/locations/{inputs['location']}/clusters"


def _network_of_ours(inputs: Inputs) -> tuple[str, ...]:
    network = str(inputs.get("network", ""))
    return (network,) if network.startswith("projects/") else ()


def _ours(text: Any, start: str) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) and text.startswith(start) else ()


_NODE_WORDS: Final = {
    "nodeConfig.workloadMetadataConfig.mode": ("GKE_METADATA", "GCE_METADATA"),
    "upgradeSettings.strategy": ("SURGE", "BLUE_GREEN"),
    "nodeConfig.guestAccelerators[0].gpuDriverInstallationConfig.gpuDriverVersion": (
        "DEFAULT",
        "LATEST",
        "INSTALLATION_DISABLED",
    ),
    "nodeConfig.guestAccelerators[0].gpuSharingConfig.gpuSharingStrategy": ("TIME_SHARING", "MPS"),
}

KINDS: Final[Mapping[str, Kind]] = {
    "gcp:projects/service:Service": Kind(
        service="serviceusage", id=lambda inputs: f"{inputs['project']}/{inputs['service']}"
    ),
    "gcp:projects/iAMMember:IAMMember": _members(
        "cloudresourcemanager",
        lambda inputs: inputs["project"],
        lambda inputs: _ours(inputs["role"], "projects/"),
    ),
    "gcp:projects/iAMCustomRole:IAMCustomRole": Kind(
        service="iam",
        id=lambda inputs: f"projects/{inputs['project']}/roles/{inputs['roleId']}",
        outputs=lambda id_, _: {"name": id_, "deleted": False},
        replacing=frozenset({"project", "roleId"}),
    ),
    "gcp:storage/bucket:Bucket": Kind(
        service="storage",
        id=lambda inputs: str(inputs["name"]),
        outputs=_bucket_outputs,
        replacing=frozenset(
            {"name", "location", "project", "customPlacementConfig", "hierarchicalNamespace"}
        ),
    ),
    "gcp:storage/bucketIAMMember:BucketIAMMember": _members(
        "storage", lambda inputs: f"b/{inputs['bucket']}", lambda inputs: (inputs["bucket"],)
    ),
    "gcp:storage/managedFolder:ManagedFolder": Kind(
        service="storage",
        id=lambda inputs: f"{inputs['bucket']}/{inputs['name']}",
        replacing=frozenset({"bucket", "name"}),
        needs=lambda inputs: (inputs["bucket"],),
    ),
    "gcp:storage/managedFolderIamMember:ManagedFolderIamMember": _members(
        "storage",
        lambda inputs: f"b/{inputs['bucket']}/managedFolders/{inputs['managedFolder']}",
        lambda inputs: (f"{inputs['bucket']}/{inputs['managedFolder']}",),
    ),
    "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember": _members(
        "cloudkms", lambda inputs: inputs["cryptoKeyId"]
    ),
    "gcp:serviceaccount/account:Account": Kind(
        service="iam",
        id=lambda inputs: f"projects/{inputs['project']}/serviceAccounts/{account_email(inputs)}",
        outputs=_account_outputs,
        replacing=frozenset({"accountId", "project"}),
    ),
    "gcp:serviceaccount/iAMMember:IAMMember": _members(
        "iam",
        lambda inputs: inputs["serviceAccountId"],
        lambda inputs: (inputs["serviceAccountId"],),
    ),
    "gcp:serviceaccount/key:Key": Kind(
        service="iam",
        id=lambda inputs: f"{inputs['serviceAccountId']}/keys/{digits(inputs['serviceAccountId'])}",
        outputs=_key_outputs,
        replacing=frozenset({"serviceAccountId"}),
        needs=lambda inputs: (inputs["serviceAccountId"],),
    ),
    "gcp:iam/workloadIdentityPool:WorkloadIdentityPool": Kind(
        service="iam",
        id=_pool_id,
        outputs=_numbered,
        replacing=frozenset({"workloadIdentityPoolId", "project"}),
    ),
    "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider": Kind(
        service="iam",
        id=lambda inputs: (
            f"{_pool_id(inputs)}/providers/{inputs['workloadIdentityPoolProviderId']}"
        ),
        outputs=_numbered,
        replacing=frozenset(
            {"workloadIdentityPoolId", "workloadIdentityPoolProviderId", "project"}
        ),
        needs=lambda inputs: (_pool_id(inputs),),
    ),
    "gcp:compute/network:Network": Kind(
        service="compute",
        id=lambda inputs: f"projects/{inputs['project']}/global/networks/{inputs['name']}",
        outputs=lambda id_, _: {"selfLink": f"https://www.googleapis.com/compute/v1/{id_}"},
        replacing=frozenset({"name", "project", "autoCreateSubnetworks"}),
    ),
    "gcp:compute/subnetwork:Subnetwork": Kind(
        service="compute",
        id=lambda inputs: (
            f"projects/{inputs['project']}/regions/{inputs['region']}/subnetworks/{inputs['name']}"
        ),
        replacing=frozenset({"name", "project", "region", "network", "ipCidrRange"}),
        needs=_network_of_ours,
        holds=True,
    ),
    "gcp:compute/router:Router": Kind(
        service="compute",
        id=lambda inputs: (
            f"projects/{inputs['project']}/regions/{inputs['region']}/routers/{inputs['name']}"
        ),
        replacing=frozenset({"name", "project", "region", "network"}),
        needs=_network_of_ours,
        holds=True,
    ),
    "gcp:compute/routerNat:RouterNat": Kind(
        service="compute",
        id=lambda inputs: (
            f"{inputs['project']}/{inputs['region']}/{inputs['router']}/{inputs['name']}"
        ),
        replacing=frozenset({"name", "project", "region", "router"}),
        needs=lambda inputs: (
            f"projects/{inputs['project']}/regions/{inputs['region']}/routers/{inputs['router']}",
        ),
        holds=True,
    ),
    "gcp:container/cluster:Cluster": Kind(
        service="container",
        id=lambda inputs: f"{_cluster_place(inputs)}/{inputs['name']}",
        outputs=_cluster_outputs,
        replacing=frozenset(
            {"name", "project", "location", "network", "subnetwork", "enableAutopilot"}
        )
        | {"datapathProvider", "initialNodeCount", "nodeConfig"},
        needs=lambda inputs: (
            *_ours(inputs.get("network"), "projects/"),
            *_ours(inputs.get("subnetwork"), "projects/"),
        ),
        holds=True,
        words={"networkingMode": ("VPC_NATIVE", "ROUTES")},
    ),
    "gcp:container/nodePool:NodePool": Kind(
        service="container",
        id=lambda inputs: (
            f"{_cluster_place(inputs)}/{inputs['cluster']}/nodePools/{inputs['name']}"
        ),
        replacing=frozenset({"name", "project", "location", "cluster", "initialNodeCount"}),
        needs=lambda inputs: (f"{_cluster_place(inputs)}/{inputs['cluster']}",),
        words=_NODE_WORDS,
    ),
    "gcp:artifactregistry/repository:Repository": Kind(
        service="artifactregistry",
        id=lambda inputs: (
            f"projects/{inputs['project']}/locations/{inputs['location']}/repositories/"
            f"{inputs['repositoryId']}"
        ),
        outputs=lambda id_, _: {"name": id_.rpartition("/")[2]},
        replacing=frozenset(
            {"project", "location", "repositoryId", "format", "mode", "remoteRepositoryConfig"}
        ),
        words={
            "mode": ("STANDARD_REPOSITORY", "VIRTUAL_REPOSITORY", "REMOTE_REPOSITORY"),
            "format": ("DOCKER", "MAVEN", "NPM", "PYTHON", "APT", "YUM", "GO", "KFP", "GENERIC"),
        },
    ),
    "gcp:monitoring/notificationChannel:NotificationChannel": Kind(
        service="monitoring",
        id=lambda inputs: (
            f"projects/{inputs['project']}/notificationChannels/"
            f"{digits(inputs['project'], json.dumps(inputs['labels']))}"
        ),
        outputs=lambda id_, _: {"name": id_, "verificationStatus": ""},
        replacing=frozenset({"project", "type"}),
    ),
    "gcp:monitoring/dashboard:Dashboard": Kind(
        service="monitoring",
        id=lambda inputs: (
            f"projects/{project_number(inputs['project'])}/dashboards/"
            f"{digits(inputs['project'], json.loads(inputs['dashboardJson'])['displayName'])}"
        ),
        replacing=frozenset({"project"}),
    ),
    "gcp:monitoring/alertPolicy:AlertPolicy": Kind(
        service="monitoring",
        id=lambda inputs: (
            f"projects/{inputs['project']}/alertPolicies/"
            f"{digits(inputs['project'], inputs['displayName'])}"
        ),
        outputs=lambda id_, _: {"name": id_, "creationRecords": []},
        replacing=frozenset({"project"}),
        needs=lambda inputs: tuple(inputs.get("notificationChannels") or ()),
        holds=True,
        words={
            "combiner": ("AND", "OR", "AND_WITH_MATCHING_RESOURCE"),
            "severity": ("CRITICAL", "ERROR", "WARNING"),
        },
    ),
    "gcp:pubsub/topic:Topic": Kind(
        service="pubsub",
        id=lambda inputs: f"projects/{inputs['project']}/topics/{inputs['name']}",
        replacing=frozenset({"name", "project"}),
    ),
    "gcp:pubsub/topicIAMMember:TopicIAMMember": _members(
        "pubsub",
        lambda inputs: f"projects/{inputs['project']}/topics/{inputs['topic']}",
        lambda inputs: (f"projects/{inputs['project']}/topics/{inputs['topic']}",),
    ),
    "gcp:billing/budget:Budget": Kind(
        service="billingbudgets",
        id=lambda inputs: (
            f"billingAccounts/{inputs['billingAccount']}/budgets/"
            f"{digits(inputs['billingAccount'], inputs['displayName'])}"
        ),
        outputs=lambda id_, _: {"name": id_.rpartition("/")[2]},
        replacing=frozenset({"billingAccount"}),
        needs=lambda inputs: tuple(
            (inputs.get("allUpdatesRule") or {}).get("monitoringNotificationChannels") or ()
        ),
        holds=True,
    ),
}


def unknown_outputs(kind: Kind, inputs: Inputs) -> dict[str, Any]:
    """Give the names of what only the API can answer, for a preview."""
    try:
        return dict.fromkeys(kind.outputs("", inputs), UNKNOWN)
    except (KeyError, TypeError):
        return {}
