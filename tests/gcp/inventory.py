"""What each stack file of Google Cloud makes: how many of each kind, and the values that matter.

`python -m tests.gcp.inventory` writes it anew; the change is then read in review. Beside it stands
nothing that a reviewer would skip.
"""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from tests.declaring import Declaration
from tests.gcp.declaring import declared

CHECKOUT: Final = Path(__file__).resolve().parents[2]
STACKS: Final = ("dev", "prod")
DIRECTORY: Final = Path(__file__).parent / "inventory"

# By type: the values that say what it costs, who gets in, and what is lost if it goes.
_CHOSEN: Final[Mapping[str, tuple[str, ...]]] = {
    "gcp:projects/service:Service": (),
    "gcp:storage/bucket:Bucket": (
        "name",
        "location",
        "customPlacementConfig",
        "forceDestroy",
        "publicAccessPrevention",
        "uniformBucketLevelAccess",
        "versioning",
        "softDeletePolicy",
        "lifecycleRules",
        "labels",
    ),
    "gcp:storage/bucketIAMMember:BucketIAMMember": ("role", "member", "condition"),
    "gcp:storage/managedFolderIamMember:ManagedFolderIamMember": ("role", "member"),
    "gcp:projects/iAMMember:IAMMember": ("role", "member", "condition"),
    "gcp:projects/iAMCustomRole:IAMCustomRole": ("permissions",),
    "gcp:serviceaccount/iAMMember:IAMMember": ("role", "member"),
    "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider": (
        "attributeCondition",
        "attributeMapping",
    ),
    "gcp:container/cluster:Cluster": (
        "location",
        "nodeLocations",
        "releaseChannel",
        "privateClusterConfig",
        "controlPlaneEndpointsConfig",
        "workloadIdentityConfig",
        "datapathProvider",
        "gatewayApiConfig",
        "maintenancePolicy",
        "deletionProtection",
    ),
    "gcp:container/nodePool:NodePool": (
        "autoscaling",
        "nodeConfig",
        "nodeLocations",
        "upgradeSettings",
    ),
    "gcp:monitoring/alertPolicy:AlertPolicy": ("conditions", "notificationChannels"),
    "gcp:billing/budget:Budget": ("amount", "budgetFilter", "thresholdRules"),
}


def declared_by(stack: str) -> Declaration:
    """Declare what a stack file says."""
    document = YAML(typ="safe", pure=True).load(CHECKOUT / f"Pulumi.{stack}.yaml")
    config = {key.removeprefix("servestack:"): value for key, value in document["config"].items()}
    return declared(config, stack)


def inventory(stack: str) -> dict[str, Any]:
    """Give the inventory of a stack file."""
    resources = [
        one
        for one in declared_by(stack).resources
        if not one.type.startswith(("pulumi:pulumi:", "servestack:"))
    ]
    return {
        "counts": dict(sorted(Counter(one.type for one in resources).items())),
        "chosen": {
            f"{one.type} {one.name}": {
                name: one.inputs[name] for name in _CHOSEN[one.type] if name in one.inputs
            }
            for one in sorted(resources, key=lambda one: (one.type, one.name))
            if _CHOSEN.get(one.type)
        },
    }


def document_of(stack: str) -> str:
    """Give the text of a stack's file."""
    return json.dumps(inventory(stack), indent=2, sort_keys=True) + "\n"


def main() -> None:
    """Write the files."""
    DIRECTORY.mkdir(exist_ok=True)
    for stack in STACKS:
        (DIRECTORY / f"{stack}.json").write_text(document_of(stack))


if __name__ == "__main__":
    main()
