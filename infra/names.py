"""Physical names, within each service's limits. Pure: equal input gives the equal name for ever.

A name too long is cut and carries a digest of the whole, so that two long names stay two.
"""

import hashlib
import re
from typing import Final

_DIGEST_CHARACTERS: Final = 8
# Docker itself has no limit, but a container's name is its host name on a user-defined network.
_CONTAINER_CHARACTERS: Final = 63
# A DNS label, which names of namespaces, Services and label values have to be.
_DNS_LABEL_CHARACTERS: Final = 63
NAMESPACE_PREFIX: Final = "servestack"
CANARY: Final = "canary"
PUBLISHER: Final = "publisher"
# What is put behind a model's name, for objects that it has more than one of.
MODEL_SUFFIXES: Final = (CANARY, "stable", "headless", "live", PUBLISHER)


def digested(readable: str, *, of: str, limit: int) -> str:
    """Give a name of at most `limit` characters that differs wherever `of` differs."""
    digest = hashlib.sha256(of.encode()).hexdigest()[:_DIGEST_CHARACTERS]
    return f"{readable[: limit - _DIGEST_CHARACTERS - 1].rstrip('-._')}-{digest}"


def container_name(*, home: str, stack: str, model: str) -> str:
    """Name a model's container; one Docker serves the stacks of several checkouts.

    The digest also keeps stack `a-b`, model `c` apart from stack `a`, model `b-c`.
    """
    identity = f"{home}\0{stack}\0{model}"
    return digested(f"servestack-{stack}-{model}", of=identity, limit=_CONTAINER_CHARACTERS)


def namespace_name(stack: str) -> str:
    """Name the namespace that a stack's models are in, where the stack file names none.

    Known without the cluster, since a cloud's roles are granted to the service accounts in it.
    """
    readable = f"{NAMESPACE_PREFIX}-{_dns_label(stack)}"
    if readable == f"{NAMESPACE_PREFIX}-{stack}" and len(readable) <= _DNS_LABEL_CHARACTERS:
        return readable
    return digested(readable, of=stack, limit=_DNS_LABEL_CHARACTERS)


def service_account_name(model: str) -> str:
    """Name the Kubernetes service account of a model's pods: a model of its own has its own."""
    return model


def publisher_account_name(model: str) -> str:
    """Name the service account of what publishes versions of a model from inside the cluster."""
    return model_object_name(model, PUBLISHER)


def model_object_name(model: str, suffix: str = "") -> str:
    """Name one of a model's objects in its namespace."""
    name = f"{model}-{suffix}" if suffix else model
    if len(name) <= _DNS_LABEL_CHARACTERS:
        return name
    return digested(name, of=name, limit=_DNS_LABEL_CHARACTERS)


def stack_object_name(stack: str, what: str, *, limit: int = _DNS_LABEL_CHARACTERS) -> str:
    """Name what is of a stack as a whole, wherever other stacks may have theirs."""
    return digested(
        f"{NAMESPACE_PREFIX}-{_dns_label(stack)}-{what}", of=f"{stack}\0{what}", limit=limit
    )


def content_name(model: str, *, content: str) -> str:
    """Name an object by what is in it, so that other content is another object beside it."""
    return digested(model, of=content, limit=_DNS_LABEL_CHARACTERS)


def _dns_label(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
