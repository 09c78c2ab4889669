"""Whether a place on this machine belongs to the checkout that the engine works in.

A copied checkout brings the state of the first along, and with it where its server runs and its
versions lie. These are not the copy's to end and to remove.
"""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tools.engine.environment import home_directory, state_directory


def is_of_this_checkout(place: Path) -> bool:
    """Tell whether a provider, which the engine starts in the checkout, may take a place away."""
    checkout = Path.cwd()
    roots = [checkout, home_directory(checkout, os.environ)]
    backend = Path(unquote(urlsplit(os.environ.get("PULUMI_BACKEND_URL", "")).path))
    if backend == state_directory(checkout, {"SERVESTACK_HOME": str(backend.parent)}):
        # Whoever runs `pulumi` itself names the state, and not always the home.
        roots.append(backend.parent)
    return any(place.resolve().is_relative_to(root.resolve()) for root in roots)
