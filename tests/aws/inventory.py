"""What each stack file of AWS makes: how many of each kind, and the values that matter.

`python -m tests.aws.inventory` writes it anew; the change is then read in review. Beside it stands
nothing that a reviewer would skip.
"""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from ruamel.yaml import YAML

from tests.aws.declaring import declared

CHECKOUT: Final = Path(__file__).resolve().parents[2]
STACKS: Final = ("aws-dev",)
DIRECTORY: Final = Path(__file__).parent / "inventory"

# By type: the values that say what it costs, who gets in, and what is lost if it goes.
_CHOSEN: Final[Mapping[str, tuple[str, ...]]] = {
    "aws:s3/bucket:Bucket": ("bucket", "forceDestroy", "objectLockEnabled"),
    "aws:s3/bucketVersioning:BucketVersioning": ("versioningConfiguration",),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": (
        *("blockPublicAcls", "blockPublicPolicy"),
        *("ignorePublicAcls", "restrictPublicBuckets"),
    ),
    "aws:s3/bucketPolicy:BucketPolicy": ("policy",),
    "aws:iam/role:Role": ("name", "assumeRolePolicy", "permissionsBoundary"),
    "aws:iam/rolePolicy:RolePolicy": ("policy",),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": ("policyArn",),
    "aws:eks/cluster:Cluster": (
        *("name", "version", "vpcConfig", "accessConfig", "encryptionConfig"),
        *("enabledClusterLogTypes", "deletionProtection"),
    ),
    "aws:eks/nodeGroup:NodeGroup": (
        *("amiType", "capacityType", "instanceTypes", "labels", "taints", "scalingConfig"),
    ),
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": ("namespace", "serviceAccount"),
    "aws:eks/addon:Addon": ("addonName",),
    "aws:ec2/natGateway:NatGateway": ("subnetId",),
    "aws:budgets/budget:Budget": ("limitAmount", "limitUnit", "costFilters", "notifications"),
}


def inventory(stack: str) -> dict[str, Any]:
    """Give the inventory of a stack file."""
    document = YAML(typ="safe", pure=True).load(CHECKOUT / f"Pulumi.{stack}.yaml")
    config = {key.removeprefix("servestack:"): value for key, value in document["config"].items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERVESTACK_HOME", str(DIRECTORY))
        found = declared(config, patch, stack=stack).resources
    resources = [one for one in found if not one.type.startswith(("pulumi:pulumi:", "servestack:"))]
    return {
        "counts": dict(sorted(Counter(one.type for one in resources).items())),
        "chosen": {
            f"{one.type} {one.name}": {
                name: _readable(one.inputs[name])
                for name in _CHOSEN[one.type]
                if name in one.inputs
            }
            for one in sorted(resources, key=lambda one: (one.type, one.name))
            if _CHOSEN.get(one.type)
        },
    }


def _readable(value: Any) -> Any:
    is_document = isinstance(value, str) and value.startswith("{")
    return json.loads(value)["Statement"] if is_document else value


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
