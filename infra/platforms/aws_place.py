"""Where a stack is on AWS: what everything that is declared there has in common."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.aws_names import partition_of, role_arn, role_name
from infra.platforms.published import Manifests
from infra.platforms.stack import RunningStack
from infra.storage.s3 import S3ModelBucket


@dataclass(frozen=True, kw_only=True)
class AwsPlace:
    """The account and the region, the bucket in them, and what is published there.

    The provider tags whatever is declared, so nothing else carries the stack's tags.
    """

    stack: RunningStack
    account: str
    region: str
    provider: aws.Provider
    bucket: S3ModelBucket
    manifests: Manifests

    @property
    def partition(self) -> str:
        """Give the part of AWS that ARNs begin with."""
        return partition_of(self.region)

    @property
    def boundary(self) -> str | None:
        """Give the policy that no role goes beyond."""
        return self.stack.config.aws.permissions_boundary

    def role_name(self, what: str, model: str = "") -> str:
        """Name a role of this stack."""
        return role_name(what, stack=self.stack.name, region=self.region, model=model)

    def role_arn(self, name: str) -> str:
        """Give the ARN of a role, which is known before there is one."""
        return role_arn(name, account=self.account, region=self.region)

    def options(self, *after: pulumi.Resource) -> pulumi.ResourceOptions:
        """Give the options of a component in this place."""
        return pulumi.ResourceOptions(providers=[self.provider], depends_on=[*after])
