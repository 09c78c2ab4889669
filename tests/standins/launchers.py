"""Stand-ins on PATH, where the engine looks for plug-ins: `pulumi-resource-NAME`, executable."""

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.standins.protocol import PLUGIN_VARIABLE
from tests.standins.provider import JOURNAL_VARIABLE

CHECKOUT = Path(__file__).parents[2]


def with_stand_ins(
    packages: Iterable[str] | Mapping[str, str],
    *,
    directory: Path,
    environ: Mapping[str, str],
    journal: Path | None = None,
) -> dict[str, str]:
    """Return `environ` with launchers of the stand-ins first on PATH.

    The stand-in of a package is the module `tests.standins.PACKAGE`, or the one of the name that is
    given with it, started as a program. What it really does it writes into `journal`, a JSON object
    a line.
    """
    directory.mkdir(parents=True, exist_ok=True)
    modules = packages if isinstance(packages, Mapping) else {name: name for name in packages}
    for package, module in modules.items():
        launcher = directory / f"pulumi-resource-{package}"
        launcher.write_text(
            "#!/bin/sh\n"
            f'export PYTHONPATH="{CHECKOUT}" {PLUGIN_VARIABLE}=1\n'
            f'exec "{sys.executable}" -P -m tests.standins.{module} "$@"\n'
        )
        launcher.chmod(0o755)
    path = os.pathsep.join((str(directory), environ.get("PATH", "")))
    result = {**environ, "PATH": path}
    if journal is not None:
        result[JOURNAL_VARIABLE] = str(journal)
    return result
