"""What containerd starts instead of runc: runc, with this machine's directories in the container.

An image that has MOUNTS_FILE lists directories there; before runc makes a container of it, they are
added to the container's mounts, read-only and at their own paths. Everything else is runc's. Runs
as a program of its own, with the standard library alone.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any, Final

MOUNTS_FILE: Final = "/.mounts-of-this-machine.json"
_OPTIONS: Final = ("rbind", "ro", "nosuid", "nodev")


def launcher(python: str, runc: str) -> str:
    """Return the script that containerd is given; only a new container is worth a Python."""
    return (
        "#!/bin/sh\n"
        'case " $* " in *" create "*)\n'
        f'  "{python}" -I -S "{Path(__file__).absolute()}" "$@" || exit 1 ;;\n'
        "esac\n"
        f'exec "{runc}" "$@"\n'
    )


def with_mounts(specification: dict[str, Any], paths: list[str]) -> dict[str, Any]:
    """Return a container's specification with this machine's directories among its own mounts."""
    ours = [
        {"destination": path, "source": path, "type": "bind", "options": list(_OPTIONS)}
        for path in paths
    ]
    theirs = specification.get("mounts", [])
    # /proc, /dev and their like first: containerd has put them first.
    system = [mount for mount in theirs if mount["type"] != "bind"]
    volumes = [mount for mount in theirs if mount["type"] == "bind"]
    # A volume at /tmp must not hide a checkout below it, nor a directory of ours a volume in it.
    binds = sorted([*ours, *volumes], key=lambda mount: mount["destination"].count("/"))
    return {**specification, "mounts": [*system, *binds]}


def _main() -> None:
    bundle = Path(_argument("--bundle"))
    file = bundle / "config.json"
    specification = json.loads(file.read_text())
    listed = Path(bundle, specification["root"]["path"], MOUNTS_FILE.lstrip("/"))
    if listed.exists():
        paths = [path for path in json.loads(listed.read_text()) if os.path.exists(path)]  # noqa: PTH110 -- a file or a directory
        file.write_text(json.dumps(with_mounts(specification, paths)))


def _argument(name: str) -> str:
    words = sys.argv[1:]
    for word in words:
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return words[words.index(name) + 1]


if __name__ == "__main__":
    _main()
