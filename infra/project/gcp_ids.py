"""By what id Google Cloud knows a resource that a stack asked for. Pure.

Most ids follow from what was asked for, so that what a killed update may have left is found again.
It leaves out what Google numbers itself (budgets, channels, keys), and members of policies, which
can be made twice without harm.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

Inputs = Mapping[str, Any]


def _in_project(text: str) -> Callable[[Inputs], str]:
    return lambda inputs: f"projects/{inputs['project']}/{text.format(**inputs)}"


_IDS: Final[Mapping[str, Callable[[Inputs], str]]] = {
    "gcp:storage/bucket:Bucket": lambda inputs: str(inputs["name"]),
    "gcp:storage/managedFolder:ManagedFolder": lambda inputs: "{bucket}/{name}".format(**inputs),
    "gcp:serviceaccount/account:Account": _in_project(
        "serviceAccounts/{accountId}@{project}.iam.gserviceaccount.com"
    ),
    "gcp:projects/iAMCustomRole:IAMCustomRole": _in_project("roles/{roleId}"),
    "gcp:iam/workloadIdentityPool:WorkloadIdentityPool": _in_project(
        "locations/global/workloadIdentityPools/{workloadIdentityPoolId}"
    ),
    "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider": _in_project(
        "locations/global/workloadIdentityPools/{workloadIdentityPoolId}"
        "/providers/{workloadIdentityPoolProviderId}"
    ),
    "gcp:compute/network:Network": _in_project("global/networks/{name}"),
    "gcp:compute/subnetwork:Subnetwork": _in_project("regions/{region}/subnetworks/{name}"),
    "gcp:compute/router:Router": _in_project("regions/{region}/routers/{name}"),
    "gcp:compute/routerNat:RouterNat": lambda inputs: "{project}/{region}/{router}/{name}".format(
        **inputs
    ),
    "gcp:container/cluster:Cluster": _in_project("locations/{location}/clusters/{name}"),
    "gcp:container/nodePool:NodePool": _in_project(
        "locations/{location}/clusters/{cluster}/nodePools/{name}"
    ),
    "gcp:artifactregistry/repository:Repository": _in_project(
        "locations/{location}/repositories/{repositoryId}"
    ),
    "gcp:pubsub/topic:Topic": _in_project("topics/{name}"),
}
_MADE_AGAIN: Final = ("gcp:projects/service:Service",)
# These look for what is there before they make anything.
_TAKES_UP: Final = "pulumi-python:dynamic/servestack:Vertex"


def gcp_id(type_: str, inputs: Inputs) -> str | None:
    """Give a resource's id; None where it does not follow from what was asked for."""
    try:
        return _IDS[type_](inputs)
    except KeyError:
        return None


def may_be_made_again(type_: str) -> bool:
    """Tell what Google takes a second time without a word, or is taken up by who makes it."""
    return (
        type_ in _MADE_AGAIN
        or type_.endswith(("IAMMember", "IamMember"))
        or type_.startswith(_TAKES_UP)
    )
