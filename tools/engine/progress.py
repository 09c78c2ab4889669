"""What a command that prepares the engine shows, and how it ends when it is told to."""

import signal
import sys
from typing import NoReturn


def say(line: str) -> None:
    """Show one line; stdout is for the answer."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def end_in_order_on_sigterm() -> None:
    """Leave by an exception instead of at once, so that a running build is cleared away."""
    signal.signal(signal.SIGTERM, _leave)


def _leave(*_: object) -> NoReturn:
    sys.exit(128 + signal.SIGTERM)
