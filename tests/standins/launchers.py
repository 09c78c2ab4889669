"""Stand-ins on PATH, where the engine looks for plug-ins: `pulumi-resource-NAME`, executable."""

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.standins.provider import JOURNAL_VARIABLE

CHECKOUT = Path(__file__).parents[2]


def with_stand_ins(
    packages: Iterable[str],
    *,
    directory: Path,
    environ: Mapping[str, str],
    journal: Path | None = None,
) -> dict[str, str]:
    """Return `environ` with launchers of the stand-ins first on PATH.

    The stand-in of a package is the module `tests.standins.PACKAGE`, started as a program. What it
    really does it writes into `journal`, a JSON object a line.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for package in packages:
        launcher = directory / f"pulumi-resource-{package}"
        launcher.write_text(
            "#!/bin/sh\n"
            f'export PYTHONPATH="{CHECKOUT}"\n'
            f'exec "{sys.executable}" -P -m tests.standins.{package} "$@"\n'
        )
        launcher.chmod(0o755)
    path = os.pathsep.join((str(directory), environ.get("PATH", "")))
    result = {**environ, "PATH": path}
    if journal is not None:
        result[JOURNAL_VARIABLE] = str(journal)
    return result
