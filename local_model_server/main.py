"""The command `local-model-server`: flags, a look at the ports, then the server.

What takes seconds to import comes last, so that a mistake is told at once.
"""

import errno
import logging
import os
import socket
import sys

from local_model_server.domain import ServerSettings, UsageError
from local_model_server.flags import parse_flags


def main() -> int:
    """Run the command; give its exit code."""
    # TensorFlow reads these when it is imported; whoever wants its chatter sets them.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        settings = parse_flags(sys.argv[1:])
    except UsageError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if mistakes := [line for line in _taken_ports(settings) if line]:
        sys.stderr.write("\n".join(mistakes) + "\n")
        return 1
    logging.basicConfig(format="%(asctime)s %(levelname).1s %(message)s", level=logging.INFO)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    logging.getLogger("absl").setLevel(logging.ERROR)
    # Only now, since these take seconds.
    import uvloop  # noqa: PLC0415

    from local_model_server.server import serve  # noqa: PLC0415

    code = uvloop.run(serve(settings))
    logging.shutdown()
    sys.stdout.flush()
    # Threads of models that still run would keep the interpreter from ending.
    os._exit(code)


def _taken_ports(settings: ServerSettings) -> list[str]:
    """Say which ports cannot be had, before anything slow begins."""
    ports = {"--port": settings.grpc_port, "--rest_api_port": settings.rest_port}
    return [
        _bind_problem(flag, settings.bind_address, port) for flag, port in ports.items() if port
    ]


def _bind_problem(flag: str, address: str, port: int) -> str:
    try:
        family = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return f"{flag}: port {port} on {address} is in use; stop what uses it or name another"
        return f"{flag}: port {port} on {address} cannot be had: {error.strerror or error}"
    return ""


if __name__ == "__main__":
    sys.exit(main())
