"""`python -m tools.cluster`: make sure that a cluster for tests can be started."""

import argparse
import os
import sys

from tools.cluster.definitions import ensure_definitions
from tools.cluster.programs import ensure_cluster_programs
from tools.engine.errors import EngineError
from tools.engine.progress import end_in_order_on_sigterm, say


def main() -> int:
    """Print the directory or the path of each part; progress goes to stderr."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.cluster",
        description="Build the Kubernetes control plane that tests run against.",
        epilog="KUBEBUILDER_ASSETS names a directory that has parts of it already, "
        "SERVESTACK_CACHE the one that keeps the rest. More in docs/cluster-tests.md.",
    )
    parser.parse_args()
    end_in_order_on_sigterm()
    try:
        programs = ensure_cluster_programs(with_node=False, environ=os.environ, progress=say)
        definitions = ensure_definitions(environ=os.environ, progress=say)
    except EngineError as error:
        say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    for name, path in {**programs, **definitions}.items():
        sys.stdout.write(f"{name} {path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
