"""What to do about what a cloud refused: from its reason words to a key of the stack file. Pure.

A cloud tells why in words that are part of its API (`alreadyExists`, `quotaExceeded`); what is told
in other words gets no advice. It leaves out what a preview can know, which the configuration tells.
"""

import re
from collections.abc import Mapping
from typing import Final

from tools.engine.environment import NO_PLACE_FOR_STATE

# Where in a stack file a resource of a type comes from; of a pool, its name decides.
_KEYS: Final[Mapping[str, str]] = {
    "Service": "gcp.project",
    "Bucket": "bucket.name",
    "Cluster": "cluster",
    "Budget": "gcp.billing_account",
    "WorkloadIdentityPool": "identity.ci.github",
    "CryptoKeyIAMMember": "bucket.kms_key",
    "NotificationChannel": "budget.emails",
}
_LOG_IN: Final = "gcloud auth application-default login"
_AWS_LOG_IN: Final = "aws sso login, or aws configure"
# Of the provider and of Amazon's own client, whose errors name no resource.
_NOBODY_AT_AWS: Final = (
    "No valid credential sources found|Unable to locate credentials|ExpiredToken|"
    "security token included in the request is (expired|invalid)"
)
# The first that is found in the error's text counts.
_ADVICE: Final[Mapping[str, str]] = {
    "quotaExceeded|QUOTA_EXCEEDED|RESOURCE_EXHAUSTED|Quota '[^']+' exceeded": "Ask Google for more "
    "of it (console, IAM & Admin, Quotas), or write less at {key}; then run it again",
    "ZONE_RESOURCE_POOL_EXHAUSTED|GCE_STOCKOUT|resourcePoolExhausted": "There is none left there "
    "now. Name other zones at {key}, or try again later",
    "Error 409|alreadyExists|ALREADY_EXISTS": "Another stack or somebody else has this name. If it "
    "is yours, take it over with pulumi import; else write another name at {key}",
    "accessNotConfigured|SERVICE_DISABLED": "A service that was just switched on takes minutes to "
    "answer. Run it again",
    "Error 403|PERMISSION_DENIED": "See that {key} names what is yours, and that you may do this "
    f"there: {_LOG_IN}",
}
_DELETED_POOL: Final = (
    "Google keeps a deleted pool for 30 days: bring it back with gcloud iam "
    "workload-identity-pools undelete, and take it over with pulumi import (docs/gcp.md)"
)


def remedy(urn: str, message: str) -> str | None:
    """Say what to do about an error of a cloud; None where nothing is known."""
    if "could not find default credentials" in message:
        return f"Log in: {_LOG_IN}"
    if re.search(_NOBODY_AT_AWS, message):
        return f"Log in: {_AWS_LOG_IN}"
    if "AWS account ID not allowed" in message:
        return "Log in to the account of servestack:aws.account, or write yours there"
    types, _, name = urn.rpartition("::")
    type_ = types.rpartition("::")[2].rpartition("$")[2]
    if not type_.startswith("gcp:"):
        return None
    kind = type_.rpartition(":")[2]
    if kind == "WorkloadIdentityPool" and "Error 409" in message:
        return _DELETED_POOL
    advice = (text for words, text in _ADVICE.items() if re.search(words, message))
    found = next(advice, None)
    return found.format(key=f"servestack:{_key(kind, name)}") if found else None


def where_state_lives(message: str) -> str:
    """Give what the engine said, or, where it knows no place for the state, what to do about it."""
    if "PULUMI_ACCESS_TOKEN must be set" not in message:
        return message
    return NO_PLACE_FOR_STATE


def _key(kind: str, name: str) -> str:
    if kind == "NodePool":
        return "cluster.system_pool" if name == "system" else f"cluster.gpu_pools.{name}"
    return _KEYS.get(kind, "gcp")
