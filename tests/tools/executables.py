"""Stand-ins for the programs that the engine's acquisition finds on PATH."""

import shutil
from pathlib import Path

from tools.engine.pins import VERSION

# A Go tool chain that "builds" a pulumi of the pinned version; $BUILD_LOG counts its builds, and
# it takes $BUILD_SECONDS.
GO = f"""#!/bin/sh
case $1 in
env) echo go1.25.1 ;;
list) echo "$FAKE_SDK" ;;
build)
    echo build >> "$BUILD_LOG"
    sleep "${{BUILD_SECONDS:-0}}"
    while [ "$1" != -o ]; do shift; done
    output=$2
    shift 2
    # Into a directory goes each package, by its last name.
    for package; do
        case $output in */) program=$output${{package##*/}} ;; *) program=$output ;; esac
        printf '#!/bin/sh\\necho v{VERSION}\\n' > "$program"
        chmod 755 "$program"
    done
    ;;
esac
"""


def executable(file: Path, content: str) -> Path:
    """Write a program."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    file.chmod(0o755)
    return file


def fake_pulumi(directory: Path, version: str, *, with_language_host: bool = True) -> Path:
    """Put a pulumi of some version into a directory."""
    if with_language_host:
        executable(directory / "pulumi-language-python", "#!/bin/sh\n")
    return executable(directory / "pulumi", f"#!/bin/sh\necho {version}\n")


def fake_go(directory: Path, environ: dict[str, str]) -> dict[str, str]:
    """Put a Go tool chain into a directory, and return the environment in which it works."""
    executable(directory / "bin" / "go", GO)
    sdk = directory / "sdk" / "python"
    executable(sdk / "cmd" / "pulumi-language-python-exec", "")
    executable(sdk / "dist" / "pulumi-resource-pulumi-python", "")
    return environ | {
        "PATH": f"{directory / 'bin'}:{environ['PATH']}",
        "FAKE_SDK": str(sdk.parent),
        "BUILD_LOG": str(directory / "builds"),
    }


def bare_path(directory: Path) -> str:
    """Return a PATH with the plain tools of a shell and nothing that this project looks for."""
    directory.mkdir(parents=True, exist_ok=True)
    shell = ("bash", "sh", "env", "cat", "dirname", "sed", "sleep")
    files = ("chmod", "cp", "mkdir", "mktemp", "mv", "rm")
    for name in shell + files:
        found = shutil.which(name)
        assert found is not None, name
        (directory / name).symlink_to(found)
    return str(directory)
