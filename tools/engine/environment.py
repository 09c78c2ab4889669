"""The environment that the engine runs in, so that a stack finds its own state and no other.

A local stack lives in the checkout alone: its state, the engine's settings and the passphrase that
guards no secret. Every other stack keeps the user's own backend, login and passphrase.
"""

import json
import os
import pwd
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tools.engine.acquire import Engine
from tools.engine.errors import EngineUsageError

LOCAL_PLATFORM = "local"
PLATFORM_KEY = "servestack:platform"
NO_PLACE_FOR_STATE = (
    "Where the stack's state lives is not known here. Name its place, as "
    "PULUMI_BACKEND_URL=gs://…, or log in with ./scripts/pulumi login: docs/state-backend.md"
)
# The first would lead Python astray; with the second each run would compile the SDKs anew, which
# takes three times as long as to load them.
_LEFT_OUT = ("PYTHONHOME", "PYTHONDONTWRITEBYTECODE")
# What a local stack takes of the user's PULUMI_* variables: which stack, and how to debug.
_KEPT = ("PULUMI_STACK", "PULUMI_DEBUG_")


def stack_file(checkout: Path, stack: str) -> Path:
    """Return the configuration file of a stack, which may be named with its organization."""
    return checkout / f"Pulumi.{stack.rsplit('/', 1)[-1]}.yaml"


def is_local_stack(checkout: Path, stack: str) -> bool:
    """Say whether the stack's file puts it on this machine; a stack without a file is not ours."""
    file = stack_file(checkout, stack)
    try:
        content = YAML(typ="safe").load(file.read_text())
    except FileNotFoundError:
        return False
    except (YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        problem = getattr(error, "problem", None) or "it is no text"
        raise EngineUsageError(f"{file.name}{line}: not readable as YAML: {problem}") from error
    config = content.get("config") if isinstance(content, dict) else None
    return isinstance(config, dict) and config.get(PLATFORM_KEY) == LOCAL_PLATFORM


def home_directory(checkout: Path, environ: Mapping[str, str]) -> Path:
    """Return where local stacks keep all that they write."""
    return Path(environ.get("SERVESTACK_HOME") or checkout / ".servestack").absolute()


def state_directory(checkout: Path, environ: Mapping[str, str]) -> Path:
    """Return the file backend of the local stacks."""
    return home_directory(checkout, environ) / "state"


def backend_is_known(checkout: Path, environ: Mapping[str, str]) -> bool:
    """Say whether the engine would find where a stack's state lives, without asking anybody."""
    if environ.get("PULUMI_BACKEND_URL") or environ.get("PULUMI_ACCESS_TOKEN"):
        return True
    # What is wrong with such a file is the engine's to tell.
    with suppress(OSError, ValueError, AttributeError, KeyError):
        # Where the engine looks, whatever HOME says.
        own = environ.get("PULUMI_HOME") or f"{pwd.getpwuid(os.getuid()).pw_dir}/.pulumi"
        if json.loads(Path(own, "credentials.json").read_text()).get("current"):
            return True
    return "\nbackend:" in (checkout / "Pulumi.yaml").read_text()


def engine_environment(
    *, checkout: Path, stack_is_local: bool, engine: Engine, environ: Mapping[str, str]
) -> dict[str, str]:
    """Return the environment for the engine and the programs that it starts."""
    venv = checkout / ".venv"
    # The virtual environment first: the engine's directory may well be /usr/bin.
    path = os.pathsep.join((str(venv / "bin"), str(engine.bin_dir), environ.get("PATH", "")))
    result = {
        name: value
        for name, value in environ.items()
        if name not in _LEFT_OUT
        and not (stack_is_local and name.startswith("PULUMI_") and not name.startswith(_KEPT))
    }
    result |= {
        "PATH": path,
        "VIRTUAL_ENV": str(venv),
        # The engine is pinned: news of a later one would be noise.
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    if stack_is_local:
        result |= {
            "PULUMI_BACKEND_URL": state_directory(checkout, environ).as_uri(),
            "PULUMI_HOME": str(home_directory(checkout, environ) / "pulumi-home"),
            "PULUMI_CONFIG_PASSPHRASE": "",
            # A local stack needs no plug-in, whichever cloud SDKs are installed beside it.
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        }
    return result
