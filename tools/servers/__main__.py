"""`python -m tools.servers`: make sure that the test servers are there, and say where."""

import argparse
import os
import sys

from tools.engine.errors import EngineError
from tools.engine.progress import end_in_order_on_sigterm, say
from tools.servers.acquire import PACKAGES, ensure_servers


def main() -> int:
    """Print each program's path; progress goes to stderr."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.servers",
        description="Build the object stores that tests run against, and print their paths.",
        epilog="They are kept in SERVESTACK_CACHE, like the engine.",
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"one of {', '.join(PACKAGES)}; left out: each of them",
    )
    names = parser.parse_args().names or list(PACKAGES)
    if unknown := [name for name in names if name not in PACKAGES]:
        parser.error(f"unknown server {unknown[0]!r}; there are {', '.join(PACKAGES)}")
    end_in_order_on_sigterm()
    try:
        for program in ensure_servers(*names, environ=os.environ, progress=say):
            sys.stdout.write(f"{program}\n")
    except EngineError as error:
        say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
