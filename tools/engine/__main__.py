"""`python -m tools.engine`: make sure that there is an engine, and say where."""

import argparse
import json
import os
import sys

from tools.engine.acquire import ensure_engine
from tools.engine.errors import EngineError
from tools.engine.progress import end_in_order_on_sigterm, say


def main() -> int:
    """Print the engine's bin directory; progress goes to stderr."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.engine",
        description="Find, download or build the Pulumi engine, and print the directory it is in.",
        epilog="SERVESTACK_ENGINE chooses the ways (path,cache,download,build), "
        "SERVESTACK_CACHE the cache directory. More in docs/engine.md.",
    )
    parser.add_argument("--json", action="store_true", help="print all that is known about it")
    arguments = parser.parse_args()
    end_in_order_on_sigterm()
    try:
        engine = ensure_engine(environ=os.environ, progress=say)
    except EngineError as error:
        say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    if arguments.json:
        fields = {name: str(value) for name, value in vars(engine).items()}
        sys.stdout.write(json.dumps(fields) + "\n")
    else:
        sys.stdout.write(f"{engine.bin_dir}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
