"""The place on AWS. Pure data, checked field by field."""

from pydantic import Field

from infra.config.aws_values import (
    AwsAccount,
    Nat,
    NatChoice,
    PodIdentity,
    PodIdentityChoice,
    PolicyArn,
    PrincipalArns,
    SubnetIds,
    VpcId,
    VpcRange,
)
from infra.config.sections.section import Section
from infra.config.values import AwsRegion, YesNo


class AwsConfig(Section):
    """The place on AWS."""

    account: AwsAccount | None = Field(
        default=None, description="Account that holds everything; no other one is touched."
    )
    region: AwsRegion | None = Field(
        default=None, description="Region of the bucket and of serving."
    )
    vpc: VpcId | None = Field(
        default=None, description="Existing VPC for the cluster. Absent: a small one is made."
    )
    subnets: SubnetIds = Field(
        default=(), description="Its private subnets for the nodes, in two zones or more."
    )
    vpc_range: VpcRange = Field(
        default="10.42.0.0/16", description="Addresses of the VPC that is made."
    )
    nat: NatChoice = Field(
        default=Nat.SINGLE,
        description="How nodes reach what is outside: `single` gateway, one `per_zone`, or `none` "
        "but private doors to what a cluster needs.",
    )
    pod_identity: PodIdentityChoice = Field(
        default=PodIdentity.POD_IDENTITY,
        description="How pods come to their role: by EKS Pod Identity, or `irsa` by the cluster's "
        "own tokens.",
    )
    secrets_key: YesNo = Field(
        default=True, description="Encrypt the cluster's secrets with a key of the stack's own."
    )
    cluster_admins: PrincipalArns = Field(
        default=(), description="Who administers the cluster besides whoever makes it."
    )
    github_provider: YesNo = Field(
        default=True,
        description="Make the account's provider of GitHub's tokens, of which there is one only. "
        "`false`: it is there.",
    )
    permissions_boundary: PolicyArn | None = Field(
        default=None, description="Policy that no role of the stack can go beyond. Absent: none."
    )
