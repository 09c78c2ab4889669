"""What a model bucket in any cloud is to the rest of a stack.

Grants are methods of the owner: who may read or write is declared where the bucket is, beside it.
"""

from collections.abc import Sequence
from typing import Protocol, TypeVar

import pulumi

IdentityT_contra = TypeVar("IdentityT_contra", contravariant=True)


class ModelBucket(Protocol[IdentityT_contra]):
    """A bucket: its URL, and whom it lets in. `identity` is what the cloud's roles are granted to.

    Each grant has a name that stays the same while who it is for does, since it names a resource.
    A prefix is a folder of the bucket, such as a model's name; without one it is all of it. `after`
    is what has to be there before the identity can be named.
    """

    @property
    def address(self) -> str:
        """Give the URL as text, known before there is a bucket."""
        ...

    @property
    def url(self) -> pulumi.Output[str]:
        """Give the URL once the bucket is there; who uses it waits for it."""
        ...

    def grant_read(
        self,
        name: str,
        identity: pulumi.Input[IdentityT_contra],
        prefix: str | None = None,
        after: Sequence[pulumi.Resource] = (),
    ) -> list[pulumi.Resource]:
        """Let an identity list and read; give what has to be there before it can."""
        ...

    def grant_write(
        self,
        name: str,
        identity: pulumi.Input[IdentityT_contra],
        prefix: str | None = None,
        after: Sequence[pulumi.Resource] = (),
    ) -> list[pulumi.Resource]:
        """Let an identity publish as well, but neither change nor delete what is published."""
        ...
