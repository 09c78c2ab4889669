"""`python -m tools.cluster`: make sure that a cluster for tests can be started."""

import argparse
import os
import sys

from tools.cluster.debian import ensure_packages, obstacle
from tools.cluster.definitions import ensure_definitions
from tools.cluster.programs import ensure_cluster_programs
from tools.engine.errors import EngineError
from tools.engine.progress import end_in_order_on_sigterm, say


def main() -> int:
    """Print the directory or the path of each part; progress goes to stderr."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.cluster",
        description="Build the Kubernetes control plane that tests run against, and as root "
        "on Linux a node with what Debian packages it needs.",
        epilog="KUBEBUILDER_ASSETS names a directory that has parts of it already, "
        "SERVESTACK_CACHE the one that keeps the rest. More in docs/cluster-tests.md.",
    )
    parser.parse_args()
    end_in_order_on_sigterm()
    try:
        ensure_packages(say)
        if reason := obstacle():
            say(f"no real Kubernetes node on this machine, and no tests on one: {reason}")
        programs = ensure_cluster_programs(
            with_node=reason is None, environ=os.environ, progress=say
        )
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
