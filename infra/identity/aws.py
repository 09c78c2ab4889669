"""Roles on AWS: one component for each identity, with what it may do beside who may be it.

What they may do is `aws_policies`'; a bucket grants what concerns it by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import pulumi
import pulumi_aws as aws

from infra.identity.aws_policies import Statement, document

ROLE_TYPE: Final = "servestack:identity:AwsRole"


@dataclass(frozen=True, kw_only=True)
class AwsRoleArgs:
    """A role: its name, who may be it, and what it may do beside what others grant it."""

    name: str
    description: str
    trust: pulumi.Input[str]
    allows: Sequence[Statement] = field(default_factory=list)
    managed: Sequence[str] = field(default_factory=list)
    boundary: str | None = None


class AwsRole(pulumi.ComponentResource):
    """One identity. `grants` must be there before it can do anything."""

    name: pulumi.Output[str]
    arn: pulumi.Output[str]
    grants: list[pulumi.Resource]

    def __init__(
        self, name: str, args: AwsRoleArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(ROLE_TYPE, name, None, opts)
        inside = pulumi.ResourceOptions(parent=self)
        role = aws.iam.Role(
            name,
            aws.iam.RoleArgs(
                name=args.name,
                description=args.description,
                assume_role_policy=args.trust,
                permissions_boundary=args.boundary,
            ),
            inside,
        )
        self.name = role.name
        self.arn = role.arn
        self.grants = []
        if args.allows:
            self.grants.append(
                aws.iam.RolePolicy(
                    name,
                    aws.iam.RolePolicyArgs(
                        name="own", role=role.name, policy=document(args.allows)
                    ),
                    inside,
                )
            )
        for arn in args.managed:
            policy = arn.rpartition("/")[2]
            self.grants.append(
                aws.iam.RolePolicyAttachment(
                    f"{name}-{policy}",
                    aws.iam.RolePolicyAttachmentArgs(role=role.name, policy_arn=arn),
                    inside,
                )
            )
        self.register_outputs({"arn": self.arn})
