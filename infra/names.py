"""Physical names, within each service's limits. Pure: equal input gives the equal name for ever.

A name too long is cut and carries a digest of the whole, so that two long names stay two.
"""

import hashlib
from typing import Final

_DIGEST_CHARACTERS: Final = 8
# Docker itself has no limit, but a container's name is its host name on a user-defined network.
_CONTAINER_CHARACTERS: Final = 63


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
