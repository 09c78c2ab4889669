"""Where the real Kubernetes provider is, for who has it."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

NAME = "pulumi-resource-kubernetes"


def find_real_provider(environ: Mapping[str, str]) -> Path | None:
    """Return the one on PATH, else the latest that `pulumi plugin install` has put at home."""
    if on_path := shutil.which(NAME, path=environ.get("PATH", "")):
        return Path(on_path)
    home = Path(
        environ.get("PULUMI_HOME") or Path(environ.get("HOME", "~")).expanduser() / ".pulumi"
    )
    installed = [
        (tuple(int(part) for part in found.groups()), directory / NAME)
        for directory in (home / "plugins").glob("resource-kubernetes-v*")
        if (found := re.fullmatch(r"resource-kubernetes-v(\d+)\.(\d+)\.(\d+)", directory.name))
        and (directory / NAME).exists()
    ]
    return max(installed)[1] if installed else None
