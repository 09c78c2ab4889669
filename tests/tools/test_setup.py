"""`scripts/setup` installs what the lock says, and says plainly why it cannot."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.executables import bare_path, executable

SETUP = Path(__file__).parents[2] / "scripts" / "setup"

# A uv that notes what it is asked to do. It finds nothing to do if $UV_IN_SYNC, and
# cannot reach the registry if $UV_OFFLINE.
UV = """#!/bin/sh
[ "$1" = lock ] && exit
case "$*" in *--check*) [ -n "$UV_IN_SYNC" ]; exit ;; esac
echo "$@" >> "$UV_LOG"
[ -n "$UV_OFFLINE" ] && echo "error: could not connect" >&2 && exit 2
exit 0
"""
OLD_UV = """#!/bin/sh
echo "error: Required uv version does not match" >&2
exit 2
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "checkout" / "scripts").mkdir(parents=True)
    shutil.copy(SETUP, tmp_path / "checkout" / "scripts" / "setup")
    return tmp_path / "checkout"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A machine with the plain tools and nothing else."""
    return {
        "PATH": bare_path(tmp_path / "tools"),
        "HOME": str(tmp_path / "home"),
        "UV_LOG": str(tmp_path / "uv.log"),
    }


def with_python(environ: dict[str, str], content: str | None = None) -> dict[str, str]:
    python = Path(environ["PATH"]) / "python3"
    if content is None:
        python.symlink_to(sys.executable)
    else:
        executable(python, content)
    return environ


def with_uv(environ: dict[str, str]) -> dict[str, str]:
    executable(Path(environ["PATH"]) / "uv", UV)
    return environ


def setup(
    checkout: Path, environ: dict[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / "scripts" / "setup", *arguments],
        env=environ,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def asked(environ: dict[str, str]) -> list[str]:
    log = Path(environ["UV_LOG"])
    return log.read_text().splitlines() if log.exists() else []


def test_what_is_locked_is_installed_and_nothing_else_removed(
    checkout: Path, environ: dict[str, str]
) -> None:
    done = setup(checkout, with_uv(with_python(environ)), "--group", "dev")
    assert done.returncode == 0, done.stderr
    assert done.stderr == f"installing the locked dependencies into {checkout}/.venv\n"
    sync = f"sync --project {checkout} --locked --inexact"
    assert asked(environ) == [f"{sync} --python {environ['PATH']}/python3 --group dev"]


def test_nothing_is_said_where_nothing_is_to_be_done(
    checkout: Path, environ: dict[str, str]
) -> None:
    done = setup(checkout, with_uv(environ) | {"UV_IN_SYNC": "yes"})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert asked(environ) == []


def test_an_unreachable_registry_is_said_with_what_to_set(
    checkout: Path, environ: dict[str, str]
) -> None:
    done = setup(checkout, with_uv(with_python(environ)) | {"UV_OFFLINE": "yes"})
    assert done.returncode == 1
    assert "could not connect" in done.stderr
    assert "set a proxy (HTTPS_PROXY) or a mirror (UV_DEFAULT_INDEX)" in done.stderr


@pytest.mark.parametrize("content", [None, "#!/bin/sh\nexit 1\n"])
def test_a_machine_without_a_fitting_python_is_told_which_to_install(
    checkout: Path, environ: dict[str, str], content: str | None
) -> None:
    if content is not None:
        with_python(environ, content)
    done = setup(checkout, environ)
    assert done.returncode == 1
    assert done.stderr.startswith("Python 3.11, 3.12 or 3.13 is needed, and none is on PATH.")


# A Python that fits, and whose virtual environments hold a pip that "installs" the uv above, or
# cannot: $REGISTRY_DOWN.
PYTHON = f"""#!/bin/sh
case "$*" in
-c*) exit 0 ;;
*" venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
*" pip "*)
    [ -z "$REGISTRY_DOWN" ] || exit 1
    uv=$(dirname "$0")/uv
    cat > "$uv" <<'UV'
{UV}
UV
    chmod 755 "$uv"
    ;;
esac
"""


def test_a_machine_without_uv_gets_the_pinned_one_once(
    checkout: Path, environ: dict[str, str]
) -> None:
    with_python(environ, PYTHON)
    first = setup(checkout, environ)
    assert first.returncode == 0, first.stderr
    assert first.stderr.startswith("installing uv ")
    second = setup(checkout, environ)
    assert "installing uv" not in second.stderr
    assert len(asked(environ)) == 2
    cache = Path(environ["HOME"]) / ".cache" / "servestack"
    assert [entry.name[:3] for entry in cache.iterdir()] == ["uv-"]


def test_an_old_uv_on_path_is_passed_over(checkout: Path, environ: dict[str, str]) -> None:
    with_python(environ, PYTHON)
    executable(Path(environ["PATH"]) / "uv", OLD_UV)
    done = setup(checkout, environ)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("installing uv ")


def test_an_unreachable_registry_while_uv_is_installed_leaves_nothing_behind(
    checkout: Path, environ: dict[str, str]
) -> None:
    with_python(environ, PYTHON)
    done = setup(checkout, environ | {"REGISTRY_DOWN": "yes"})
    assert done.returncode == 1
    assert "is the Python package registry reachable from here?" in done.stderr
    assert list((Path(environ["HOME"]) / ".cache" / "servestack").iterdir()) == []


def test_help_teaches(checkout: Path, environ: dict[str, str]) -> None:
    done = setup(checkout, environ, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("Makes .venv")
    assert "scripts/setup --group dev" in done.stdout
