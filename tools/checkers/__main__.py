"""`python -m tools.checkers`: make sure that the checkers are there, and say where."""

import os
import sys

from tools.checkers.acquire import ensure_actionlint
from tools.engine.errors import EngineError
from tools.engine.progress import end_in_order_on_sigterm, say


def main() -> int:
    """Print the program's path; progress goes to stderr."""
    end_in_order_on_sigterm()
    try:
        sys.stdout.write(f"{ensure_actionlint(environ=os.environ, progress=say)}\n")
    except EngineError as error:
        say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
