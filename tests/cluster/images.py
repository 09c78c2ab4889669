"""What stands in, on a real node, for the images that manifests name: this project's own programs.

`tensorflow/serving` is the local server, which takes the same flags; the image that fetches models
has Debian's rclone. Both have a shell and the plain tools that the real ones have, and no more.
"""

import os
import sys
import sysconfig
from pathlib import Path
from typing import Final

from tools.cluster.images import SHELL_PROGRAMS, Image

CHECKOUT: Final = Path(__file__).parents[2]
# As in the real image's Dockerfile.
_ENTRY_POINT: Final = """#!/bin/bash
tensorflow_model_server --port=8500 --rest_api_port=8501 \\
  --model_name=${MODEL_NAME} --model_base_path=${MODEL_BASE_PATH}/${MODEL_NAME} "$@"
"""


def serving_image(tag: str) -> Image:
    """Return `tensorflow/serving` of a tag, with this checkout's local server in it."""
    # The real server listens on every address; ours is asked to, since it is made for one machine.
    server = (
        f'#!/bin/sh\nexec "{sys.executable}" -P -m local_model_server --bind_address=0.0.0.0 "$@"\n'
    )
    return Image(
        name=f"docker.io/tensorflow/serving:{tag}",
        entrypoint=("/usr/bin/tf_serving_entrypoint.sh",),
        files={
            "/usr/bin/tensorflow_model_server": server,
            "/usr/bin/tf_serving_entrypoint.sh": _ENTRY_POINT,
        },
        directories=_python("local_model_server"),
        environment={
            "MODEL_NAME": "model",
            "MODEL_BASE_PATH": "/models",
            # Nothing can be written beside the code, and the real server wants no directory for
            # passing files, which Python does.
            "PYTHONDONTWRITEBYTECODE": "1",
            "TMPDIR": "/dev/shm",  # noqa: S108 -- the container's own
        },
    )


def export_image(name: str) -> Image:
    """Return an image of `model-export`, with the clients of all object stores."""
    command = f'#!/bin/sh\nexec "{sys.executable}" -P -m model_export.cli "$@"\n'
    return Image(
        name=name,
        entrypoint=("/usr/bin/model-export",),
        files={"/usr/bin/model-export": command},
        directories=_python("model_export"),
        environment={"PYTHONDONTWRITEBYTECODE": "1", "HOME": "/tmp"},  # noqa: S108 -- the image's
    )


def rclone_image(name: str) -> Image:
    """Return `rclone/rclone`: Debian's rclone, which is older than most tags."""
    return Image(
        name=name,
        entrypoint=("/usr/bin/rclone",),
        programs=(*SHELL_PROGRAMS, "rclone"),
        environment={"XDG_CONFIG_HOME": "/config"},
    )


# Answers with its version and a header that tells its pod; dies at once when it is told to.
_TOY: Final = """
import http.server, os, signal, sys, time

# The first process of a container is not ended by a signal that it does not ask for.
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(float(self.path.partition("?")[2] or 0.05))
        content = os.environ["TOY_VERSION"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass

if sys.argv[1:] == ["hog"]:
    kept = []
    while True:
        kept.append(b"x" * (8 << 20))
http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
"""


def toy_image(version: str) -> Image:
    """Return `local/toy` of a version: a server that starts in no time.

    `/?SECONDS` is answered after as many seconds.
    """
    return Image(
        name=f"docker.io/local/toy:{version}",
        entrypoint=(sys.executable, "-I", "-S", "/usr/bin/toy.py"),
        files={"/usr/bin/toy.py": _TOY},
        directories=_python(),
        environment={"TOY_VERSION": version},
    )


def _python(*packages: str) -> list[Path]:
    """Return where this interpreter, what is installed and our packages lie."""
    places = [Path(sys.prefix), Path(sys.base_prefix), *(CHECKOUT / each for each in packages)]
    # An interpreter is often reached by links, and each must lead somewhere in the container too.
    executable = Path(sys.executable)
    while executable.is_symlink():
        executable = Path(os.path.normpath(executable.parent / executable.readlink()))
        places.append(executable.parent.parent)
    places.append(Path(sysconfig.get_paths()["purelib"]))
    kept: list[Path] = []
    for place in sorted(set(places)):
        if not any(place.is_relative_to(other) for other in kept):
            kept.append(place)
    return kept
