"""Physical names on AWS, within each service's limits, and the ARNs made of them. Pure.

Each has a digest of what it belongs to: `a-b` and `c` together are not `a` and `b-c`, and what is
deleted and made anew under other settings never meets its own old name.
"""

import re
from typing import Final

from infra.names import digested

_BUCKET_CHARACTERS: Final = 63
_ROLE_CHARACTERS: Final = 64
_SAGEMAKER_CHARACTERS: Final = 63
_CLUSTER_CHARACTERS: Final = 60
_ALARM_CHARACTERS: Final = 120


def bucket_name(*, account: str, region: str, stack: str) -> str:
    """Name the model bucket; all buckets of the world share one space of names."""
    return _named("models", stack, account, region, limit=_BUCKET_CHARACTERS)


def log_bucket_name(bucket: str) -> str:
    """Name the bucket that has the access logs of another."""
    name = f"{bucket}-logs"
    return name if len(name) <= _BUCKET_CHARACTERS else _named(name, limit=_BUCKET_CHARACTERS)


def role_name(what: str, *, stack: str, region: str, model: str = "") -> str:
    """Name a role by what it does in a stack, and for which model; an account has one space."""
    return _named(what, model, stack, region, limit=_ROLE_CHARACTERS)


def cluster_name(stack: str) -> str:
    """Name the cluster."""
    return _named("servestack", stack, limit=_CLUSTER_CHARACTERS)


def node_pool_name(pool: str, *, settings: str) -> str:
    """Name a group of nodes by what cannot be changed in it, so that a new one stands beside it."""
    return digested(_plain(pool), of=f"{pool}\0{settings}", limit=_CLUSTER_CHARACTERS)


def endpoint_name(*, stack: str, model: str) -> str:
    """Name a model's endpoint of SageMaker."""
    return _named(model, stack, limit=_SAGEMAKER_CHARACTERS)


def hashed_name(what: str, *, content: str) -> str:
    """Name what never changes by its content, so that another content is another thing."""
    return digested(_plain(what), of=content, limit=_SAGEMAKER_CHARACTERS)


def alarm_name(*parts: str) -> str:
    """Name an alarm or a topic."""
    return _named(*parts, limit=_ALARM_CHARACTERS)


def partition_of(region: str) -> str:
    """Give the part of AWS that a region is in, as its ARNs begin."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def role_arn(name: str, *, account: str, region: str) -> str:
    """Give a role's ARN, which is known before there is the role."""
    return f"arn:{partition_of(region)}:iam::{account}:role/{name}"


def bucket_arn(name: str, *, region: str) -> str:
    """Give a bucket's ARN."""
    return f"arn:{partition_of(region)}:s3:::{name}"


def _named(*parts: str, limit: int) -> str:
    said = "-".join(_plain(part) for part in parts if part)
    return digested(said, of="\0".join(parts), limit=limit)


def _plain(text: str) -> str:
    return re.sub("[^a-z0-9-]+", "-", text.lower()).strip("-")
