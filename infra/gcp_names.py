"""Physical names on Google Cloud, within each service's limits. Pure.

Each has a digest of what it belongs to: `a-b` and `c` together are not `a` and `b-c`, and what is
deleted and made anew under other settings never meets its own old name.
"""

import hashlib
import re
from typing import Final

from infra.names import digested

_BUCKET_CHARACTERS: Final = 63
_CLUSTER_CHARACTERS: Final = 40
_NETWORK_CHARACTERS: Final = 63
_ACCOUNT_CHARACTERS: Final = 30
_FEDERATION_CHARACTERS: Final = 32
_ROLE_CHARACTERS: Final = 64
_TOPIC_CHARACTERS: Final = 60
_LABEL_CHARACTERS: Final = 63
# Two are left for a letter in front.
_MODEL_CHARACTERS: Final = 61
_REPOSITORY_CHARACTERS: Final = 63
# Vertex AI's numbers for endpoints that are chosen have at most nine digits.
_ENDPOINTS_FROM: Final = 10**8


def bucket_name(*, project: str, stack: str) -> str:
    """Name the model bucket; all buckets of the world share one space of names."""
    return _named(project, stack, "models", limit=_BUCKET_CHARACTERS)


def log_bucket_name(bucket: str) -> str:
    """Name the bucket that has the access logs of another."""
    name = f"{bucket}-logs"
    return name if len(name) <= _BUCKET_CHARACTERS else _named(name, limit=_BUCKET_CHARACTERS)


def cluster_name(stack: str) -> str:
    """Name the cluster, which shares its space with those of the project in the same place."""
    return _named("servestack", stack, limit=_CLUSTER_CHARACTERS)


def node_pool_name(pool: str, *, settings: str) -> str:
    """Name a pool of nodes by what cannot be changed in it, so that a new one stands beside it."""
    return digested(_plain(pool), of=f"{pool}\0{settings}", limit=_CLUSTER_CHARACTERS)


def network_name(stack: str) -> str:
    """Name the network, and what belongs to it."""
    return _named("servestack", stack, limit=_NETWORK_CHARACTERS)


def service_account_id(role: str, *, stack: str, model: str = "") -> str:
    """Name a service account by what it does in a stack, and for which model."""
    return _named(role, model, stack, limit=_ACCOUNT_CHARACTERS)


def federation_id(stack: str, *, repository: str) -> str:
    """Name the pool of identities that come from outside; a deleted one is taken for 30 days."""
    identity = f"{stack}\0{repository}"
    return digested(f"ci-{_plain(stack)}", of=identity, limit=_FEDERATION_CHARACTERS)


def custom_role_id(stack: str, *, of: str) -> str:
    """Name a role of the project's own; it takes no hyphens."""
    return _named("servestack", stack, of, limit=_ROLE_CHARACTERS).replace("-", "_")


def budget_topic_name(stack: str) -> str:
    """Name the topic that messages of the budget go to."""
    return _named("servestack", stack, "budget", limit=_TOPIC_CHARACTERS)


def registry_model_id(*, stack: str, model: str) -> str:
    """Name a model in Vertex AI's registry, where a name starts with a letter."""
    name = _named(stack, model, limit=_MODEL_CHARACTERS)
    return name if name[0].isalpha() else f"m-{name}"


def endpoint_id(*, stack: str, model: str, settings: str) -> str:
    """Choose a model's endpoint's number; `settings` are those that need another one beside it."""
    digest = hashlib.sha256(f"{stack}\0{model}\0{settings}".encode()).hexdigest()
    return str(_ENDPOINTS_FROM + int(digest, 16) % (9 * _ENDPOINTS_FROM))


def image_repository(stack: str) -> str:
    """Name the stack's repository of images."""
    return _named("servestack", stack, "images", limit=_REPOSITORY_CHARACTERS)


def label_value(text: str) -> str:
    """Give text as the value of a label; two texts stay two."""
    plain = _plain(text)
    if plain == text and len(plain) <= _LABEL_CHARACTERS:
        return plain
    return digested(plain, of=text, limit=_LABEL_CHARACTERS)


def _named(*parts: str, limit: int) -> str:
    return digested(_plain("-".join(filter(None, parts))), of="\0".join(parts), limit=limit)


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
