"""Where a stack is on Google Cloud: what everything that is declared there has in common."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from infra.platforms.published import Manifests
from infra.platforms.stack import RunningStack
from infra.storage.gcs import GcsModelBucket


@dataclass(frozen=True, kw_only=True)
class GcpPlace:
    """The project and the region, the bucket in them, and what is published there.

    `before` is what everything else waits for: the services of the project. Whatever is declared
    takes `options()`, and carries `labels` where it can have labels.
    """

    stack: RunningStack
    project: str
    region: str
    provider: gcp.Provider
    labels: dict[str, str]
    before: Sequence[pulumi.Resource]
    bucket: GcsModelBucket
    manifests: Manifests

    @property
    def project_number(self) -> pulumi.Output[str]:
        """Give the number by which members and budgets name the project."""
        return self.bucket.project_number

    def options(self, *after: pulumi.Resource) -> pulumi.ResourceOptions:
        """Give the options of a component in this place, which waits for `after` as well."""
        return pulumi.ResourceOptions(providers=[self.provider], depends_on=[*self.before, *after])
